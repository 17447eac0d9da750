/** `/v1/predictions` and `/v1/models/{owner}/{name}/predictions`. */

import { findModel, type ModelFacts, resolveVersion } from './facts.ts';
import type { Fault } from './faults.ts';
import { type Reply, type Request, type Route, route } from './http.ts';
import { end, ended } from './lifecycle.ts';
import { isTerminal, newPrediction, type Prediction, view } from './prediction.ts';
import { invalidInput, invalidVersion, notFound, Problem } from './problems.ts';
import { rateHeaders } from './ratelimit.ts';
import type { Simulation } from './simulation.ts';
import { underFaults } from './under-faults.ts';
import { type CreateBody, checkBody, checkInput, knownInput } from './validate.ts';

const pageSize = 100;
const minCancelAfterMs = 5_000;

/** A create call that passed all checks. */
interface Create {
  model: ModelFacts;
  body: CreateBody;
}

/** Reads and checks a create call. Throws 400, 404 and 422. */
async function readCreate(request: Request): Promise<Create> {
  const [owner, name] = request.params;
  const official = owner === undefined ? undefined : findModel(`${owner}/${name}`);
  if (owner !== undefined && official?.kind !== 'official') throw notFound();
  const body = await request.json();
  const faults = checkBody(body, official === undefined);
  if (faults.length > 0) throw invalidInput(faults);
  const checked = body as unknown as CreateBody;
  const model = official ?? resolveVersion(checked.version ?? '');
  if (model === undefined) throw invalidVersion();
  const inputFaults = checkInput(checked.input, model);
  if (inputFaults.length > 0) throw invalidInput(inputFaults);
  return { model, body: { ...checked, input: knownInput(checked.input, model) } };
}

/** Makes the prediction and answers as `Prefer` asks. */
async function create(
  request: Request,
  { model, body }: Create,
  fault: Fault,
  simulation: Simulation,
): Promise<Reply> {
  const wait = preferredWait(request.header('prefer'));
  const cancelAfterMs = parseCancelAfter(request.header('cancel-after'));
  const remaining = simulation.limit.take(simulation.settings.create_limit_per_minute);
  const prediction = newPrediction(model, body, fault, simulation.settings, cancelAfterMs);
  const headers: Record<string, string> = {
    ...rateHeaders(remaining),
    location: `${simulation.origin}/v1/predictions/${prediction.id}`,
  };
  const asCreated = view(prediction, simulation.origin, simulation.settings);
  prediction.notes.create_answer = fault.drop === 'after' ? null : (fault.status_after ?? 201);
  simulation.start(prediction);
  if (wait === undefined) return { status: 201, body: asCreated, headers };
  await ended(prediction, wait.ms, simulation.timers);
  headers['preference-applied'] = wait.applied;
  return { status: isTerminal(prediction) ? 201 : 202, body: syncView(prediction, simulation), headers };
}

export function predictionRoutes(simulation: Simulation): Route[] {
  const createUnderFaults = async (request: Request): Promise<Reply> => {
    const wanted = await readCreate(request);
    const prompt = typeof wanted.body.input.prompt === 'string' ? wanted.body.input.prompt : undefined;
    const call = { endpoint: 'create', model: wanted.model.id, prompt } as const;
    return underFaults(simulation, call, (fault) => create(request, wanted, fault, simulation));
  };
  const one = (request: Request): Prediction => {
    const prediction = simulation.find(request.params[0] ?? '');
    if (prediction === undefined) throw notFound();
    return prediction;
  };
  const show = (prediction: Prediction): Reply => ({
    status: 200,
    body: view(prediction, simulation.origin, simulation.settings),
    headers: rateHeaders(2999),
  });
  return [
    route('POST', '/v1/predictions', createUnderFaults, 'create'),
    route('POST', '/v1/models/:owner/:name/predictions', createUnderFaults, 'create'),
    route('GET', '/v1/predictions', (request) => list(request, simulation), 'list'),
    route(
      'GET',
      '/v1/predictions/:id',
      (request) => {
        const prediction = one(request);
        prediction.notes.get_calls += 1;
        return show(prediction);
      },
      'get',
    ),
    route(
      'POST',
      '/v1/predictions/:id/cancel',
      (request) => {
        const prediction = one(request);
        prediction.notes.cancel_calls += 1;
        end(prediction, 'canceled', simulation.platform());
        return show(prediction);
      },
      'cancel',
    ),
  ];
}

/** Newest first, a hundred a page; the cursor is the position in the order of creation. */
function list(request: Request, simulation: Simulation): Reply {
  const query = request.url.searchParams;
  const ahead = simulation.settings.clock_offset_ms;
  const after = (timeOf(query.get('created_after')) ?? Number.NEGATIVE_INFINITY) - ahead;
  const before = (timeOf(query.get('created_before')) ?? Number.POSITIVE_INFINITY) - ahead;
  const all = query.get('source') === 'web' ? [] : [...simulation.predictions.values()];
  const results: Record<string, unknown>[] = [];
  let position = Math.min(all.length, cursorOf(query.get('cursor')) ?? all.length);
  while (position > 0 && results.length < pageSize) {
    position -= 1;
    const prediction = simulation.find(all[position]?.id ?? '');
    if (prediction === undefined || prediction.createdAt > before) continue;
    if (prediction.createdAt < after) position = 0;
    else results.push(view(prediction, simulation.origin, simulation.settings));
  }
  const next = new URL(request.url.pathname + request.url.search, simulation.origin);
  next.searchParams.set('cursor', Buffer.from(`p=${position}`).toString('base64url'));
  const body = { previous: null, next: position > 0 ? next.href : null, results };
  return { status: 200, body, headers: rateHeaders(2999) };
}

function cursorOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const match = /^p=(\d+)$/.exec(Buffer.from(text, 'base64url').toString());
  if (match === null) throw new Problem(400, { detail: 'Invalid cursor', status: 400 });
  return Number(match[1]);
}

function timeOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new Problem(400, { detail: `Invalid time ${text}`, status: 400 });
  return time;
}

function syncView(prediction: Prediction, simulation: Simulation): Record<string, unknown> {
  const object = view(prediction, simulation.origin, simulation.settings);
  if (prediction.fault.sync_status !== 'processing' || prediction.status !== 'succeeded') return object;
  const { completed_at: _completedAt, metrics: _metrics, ...rest } = object;
  return { ...rest, status: 'processing' };
}

/** `Prefer: wait` or `wait=n`, 1 to 60 seconds; anything else is no preference. */
function preferredWait(header: string | undefined): { ms: number; applied: string } | undefined {
  const match = /^wait(=([1-9][0-9]?))?$/.exec(header ?? '');
  if (match === null) return undefined;
  return { ms: Math.min(60, Number(match[2] ?? 60)) * 1000, applied: match[0] };
}

/** `30`, `30s`, `5m`, `1h30m45s`, in milliseconds; at least five seconds. */
function parseCancelAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$/.exec(header.trim());
  const [hours, minutes, seconds] = [match?.[1], match?.[2], match?.[3]].map((part) => Number(part ?? 0));
  const ms = ((hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)) * 1000;
  if (match === null || ms < minCancelAfterMs) {
    throw new Problem(422, { detail: `Invalid Cancel-After: ${header}`, status: 422 });
  }
  return ms;
}
