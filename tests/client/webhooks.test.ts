import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  InvalidOptionError,
  PictureQueueError,
  verifyWebhook,
  WebhookVerificationError,
} from '../../client/src/webhooks.ts';

/** `verifyWebhook` beside the reference implementation, which signs here. */

// 32 bytes and 22 bytes: one with padding, one with another length of it.
const SECRET = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
const SHORT = `whsec_${Buffer.from('0123456789abcdef012345').toString('base64')}`;
const OTHER = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const EVENT = {
  type: 'generation.completed',
  timestamp: '2026-01-01T00:00:00Z',
  data: { prompt: 'ein Füchslein 🦊' },
};
const BODY = JSON.stringify(EVENT);

const sign = (secret = SECRET, body = BODY, at = new Date()) => ({
  'webhook-id': 'msg_1',
  'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
  'webhook-signature': new Webhook(secret).sign('msg_1', at, body),
});
const refused = (request: Parameters<typeof verifyWebhook>[0], secret = SECRET) =>
  verifyWebhook(request, secret).then(
    () => expect.unreachable('it is trusted'),
    (error: PictureQueueError) => error,
  );

afterEach(() => {
  vi.useRealTimers();
});

describe('a webhook that is signed is taken', () => {
  const at = new Date();
  const record = sign(SECRET, BODY, at);
  const upper = Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name.toUpperCase(), value]),
  );
  const bytes = new TextEncoder().encode(BODY);

  test.each<[string, Parameters<typeof verifyWebhook>[0]]>([
    ['a Request', new Request('https://a.example', { method: 'POST', headers: record, body: BODY })],
    ['Headers and a text', { headers: new Headers(record), body: BODY }],
    ['a record and a text', { headers: record, body: BODY }],
    ['names in capitals', { headers: upper, body: BODY }],
    ['bytes', { headers: record, body: bytes }],
    ['a Buffer, which is a part of a larger one', { headers: record, body: Buffer.from(`${BODY}`) }],
    ['an ArrayBuffer', { headers: record, body: new Uint8Array(bytes).buffer }],
    ['a header that Node gives as a list', { headers: { ...record, 'webhook-id': ['msg_1'] }, body: BODY }],
  ])('%s', async (_, request) => {
    expect(await verifyWebhook(request, SECRET)).toEqual(EVENT);
  });

  test.each([SECRET, SHORT])('with the secret %s in each spelling', async (secret) => {
    const request = { headers: sign(secret), body: BODY };
    const bare = secret.slice('whsec_'.length);
    for (const same of [secret, bare, secret.replace(/=+$/, ''), bare.replace(/=+$/, ''), ` ${secret}\n`]) {
      expect(await verifyWebhook(request, same), same).toEqual(EVENT);
    }
  });

  test('by two secrets, as after a rotation', async () => {
    const both = `${sign(OTHER, BODY, at)['webhook-signature']} v1a,xyz ${record['webhook-signature']}`;
    const request = { headers: { ...record, 'webhook-signature': both }, body: BODY };
    expect(await verifyWebhook(request, SECRET)).toEqual(EVENT);
    expect(await verifyWebhook(request, OTHER)).toEqual(EVENT);
  });

  test.each([-300, 300])('that is %i s off, as the reference implementation takes it', async (seconds) => {
    vi.useFakeTimers({ now: 1_800_000_000_000, toFake: ['Date'] });
    const headers = sign(SECRET, BODY, new Date(Date.now() + seconds * 1_000));
    expect(new Webhook(SECRET).verify(BODY, headers)).toEqual(EVENT);
    expect(await verifyWebhook({ headers, body: BODY }, SECRET)).toEqual(EVENT);
  });
});

