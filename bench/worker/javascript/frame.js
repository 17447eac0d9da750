/** The frame around each handler: request id, CORS, problems, bounded bodies. */

const TITLES = {
  invalid_request: [400, 'Invalid request'],
  unauthorized: [401, 'Unauthorized'],
  forbidden: [403, 'Forbidden'],
  not_found: [404, 'Not found'],
  unknown_model: [404, 'Unknown model'],
  method_not_allowed: [405, 'Method not allowed'],
  conflict: [409, 'Conflict'],
  body_too_large: [413, 'Body too large'],
  unsupported_media_type: [415, 'Unsupported media type'],
  invalid_image: [422, 'Invalid image'],
  unsupported: [422, 'Unsupported'],
  model_unavailable: [422, 'Model unavailable'],
  idempotency_mismatch: [422, 'Idempotency key reused'],
  quota_exceeded: [429, 'Quota exceeded'],
  rate_limited: [429, 'Too many requests'],
  internal_error: [500, 'Internal error'],
  budget_exhausted: [503, 'Budget exhausted'],
  unavailable: [503, 'Service unavailable'],
};

/** What went wrong, as the caller sees it. */
export class Problem {
  constructor(code, detail, more = {}) {
    const [status, title] = TITLES[code] ?? TITLES.internal_error;
    this.status = status;
    this.body = { type: 'about:blank', title, status, detail, code, error: detail, ...more };
  }

  answer() {
    const headers = {};
    if (this.body.retry_after) headers['retry-after'] = String(this.body.retry_after);
    if (this.status === 401) headers['www-authenticate'] = 'Bearer';
    return { status: this.status, body: this.body, contentType: 'application/problem+json', headers };
  }
}

export const isCode = (code) => Object.hasOwn(TITLES, code);

export const invalid = (field, detail) => new Problem('invalid_request', detail, { field });

export const internal = () =>
  new Problem('internal_error', 'Something went wrong on our side. Please try again later.');

export const unavailable = () =>
  new Problem(
    'unavailable',
    'The service cannot be reached at the moment. Please try again in a few seconds.',
    { retry_after: 5 },
  );

const USUAL_HEADERS =
  'authorization, x-client-info, apikey, content-type, accept, idempotency-key, last-event-id, x-request-id, ' +
  'x-region, x-retry-count, traceparent, tracestate, baggage, sentry-trace';
const NAMES = /^[\w!#$%&'*+.^`|~-]+([ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/;

function allowedOrigin(env, origin) {
  const list = env.ALLOWED_ORIGINS?.trim() || '*';
  if (list === '*' || list.split(',').some((one) => one.trim() === '*')) return '*';
  if (!origin) return undefined;
  return list.split(',').some((one) => one.trim().replace(/\/+$/, '') === origin) ? origin : undefined;
}

function preflight(request) {
  const asked = request.headers.get('access-control-request-headers');
  const more = asked && asked.length <= 2048 && NAMES.test(asked) ? `, ${asked}` : '';
  return {
    status: 204,
    headers: {
      'access-control-allow-methods': 'GET, POST, OPTIONS',
      'access-control-allow-headers': USUAL_HEADERS + more,
      'access-control-max-age': '86400',
    },
  };
}

/** Answers a request with what `handle` gives or throws: `{ status, body, contentType?, headers? }`. */
export async function serve(request, env, handle) {
  const id = crypto.randomUUID();
  const { method, headers: asked } = request;
  const answer =
    method === 'OPTIONS' && asked.has('access-control-request-method')
      ? preflight(request)
      : await answered(handle);
  if (answer.status >= 500) {
    const path = new URL(request.url).pathname;
    console.log(
      JSON.stringify({ level: 'error', request_id: id, method, path, ...answer, code: answer.body?.code }),
    );
  }
  const headers = { 'x-request-id': id };
  const origin = allowedOrigin(env, asked.get('origin'));
  if (origin !== '*') headers.vary = 'origin';
  if (origin) {
    headers['access-control-allow-origin'] = origin;
    headers['access-control-expose-headers'] = 'x-request-id, retry-after, idempotency-replayed';
  }
  Object.assign(headers, answer.headers);
  if (answer.status === 204) return new Response(null, { status: 204, headers });
  headers['content-type'] = answer.contentType ?? 'application/json';
  // A text is JSON already.
  const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
  return new Response(body, { status: answer.status, headers });
}

async function answered(handle) {
  try {
    return await handle();
  } catch (error) {
    if (error instanceof Problem) return error.answer();
    console.error(String(error?.stack ?? error));
    return internal().answer();
  }
}

/** The length of a body as we see it; with a content encoding the header may have that of the encoded bytes. */
export function contentLength(headers) {
  const text = headers.get('content-length');
  return text === null || headers.has('content-encoding') || !/^\d+$/.test(text) ? undefined : Number(text);
}

/** A request's body, read no further than `max` bytes. */
export async function readBody(request, max) {
  const tooLarge = () =>
    new Problem('body_too_large', `The body must be at most ${Math.floor(max / 1024)} KiB.`);
  const declared = contentLength(request.headers);
  if (declared > max) throw tooLarge();
  // The runtime holds a body to the length that it declares.
  if (declared !== undefined) return new Uint8Array(await request.arrayBuffer());
  const chunks = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > max) throw tooLarge();
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** A body that must be JSON. */
export function readJson(bytes) {
  try {
    return JSON.parse(UTF8.decode(bytes));
  } catch {
    throw invalid('body', 'The body must be valid JSON.');
  }
}

/** The token of `Authorization: Bearer …`. */
export function bearer(request) {
  const header = request.headers.get('authorization');
  return header && /^bearer /i.test(header) ? header.slice(7).trim() : undefined;
}

/** Compares in a time that does not tell where two texts differ. */
export function isSame(given, expected) {
  const [a, b] = [given, expected].map((text) => new TextEncoder().encode(text));
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
