// The JavaScript half of the Workers: each function does in one crossing what Rust would need many for, and a
// crossing costs more than most of what is done here. No decisions are made on this side either; host.rs is the
// other half.

// js-sys runs Rust's tasks as microtasks. workerd's queueMicrotask() takes some nine times as long as then(), after
// which an error would be a rejection: worker-build starts the module anew after an `error` event alone.
const ready = Promise.resolve();
globalThis.queueMicrotask = (task) => {
  ready.then(() => {
    try {
      task();
    } catch (error) {
      reportError(error);
    }
  });
};

// One line of JSON for each event, also of what Rust writes as a text: `x was not y: why` is what happened, and why.
for (const level of ['error', 'warn']) {
  const write = console[level].bind(console);
  console[level] = (line, ...more) => {
    if (typeof line !== 'string' || line.startsWith('{')) return write(line, ...more);
    const [, what, detail] = /^([^:]*)(?:: (.*))?$/s.exec(line) ?? ['', line];
    return write(JSON.stringify({ level, what, detail }));
  };
}

/** What a call that failed came to, in place of a status. */
const TIMEOUT = -1;
const CONNECTION = -2;
const TOO_LARGE = -3;
/** Added to these where it was the target of a pipe that failed. */
const TARGET = -10;

/** A call that failed, with its reason in place of a status. */
class CallError extends Error {
  constructor(status) {
    super();
    this.status = status;
  }
}

function statusOf(error) {
  if (error instanceof CallError) return error.status;
  const timeout = error?.name === 'TimeoutError' || error?.name === 'AbortError';
  return timeout || /Timeout|abort/.test(String(error)) ? TIMEOUT : CONNECTION;
}

/** Tells Rust what a call came to. */
let told;
/** The headers that are handed over with the head of each request. */
let eager = [];

export function connect(tell, names) {
  told = tell;
  eager = names.split(',');
}

/** Tells Rust of the end of a promise: of this Rust, which may have been started anew by then. */
function tell(call, promise) {
  const its = told;
  promise.then(
    ({ status = 0, retryAfter = -1, length = -1, text, bytes }) =>
      its(call, status, retryAfter, length, text, bytes),
    (error) => its(call, statusOf(error), -1, -1, String(error), undefined),
  );
}

// ---- The runtime -----------------------------------------------------------------------------------------

/** All variables and secrets that are texts. */
export const variables = (env) =>
  JSON.stringify(Object.entries(env).filter(([, value]) => typeof value === 'string'));

/** Environments, numbered in the order in which they were seen. */
const environments = new WeakMap();
let seen = 0;

/**
 * The number of an environment. An isolate lives on where nothing but bindings has changed, and is given another
 * `env` then: https://developers.cloudflare.com/workers/runtime-apis/bindings/#making-changes-to-bindings
 */
export function environment(env) {
  let number = environments.get(env);
  if (number === undefined) {
    seen += 1;
    number = seen;
    environments.set(env, number);
  }
  return number;
}

/**
 * Writes lines of JSON into the log, and a data point for each into the dataset of the binding EVENTS, where there is
 * one: texts as blobs and numbers as doubles, in the order of their names.
 */
export function note(env, lines) {
  for (const line of lines.split('\n')) {
    const { level, what, report, ...own } = JSON.parse(line);
    (level === 'error' ? console.error : console.log)(line);
    const values = Object.values({ ...own, ...report });
    try {
      env.EVENTS?.writeDataPoint({
        indexes: [what],
        blobs: [
          what,
          level,
          ...values.filter((value) => typeof value !== 'number').map((value) => `${value ?? ''}`),
        ],
        doubles: values.filter((value) => typeof value === 'number'),
      });
    } catch {
      // A measurement that is lost: the line is in the log.
    }
  }
}

export const isBound = (context) => typeof context.props?.caller === 'string';

export function sleep(call, ms) {
  const its = told;
  return setTimeout(() => its(call, 0, -1, -1, undefined, undefined), ms);
}

export const wake = (timer) => clearTimeout(timer);

/** Counts a request with a rate-limit binding; whether there is one. */
export function limit(call, env, binding, key) {
  const limiter = env[binding];
  if (limiter === undefined) return false;
  const count = async () => {
    const { success } = await limiter.limit({ key });
    return { status: Number(success) };
  };
  tell(call, count());
  return true;
}

