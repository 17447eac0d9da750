/**
 * Checks the webhooks of a Picture Queue on your server: Node, Workers, Deno and all else with Web Crypto. See
 * docs/guides/client.md of the repository.
 */
import { InvalidOptionError, PictureQueueError } from './errors.ts';
import type { WebhookEvent } from './types.ts';

export { InvalidOptionError, PictureQueueError } from './errors.ts';
export type { Generation, WebhookEvent } from './types.ts';

/** What came is no webhook of this secret's owner, or no fresh one: answer 401 and do nothing. */
export class WebhookVerificationError extends PictureQueueError {
  override name = 'WebhookVerificationError';
  override readonly code = 'invalid_webhook';
}

/** `Headers`, or a plain record such as Node's `request.headers`; in either, names in any case. */
export type WebhookHeaders =
  | { get(name: string): string | null | undefined }
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** A `Request` whose body is not read yet. */
export interface WebhookRequest {
  readonly headers: WebhookHeaders;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The parts of a request. */
export interface WebhookParts {
  readonly headers: WebhookHeaders;
  /** As it came, byte for byte: what a JSON parser made of it has another signature. */
  readonly body: string | Uint8Array | ArrayBuffer;
}

/** What is used of the platform. */
interface Platform {
  readonly crypto: {
    readonly subtle: {
      importKey(
        format: 'raw',
        key: Uint8Array,
        how: object,
        mayLeave: false,
        use: ['sign'],
      ): Promise<unknown>;
      sign(how: 'HMAC', key: unknown, bytes: Uint8Array): Promise<ArrayBuffer>;
    };
  };
  readonly TextEncoder: new () => { encode(text: string): Uint8Array };
  readonly TextDecoder: new () => { decode(bytes: Uint8Array): string };
  atob(text: string): string;
  btoa(text: string): string;
}

const platform = globalThis as unknown as Platform;

/** Seconds that the sender's clock and ours may differ; an older webhook may be one that somebody plays again. */
const TOLERANCE = 300;
/** Signatures that are compared: one for each secret that is valid, during a rotation. */
const MAX_SIGNATURES = 16;

/**
 * Checks who sent a webhook, and when, as Standard Webhooks 1.0 defines it.
 *
 * @param secret what the SQL function `webhook_secret` gave, with or without `whsec_` and padding
 * @returns the event that it announces; the same event may come again, with the same `webhook-id`
 * @throws WebhookVerificationError where it is not to be trusted
 * @throws InvalidOptionError where the secret is none, or the request is not what came
 */
export async function verifyWebhook(
  request: WebhookRequest | WebhookParts,
  secret: string,
): Promise<WebhookEvent> {
  const key = keyOf(secret);
  if (!request?.headers) {
    throw new InvalidOptionError('request', 'must be what came: its headers and its body');
  }
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    headerOf(request.headers, name),
  ) as [string, string, string];
  checkAge(timestamp);
  const body = await bytesOf(request);
  const head = new platform.TextEncoder().encode(`${id}.${timestamp}.`);
  const signed = new Uint8Array(head.length + body.length);
  signed.set(head);
  signed.set(body, head.length);
  const expected = `v1,${await signatureOf(signed, key)}`;
  // All of them are compared, and each one to its end: the time says nothing of where they differ.
  const fitting = signatures.split(' ', MAX_SIGNATURES).filter((one) => isEqual(one, expected));
  if (fitting.length === 0) {
    throw new WebhookVerificationError(
      'No signature in webhook-signature fits: the secret is another, or the body is not as it came.',
    );
  }
  try {
    return JSON.parse(new platform.TextDecoder().decode(body)) as WebhookEvent;
  } catch (cause) {
    throw new WebhookVerificationError('The body is no JSON.', { cause });
  }
}

function keyOf(secret: string): Uint8Array {
  const text = `${secret ?? ''}`.trim().replace(/^whsec_|=+$/g, '');
  if (!/^[A-Za-z0-9+/]+$/.test(text) || text.length % 4 === 1) {
    throw new InvalidOptionError('secret', 'must be whsec_ and base64, as webhook_secret gave it');
  }
  return Uint8Array.from(platform.atob(text), (letter) => letter.charCodeAt(0));
}

function headerOf(headers: WebhookHeaders, name: string): string {
  const value =
    typeof headers.get === 'function'
      ? headers.get(name)
      : Object.entries(headers).find(([own]) => own.toLowerCase() === name)?.[1];
  // Node gives a list where a header came twice.
  const text = [value ?? ''].flat().join(' ');
  if (!text) throw new WebhookVerificationError(`The header ${name} is missing.`);
  return text;
}

function checkAge(timestamp: string): void {
  const age = /^\d{1,15}$/.test(timestamp) ? Math.floor(Date.now() / 1_000) - Number(timestamp) : undefined;
  if (age !== undefined && Math.abs(age) <= TOLERANCE) return;
  const problem =
    age === undefined
      ? 'no time in unix seconds'
      : `${Math.abs(age)} s ${age > 0 ? 'old' : 'ahead'}; ${TOLERANCE} s are allowed`;
  throw new WebhookVerificationError(`The header webhook-timestamp is ${problem}.`);
}

async function bytesOf(request: WebhookRequest | WebhookParts): Promise<Uint8Array> {
  // First: a `Request` has a body too, which is a stream.
  const body = 'arrayBuffer' in request ? await request.arrayBuffer() : request.body;
  if (typeof body === 'string') return new platform.TextEncoder().encode(body);
  if (ArrayBuffer.isView(body)) return body;
  // By its name: it may be of another realm, as in a test's.
  if (Object.prototype.toString.call(body) === '[object ArrayBuffer]') return new Uint8Array(body);
  throw new InvalidOptionError(
    'body',
    'must be the text or the bytes that came, not what a parser made of them',
  );
}

async function signatureOf(bytes: Uint8Array, key: Uint8Array): Promise<string> {
  const { subtle } = platform.crypto;
  const how = { name: 'HMAC', hash: 'SHA-256' };
  const hmac = await subtle.sign('HMAC', await subtle.importKey('raw', key, how, false, ['sign']), bytes);
  return platform.btoa(String.fromCharCode(...new Uint8Array(hmac)));
}

/** In a time that depends on the length alone. */
function isEqual(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let index = 0; index < expected.length; index += 1) {
    difference |= given.charCodeAt(index) ^ expected.charCodeAt(index);
  }
  return difference === 0;
}