describe('what is refused, as by the reference implementation', () => {
  const good = sign();

  test.each<[string, Record<string, string | undefined>, string, RegExp]>([
    ['another secret’s', sign(OTHER), BODY, /No signature in webhook-signature fits/],
    ['another body', good, BODY.replace('completed', 'cancelled'), /No signature/],
    ['another id', { ...good, 'webhook-id': 'msg_2' }, BODY, /No signature/],
    [
      'another time',
      { ...good, 'webhook-timestamp': String(Number(good['webhook-timestamp']) - 1) },
      BODY,
      /No sig/,
    ],
    [
      'a signature that is cut',
      { ...good, 'webhook-signature': good['webhook-signature'].slice(0, -1) },
      BODY,
      /No sig/,
    ],
    ['a longer one', { ...good, 'webhook-signature': `${good['webhook-signature']}A` }, BODY, /No signature/],
    [
      'another version',
      { ...good, 'webhook-signature': good['webhook-signature'].replace('v1', 'v2') },
      BODY,
      /No sig/,
    ],
    ['no id', { ...good, 'webhook-id': undefined }, BODY, /^The header webhook-id is missing\.$/],
    [
      'no signature',
      { ...good, 'webhook-signature': '' },
      BODY,
      /^The header webhook-signature is missing\.$/,
    ],
    [
      'no time',
      { ...good, 'webhook-timestamp': undefined },
      BODY,
      /^The header webhook-timestamp is missing\.$/,
    ],
    ['a time that is none', { ...good, 'webhook-timestamp': 'now' }, BODY, /no time in unix seconds/],
  ])('%s', async (_, headers, body, sentence) => {
    expect(() => new Webhook(SECRET).verify(body, headers as Record<string, string>)).toThrow();
    for (const given of [headers, new Headers(JSON.parse(JSON.stringify(headers)))]) {
      const error = await refused({ headers: given, body });
      expect(error).toBeInstanceOf(WebhookVerificationError);
      expect(error).toBeInstanceOf(PictureQueueError);
      expect(error).toMatchObject({ name: 'WebhookVerificationError', code: 'invalid_webhook' });
      expect(error.message).toMatch(sentence);
    }
  });

  test.each([
    [-301, '301 s old'],
    [301, '301 s ahead'],
  ])('%i s off', async (seconds, words) => {
    vi.useFakeTimers({ now: 1_800_000_000_000, toFake: ['Date'] });
    const headers = sign(SECRET, BODY, new Date(Date.now() + seconds * 1_000));
    expect(() => new Webhook(SECRET).verify(BODY, headers)).toThrow();
    expect((await refused({ headers, body: BODY })).message).toBe(
      `The header webhook-timestamp is ${words}; 300 s are allowed.`,
    );
  });

  test('more signatures than there can be secrets', async () => {
    const many = `${'v1,x '.repeat(16)}${good['webhook-signature']}`;
    const error = await refused({ headers: { ...good, 'webhook-signature': many }, body: BODY });
    expect(error).toBeInstanceOf(WebhookVerificationError);
  });

  test('what is signed and no JSON', async () => {
    const error = await refused({ headers: sign(SECRET, 'text'), body: 'text' });
    expect(error).toMatchObject({ name: 'WebhookVerificationError', message: 'The body is no JSON.' });
  });
});

describe('what a receiver has got wrong', () => {
  test.each([[null], [''], ['whsec_'], ['whsec_!'], ['whsec_MfKQ9'], ['whsk_MfKQ9r8GKYqrTw']])(
    'the secret %j is none',
    async (secret) => {
      const error = await refused({ headers: sign(), body: BODY }, secret as string);
      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error.message).toBe('The option secret must be whsec_ and base64, as webhook_secret gave it.');
      expect(error.message).not.toContain('MfKQ9');
    },
  );

  test.each([[EVENT], [undefined], [null]])('the body %j is what a parser made of it', async (body) => {
    const error = await refused({ headers: sign(), body: body as unknown as string });
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({ option: 'body' });
  });

  test('a Request that was read already says so', async () => {
    const request = new Request('https://a.example', { method: 'POST', headers: sign(), body: BODY });
    await request.text();
    await expect(verifyWebhook(request, SECRET)).rejects.toThrow(/read|used/i);
  });
});