/** A request over a binding, to a Worker or to the object of that name; whether there is one. */
export function ask(call, env, binding, name, url, type, body, wanted) {
  const bound = env[binding];
  if (bound === undefined) return false;
  const answer = async () => {
    const headers = type === undefined ? {} : { 'content-type': type };
    const to = name === undefined ? bound : bound.getByName(name);
    const response = await to.fetch(url, { method: 'POST', headers, body });
    return { status: response.status, text: response.headers.get(wanted) ?? undefined };
  };
  tell(call, answer());
  return true;
}

/** Hands a request on over a binding, to a Worker, and tells all of its answer; whether there is one. */
export function forward(call, env, binding, request) {
  const bound = env[binding];
  if (bound === undefined) return false;
  const answer = async () => {
    const response = await bound.fetch(request);
    const { status, headers } = response;
    const retryAfter = number(headers.get('retry-after'));
    const text = headers.get('content-type') ?? undefined;
    return { status, retryAfter, text, bytes: new Uint8Array(await response.arrayBuffer()) };
  };
  tell(call, answer());
  return true;
}

/** Checks a signature; what WebCrypto refuses to look at is none. */
export function verify(call, algorithm, jwk, content, signature) {
  // Copies: Rust's memory moves on.
  tell(
    call,
    verified(algorithm, jwk, content.slice(), signature.slice()).then(
      (valid) => ({ status: Number(valid) }),
      () => ({ status: 0 }),
    ),
  );
}

async function verified(algorithm, jwk, content, signature) {
  const how = JSON.parse(algorithm);
  const key = await crypto.subtle.importKey('jwk', JSON.parse(jwk), how, false, ['verify']);
  return crypto.subtle.verify(how, key, signature, content);
}

// ---- Requests that come, and their answers ---------------------------------------------------------------

/** Its environment's number, method, URL, a new id, and a line `name:value` for each header of the list that it has. */
export function head(request, env) {
  const { headers } = request;
  let text = `${environment(env)}\n${request.method}\n${request.url}\n${crypto.randomUUID()}`;
  for (const name of eager) {
    const value = headers.get(name);
    if (value !== null) text += `\n${name}:${value}`;
  }
  return text;
}

/**
 * The country is what Cloudflare says beside the request: where a zone has turned the header off, a client could send
 * one of its own. Outside Cloudflare there is nothing beside it.
 */
export const header = (request, name) =>
  (name === 'cf-ipcountry' && request.cf ? request.cf.country : request.headers.get(name)) ?? undefined;

/** Reads a request's body; `length` is the one that it declares, -1 where it declares none. */
export function body(call, request, length, max) {
  tell(
    call,
    whole(request, length, max).then((bytes) => ({ bytes })),
  );
}

/** Lets what is left of a body run out, unseen. */
export function discard(call, request) {
  const { body } = request;
  const gone = body === null || body.locked ? Promise.resolve() : body.pipeTo(new WritableStream());
  tell(
    call,
    gone.then(() => ({})),
  );
}

/** An answer, from a list of names and values, a line each. */
export function respond(status, list, bytes) {
  // A copy: Rust's memory moves on.
  return new Response(bytes?.slice() ?? null, { status, headers: pairs(list.split('\n'), 0) });
}

function pairs(lines, from) {
  const headers = {};
  for (let at = from; at + 1 < lines.length; at += 2) headers[lines[at]] = lines[at + 1];
  return headers;
}

// ---- Requests of ours ------------------------------------------------------------------------------------

/** Sends a request and reads the answer, whole where `peek` is negative, or as much of its beginning. */
export function send(call, list, body, ms, max, peek) {
  tell(call, answered(exchange(list, body, AbortSignal.timeout(ms)), max, peek));
}

/** `list` has the method, the URL, then names and values of headers, a line each. */
async function exchange(list, body, signal) {
  const lines = list.split('\n');
  const [method, url] = lines;
  return fetch(url, { method, headers: pairs(lines, 2), body, signal, redirect: 'manual' });
}

async function answered(exchanged, max, peek = -1) {
  const response = await exchanged;
  const { status, headers } = response;
  const retryAfter = number(headers.get('retry-after'));
  const bytes = peek < 0 ? await whole(response, lengthOf(headers), max) : await peeked(response, peek);
  return { status, retryAfter, bytes };
}

const MAX_NUMBER = 0xffff_ffff;

/** A number in a header, -1 where there is none. */
function number(text) {
  const value = text !== null && /^\s*\+?\d+\s*$/.test(text) ? Number(text) : -1;
  return value <= MAX_NUMBER ? value : -1;
}

