/** A stand-in for api.replicate.com and replicate.delivery on one local port. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Control, controlRoutes } from './control.ts';
import type { Call, Endpoint } from './faults.ts';
import { match, type Reply, type Request, type Route, send, sendProblem, wrap } from './http.ts';
import { Journal } from './journal.ts';
import { Problem, unauthenticated } from './problems.ts';
import { modelRoutes } from './routes-models.ts';
import { outputRoutes } from './routes-outputs.ts';
import { predictionRoutes } from './routes-predictions.ts';
import { defaultSettings, type Settings } from './settings.ts';
import { Simulation } from './simulation.ts';
import { Dropped, underFaults } from './under-faults.ts';
import { uploadRoutes } from './uploads.ts';

export interface SimulatorOptions {
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0: any free one. */
  port?: number;
  /** The one API token that is accepted; made up when not given. */
  token?: string;
  /** `whsec_` and base64; made up when not given. */
  webhookSecret?: string;
  settings?: Partial<Settings>;
  /** A file that keeps the predictions over restarts; pass the same port, token and secret again. */
  state?: string;
}

export interface Simulator {
  /** The origin, without `/v1`. */
  url: string;
  token: string;
  webhookSecret: string;
  control: Control;
  close(): Promise<void>;
}

/** Starts a simulator; resolves when it listens. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { host = '127.0.0.1', port = 0 } = options;
  const token = options.token ?? `r8_${randomBytes(18).toString('hex')}`;
  const webhookSecret = options.webhookSecret ?? `whsec_${randomBytes(24).toString('base64')}`;
  const settings = { ...defaultSettings, ...options.settings };
  const journal = options.state === undefined ? undefined : new Journal(options.state);
  const simulation = new Simulation(token, webhookSecret, settings, journal);
  const control = new Control(simulation);
  const routes = [
    ...predictionRoutes(simulation),
    ...modelRoutes(simulation),
    ...uploadRoutes(simulation),
    ...outputRoutes(simulation),
    ...controlRoutes(control),
  ];
  const server = createServer((raw, response) => {
    void answer(raw, response, routes, simulation);
  });
  // Longer than the idle time of any client's pool, so that no request meets a socket being closed.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  simulation.origin = `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
  simulation.restore();
  const close = async (): Promise<void> => {
    simulation.close();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { url: simulation.origin, token, webhookSecret, control, close };
}

async function answer(
  raw: IncomingMessage,
  response: ServerResponse,
  routes: Route[],
  simulation: Simulation,
): Promise<void> {
  let endpoint: Endpoint | undefined;
  response.setHeader('date', new Date(Date.now() + simulation.settings.clock_offset_ms).toUTCString());
  try {
    const url = new URL(raw.url ?? '/', simulation.origin);
    if (url.pathname.startsWith('/v1/')) authenticate(raw, simulation.token);
    const { found, params } = match(routes, raw.method ?? 'GET', url.pathname);
    endpoint = found.endpoint;
    const request = wrap(raw, url, params);
    const reply = await perform(found, request, simulation);
    if (endpoint !== undefined) simulation.count(endpoint, reply.status);
    if (reply.stream === undefined) send(response, reply);
    else await reply.stream(response);
  } catch (error) {
    refuse(error, response, endpoint, simulation);
  }
}

function perform(found: Route, request: Request, simulation: Simulation): Promise<Reply> | Reply {
  // A create must be read before its model is known; its handler asks the rules itself.
  if (found.endpoint === undefined || found.endpoint === 'create') return found.handle(request);
  return underFaults(simulation, callOf(found.endpoint, request, simulation), () => found.handle(request));
}

function callOf(endpoint: Endpoint, request: Request, simulation: Simulation): Call {
  const [id = ''] = request.params;
  if (endpoint === 'model') return { endpoint, model: request.params.slice(0, 2).join('/') };
  const prediction =
    endpoint === 'file' ? simulation.outputs.find(id)?.prediction : simulation.predictions.get(id);
  const prompt = prediction?.input.prompt;
  return { endpoint, model: prediction?.model.id, prompt: typeof prompt === 'string' ? prompt : undefined };
}

function refuse(
  error: unknown,
  response: ServerResponse,
  endpoint: Endpoint | undefined,
  simulation: Simulation,
): void {
  if (error instanceof Dropped) {
    if (endpoint !== undefined) simulation.count(endpoint, 'dropped');
    response.socket?.destroy();
    return;
  }
  if (!(error instanceof Problem)) console.error('replicate simulator:', error);
  const problem =
    error instanceof Problem ? error : new Problem(500, { detail: 'The simulator itself broke.' });
  if (endpoint !== undefined) simulation.count(endpoint, problem.status);
  if (response.headersSent) response.socket?.destroy();
  else sendProblem(response, problem);
}

/** `Bearer`, and the older `Token`. */
function authenticate(raw: IncomingMessage, token: string): void {
  const header = raw.headers.authorization;
  if (header === undefined) throw unauthenticated(false);
  if (header !== `Bearer ${token}` && header !== `Token ${token}`) throw unauthenticated(true);
}
