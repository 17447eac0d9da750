import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientOptions, WebSocket } from 'ws';
import { said } from './http.ts';
import { bearer } from './services.ts';
import { type Smoke, StepFailure } from './step.ts';

export interface LiveMessage {
  type: string;
  generation_id?: string;
  status?: string;
  image_url?: string;
}

/** A connection over which a user hears of generations. */
export interface Listener {
  readonly name: string;
  readonly messages: LiveMessage[];
  /** Why it never came about, or how it ended. */
  failure: Error | undefined;
  close(): void;
}

export interface Listeners {
  webSocket: Listener;
  eventStream: Listener;
}

const CONNECT_MS = 15_000;
const LOOK_MS = 50;

/** Opens both kinds of connection, and waits until each has got its first state, or has failed. */
export async function listen(smoke: Smoke, token: string): Promise<Listeners> {
  const listeners = { webSocket: openWebSocket(smoke, token), eventStream: openEventStream(smoke, token) };
  for (const listener of Object.values(listeners)) {
    smoke.cleanUp('', async () => listener.close());
    const isReady = (message: LiveMessage) => message.type === 'ready';
    await hear(smoke, listener, CONNECT_MS, isReady).catch((error: Error) => {
      listener.failure ??= error;
    });
  }
  return listeners;
}

/** The first message that is as it should be, also one that has come before. */
export async function hear(
  smoke: Smoke,
  listener: Listener,
  limitMs: number,
  is: (message: LiveMessage) => boolean,
): Promise<LiveMessage> {
  for (const deadline = Date.now() + limitMs; Date.now() < deadline; await sleep(LOOK_MS)) {
    const found = listener.messages.find(is);
    if (found) return found;
    if (listener.failure) throw listener.failure;
    smoke.signal.throwIfAborted();
  }
  throw new StepFailure(
    `the ${listener.name} was silent for ${limitMs / 1000} s`,
    'See docs/operations/troubleshooting.md#live-updates-come-late; the lines of LiveChannel are in: npx wrangler tail process-generation',
  );
}

function openWebSocket(smoke: Smoke, token: string): Listener {
  const url = `${smoke.options.startGenerationUrl.replace(/^http/, 'ws')}/events`;
  const socket = new WebSocket(url, ['picture-queue.v1', `bearer.${token}`], {
    handshakeTimeout: CONNECT_MS,
    closeTimeout: 500,
  } as ClientOptions);
  const listener: Listener = {
    name: 'WebSocket',
    messages: [],
    failure: undefined,
    close: () => socket.terminate(),
  };
  socket.on('message', (data) => take(listener, String(data)));
  socket.on('unexpected-response', (_, answer) => {
    listener.failure = refused(listener.name, answer.statusCode ?? 0, '');
    answer.destroy();
  });
  socket.on('close', (code) => {
    listener.failure ??= ended(listener.name, `code ${code}`);
  });
  socket.on('error', (error) => {
    listener.failure ??= ended(listener.name, error.message);
  });
  return listener;
}

function openEventStream(smoke: Smoke, token: string): Listener {
  const abort = new AbortController();
  const listener: Listener = {
    name: 'event stream',
    messages: [],
    failure: undefined,
    close: () => abort.abort(),
  };
  const read = async () => {
    const answer = await fetch(`${smoke.options.startGenerationUrl}/events`, {
      headers: { accept: 'text/event-stream', ...bearer(token) },
      signal: AbortSignal.any([abort.signal, smoke.signal]),
    });
    if (answer.status !== 200) throw refused(listener.name, answer.status, await answer.text());
    let text = '';
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const lines = event.split('\n').filter((line) => line.startsWith('data:'));
        if (lines.length > 0) take(listener, lines.map((line) => line.slice(5).trim()).join('\n'));
      }
    }
    throw ended(listener.name, 'the server has ended it');
  };
  read().catch((error: Error) => {
    listener.failure ??= error instanceof StepFailure ? error : ended(listener.name, error.message);
  });
  return listener;
}

function take(listener: Listener, text: string): void {
  try {
    listener.messages.push(JSON.parse(text));
  } catch {
    // "pong", or a comment
  }
}

const ended = (name: string, how: string) =>
  new StepFailure(
    `the ${name} broke off (${how})`,
    'A proxy between may not pass long connections on. Else look at: npx wrangler tail process-generation',
  );

function refused(name: string, status: number, text: string): StepFailure {
  const fixes: Record<number, string> = {
    401: 'start-generation takes the token elsewhere? Then the header Sec-WebSocket-Protocol is lost on the way.',
    403: 'ALLOWED_ORIGINS of start-generation does not name the origin that calls.',
    429: 'This user has 20 connections open already.',
    503: 'The binding LIVE_CHANNEL is missing or its class is not deployed: deploy process-generation first, then the other two (npm run deploy).',
  };
  const detail = text ? said({ status, headers: new Headers(), text, body: undefined }) : String(status);
  return new StepFailure(
    `the ${name} was refused with ${detail}`,
    fixes[status] ?? 'Look at: npx wrangler tail start-generation',
  );
}