/** Bytes of the first chunk of a body whose length is not known, and of the others. */
const FIRST_CHUNK = 16 * 1024;
const CHUNK = 256 * 1024;

/** A body in one piece. The runtime holds it to the length that it declares. */
async function whole(message, length, max) {
  if (length > max) {
    message.body?.cancel().catch(() => {});
    throw new CallError(TOO_LARGE);
  }
  if (length >= 0) return new Uint8Array(await message.arrayBuffer());
  if (message.body === null) return undefined;
  const reader = message.body.getReader({ mode: 'byob' });
  const chunks = [];
  let size = 0;
  for (let room = FIRST_CHUNK; ; room = CHUNK) {
    const { value } = await reader.readAtLeast(room, new Uint8Array(room));
    if (value?.length > 0) chunks.push(value);
    size += value?.length ?? 0;
    if (size > max) {
      reader.cancel().catch(() => {});
      throw new CallError(TOO_LARGE);
    }
    // Less than was asked for is what was left.
    if (!(value?.length >= room)) return chunks.length === 1 ? chunks[0] : joined(chunks, size);
  }
}

function joined(chunks, size) {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The beginning of a body, as far as it comes. */
async function peeked(response, max) {
  const reader = response.body?.getReader();
  const chunks = [];
  let size = 0;
  try {
    while (reader !== undefined && size < max) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.length;
    }
  } catch {
    // What came before it broke off is enough.
  }
  reader?.cancel().catch(() => {});
  return joined(chunks, size).subarray(0, max);
}

// ---- Bodies on their way from one request into another ---------------------------------------------------

/** Opens the answer to a request for a pipe; tells its beginning, of `size` bytes at most. */
export function openAnswer(call, list, ms, size) {
  const pipe = { reusable: false };
  const open = async () => {
    const response = await exchange(list, undefined, AbortSignal.timeout(ms));
    const type = response.headers.get('content-type');
    return opened(pipe, response, response.status, type, lengthOf(response.headers), size);
  };
  tell(call, open());
  return pipe;
}

/** The same for the body of a request. Where it tells no length it is read whole: the target wants to know one. */
export function openRequest(call, request, size, max) {
  const pipe = { reusable: true };
  const open = async () => {
    let source = request;
    let length = lengthOf(request.headers);
    if (length < 0) {
      const bytes = await whole(request, length, max);
      source = new Response(bytes);
      length = bytes?.length ?? 0;
      pipe.reusable = false;
    }
    return opened(pipe, source, 200, request.headers.get('content-type'), length, size);
  };
  tell(call, open());
  return pipe;
}

/** The length of a body as we see it. With a content encoding the header may have that of the encoded bytes. */
function lengthOf(headers) {
  const length = headers.get('content-encoding') === null ? headers.get('content-length') : null;
  return length !== null && /^\d+$/.test(length) ? Number(length) : -1;
}

async function opened(pipe, source, status, type, length, size) {
  pipe.length = length;
  pipe.stream = source.body;
  pipe.reader = source.body?.getReader({ mode: 'byob' });
  pipe.held = await next(pipe, length < 0 ? size : Math.max(Math.min(length, size), 1));
  return { status, length, text: type ?? undefined, bytes: pipe.held };
}

/** The next chunk, of `room` bytes unless the end comes before; undefined at the end. */
async function next(pipe, room) {
  if (pipe.reader === undefined) return undefined;
  const buffer = pipe.buffer?.byteLength === room ? pipe.buffer : new ArrayBuffer(room);
  pipe.buffer = undefined;
  // https://developers.cloudflare.com/workers/runtime-apis/streams/readablestreambyobreader/
  const { value } = await pipe.reader.readAtLeast(room, new Uint8Array(buffer));
  return value?.length > 0 ? value : undefined;
}

/** Begins the request that carries the body on. One that is here whole goes with it as it is. */
export function aim(pipe, list, ms, max) {
  const { length, held } = pipe;
  let body = held;
  if (held?.length !== length) {
    // With a known length the request carries it.
    const fixed = length >= 0 && length <= MAX_NUMBER;
    const ends = fixed ? new FixedLengthStream(length) : new TransformStream();
    body = ends.readable;
    pipe.writable = ends.writable;
    pipe.writer = ends.writable.getWriter();
  }
  pipe.breaker = new AbortController();
  const signal = AbortSignal.any([AbortSignal.timeout(ms), pipe.breaker.signal]);
  pipe.answer = answered(exchange(list, body, signal), max);
  pipe.answer.catch(() => {}); // it is looked at in the end
}

