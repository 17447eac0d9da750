import type http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { answers } from './fault-answers.ts';
import type { Fault, Faults } from './faults.ts';

const PATH = '/_control/faults';

export const isControl = (url: URL): boolean => url.pathname.startsWith('/_control/');

/** `GET /_control/faults` tells the rules and how often each has acted; `POST` with `{ rules }` replaces them. */
export async function control(
  faults: Faults,
  request: http.IncomingMessage,
  url: URL,
): Promise<{ status: number; body: unknown }> {
  if (url.pathname !== PATH) return { status: 404, body: { message: `There is only ${PATH}.` } };
  if (request.method === 'POST') {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    try {
      faults.set(JSON.parse(Buffer.concat(chunks).toString('utf8')).rules);
    } catch (error) {
      return { status: 400, body: { message: (error as Error).message } };
    }
  }
  return { status: 200, body: { rules: faults.list() } };
}

/**
 * Does to a request and its answer what a fault says.
 *
 * @returns whether the request has been dealt with; else the service is to answer it
 */
export async function suffer(
  fault: Fault,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<boolean> {
  if (fault.delay_ms !== undefined) await sleep(fault.delay_ms);
  if (fault.drop === 'before') {
    request.socket.destroy();
    return true;
  }
  const own = answerOf(fault);
  if (own && !fault.after) {
    request.resume(); // so that the caller gets to read the answer
    own(response);
    return true;
  }
  if (own) atItsAnswer(response, () => own(response));
  if (fault.drop === 'after') atItsAnswer(response, () => request.socket.destroy());
  if (fault.drop === 'midway') cutMidway(request, response);
  return false;
}

function answerOf({
  answer,
  status,
  body,
  headers,
}: Fault): ((response: http.ServerResponse) => void) | undefined {
  const named = answer === undefined ? undefined : answers[answer];
  const meant = status ?? named?.status;
  if (meant === undefined) return undefined;
  const content = body ?? named?.body ?? {};
  const isText = typeof content === 'string';
  return (response) => {
    const type = isText ? 'text/html' : 'application/json; charset=utf-8';
    response.writeHead(meant, { 'content-type': type, 'access-control-allow-origin': '*', ...headers });
    response.end(isText ? content : JSON.stringify(content));
  };
}

/** Once the service begins its answer, its work is done; nothing of the answer is sent. */
function atItsAnswer(response: http.ServerResponse, instead: () => void): void {
  const { writeHead, write, end } = response;
  response.writeHead = () => {
    Object.assign(response, { writeHead, write, end });
    instead();
    const swallow = (...args: unknown[]) => {
      const done = args.find((arg) => typeof arg === 'function') as (() => void) | undefined;
      if (done) queueMicrotask(done);
      return true;
    };
    Object.assign(response, { write: swallow, end: () => response });
    return response;
  };
}

/** Sends half of the first piece of the answer's body, then resets the connection. */
function cutMidway(request: http.IncomingMessage, response: http.ServerResponse): void {
  const { write } = response;
  const half = (chunk: unknown) => {
    const bytes = Buffer.from((chunk ?? '') as string | Uint8Array);
    write.call(response, bytes.subarray(0, Math.ceil(bytes.length / 2)), 'utf8', () =>
      request.socket.resetAndDestroy(),
    );
  };
  response.write = (chunk: unknown) => {
    half(chunk);
    return true;
  };
  response.end = (chunk?: unknown) => {
    if (chunk !== undefined && typeof chunk !== 'function') half(chunk);
    return response;
  };
}