/** Passes the chunk on that is held, and reads the next one; status 1 at the end. */
export function pass(call, pipe) {
  const pass = async () => {
    await put(pipe);
    pipe.held = await next(pipe, CHUNK);
    return { status: Number(pipe.held === undefined), bytes: pipe.held };
  };
  tell(call, pass());
}

/** Passes on the chunk that is held. */
async function put(pipe) {
  const { held, writer } = pipe;
  pipe.held = undefined;
  if (held === undefined || writer === undefined) return;
  await writer.write(held).catch(targetBroke);
  pipe.buffer = held.buffer;
}

function targetBroke() {
  throw new CallError(TARGET + CONNECTION);
}

/** Passes the last chunk on, and tells the target's answer. */
export function land(call, pipe, moved) {
  const land = async () => {
    await put(pipe);
    await pipe.writer?.close().catch(targetBroke);
    return arrived(pipe, moved);
  };
  tell(
    call,
    land().catch((error) => refused(pipe, error)),
  );
}

/** Breaks a pipe off, on both sides. */
export function drop(pipe) {
  // A body that does not tell its length would end here as if it were whole: workerd closes it properly, whatever
  // becomes of the stream. So the request goes first.
  pipe.breaker?.abort();
  abandon(pipe);
}

/** Tells both sides that no more comes, or is wanted. */
function abandon(pipe) {
  const { reader, writer, writable } = pipe;
  const ignore = () => {}; // nobody waits for it
  if (writable?.locked) writer.abort().catch(ignore);
  else writable?.abort().catch(ignore);
  if (reader === undefined) return;
  if (pipe.reusable) reader.releaseLock();
  else if (pipe.piped) pipe.stream.cancel().catch(ignore);
  else reader.cancel().catch(ignore);
}

/** Passes all of a body on that nobody has to look at, and tells the target's answer. */
export function pour(call, pipe, list, ms, max, maxBytes) {
  const pour = async () => {
    if (pipe.length > maxBytes) throw new CallError(TOO_LARGE);
    aim(pipe, list, ms, max);
    return arrived(pipe, await moved(pipe, maxBytes));
  };
  tell(
    call,
    pour().catch((error) => refused(pipe, error)),
  );
}

async function moved(pipe, maxBytes) {
  if (pipe.writer === undefined) return pipe.length;
  let bytes = 0;
  while (pipe.held !== undefined) {
    bytes += pipe.held.length;
    if (bytes > maxBytes) throw new CallError(TOO_LARGE);
    await put(pipe);
    if (pipe.length >= 0) return piped(pipe);
    pipe.held = await next(pipe, CHUNK);
  }
  await pipe.writer.close().catch(targetBroke);
  return bytes;
}

/**
 * How long a request whose body broke off may take to say that it did, in milliseconds. Where its connection was
 * the one to fail it does so at once, and where the source was it waits for the rest of the body.
 */
const LAST_WORD = 500;

/** What is left of a body whose length is known, without a look at it: no byte comes through our code. */
async function piped(pipe) {
  pipe.piped = true;
  pipe.reader.releaseLock();
  pipe.writer.releaseLock();
  try {
    await pipe.stream.pipeTo(pipe.writable, { preventAbort: true, preventCancel: true });
    return pipe.length;
  } catch (error) {
    // The error is the same on either side, and both streams have it: who it was only the request can tell.
    let timer;
    const silence = new Promise((resolve) => {
      timer = setTimeout(resolve, LAST_WORD, true);
    });
    const ended = () => false;
    const silent = await Promise.race([pipe.answer.then(ended, ended), silence]);
    clearTimeout(timer);
    throw silent ? error : new CallError(TARGET + CONNECTION);
  }
}

async function arrived(pipe, length) {
  try {
    return { ...(await pipe.answer), length };
  } catch (error) {
    throw new CallError(TARGET + statusOf(error));
  }
}

/** Why a body did not arrive. A target that refuses early stops reading, and its answer says why. */
async function refused(pipe, error) {
  const status = statusOf(error);
  if (status !== TARGET + CONNECTION) {
    drop(pipe);
    throw error;
  }
  abandon(pipe);
  const answer = await arrived(pipe, 0);
  if (answer.status >= 200 && answer.status < 300) throw error;
  return answer;
}
