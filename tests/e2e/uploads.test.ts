import http from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import {
  BUCKET,
  LIMIT,
  pictures,
  type Sent,
  sendSource,
  storedSources,
  uploadSource,
} from './support/uploads.ts';
import { type Answer, TestUser } from './support/user.ts';

/** Images that users upload to start from. */

const DAY_MS = 86_400_000;

let stack: TestStack;
let user: TestUser;
let png: Buffer;
let jpeg: Buffer;
let webp: Buffer;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  ({ png, jpeg, webp } = await pictures());
});
afterAll(() => stack?.stop());

const send = (body: Sent, headers: Record<string, string | undefined>, path?: string) =>
  sendSource(user, body, headers, path);
const upload = (body: Sent = png, type = 'image/png') => uploadSource(user, body, type);
const stored = () => storedSources(stack);
const stream = (bytes: Uint8Array) => new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();

describe('POST /sources', () => {
  test.each([
    ['png', 'image/png', () => png],
    ['jpg', 'image/jpeg', () => jpeg],
    ['webp', 'image/webp', () => webp],
    ['png', 'Image/PNG; charset=binary', () => png],
    ['png', 'image/png', () => stream(png)],
    // The bytes decide, whatever phones, browsers and extensions call the type.
    ['jpg', 'image/jpg', () => jpeg],
    ['jpg', 'image/pjpeg', () => stream(jpeg)],
    ['png', 'image/x-png', () => png],
    ['png', 'image/jpeg', () => png],
    ['webp', 'image/heic', () => webp],
    ['webp', 'application/octet-stream', () => webp],
    ['png', undefined, () => png],
    ['png', 'multipart/form-data; boundary=x', () => png],
  ])('%s as %s', async (format, type, file) => {
    const before = Date.now();
    const uploaded = await uploadSource(user, file(), type);
    const bytes = { png, jpg: jpeg, webp }[format];
    expect(uploaded).toEqual({
      source_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      format,
      bytes: bytes?.length,
      width: 640,
      height: 384,
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/),
    });
    const life = Date.parse(uploaded.expires_at) - before;
    expect(life - DAY_MS, 'how far from a day').toBeLessThan(60_000);
    expect(life - DAY_MS).toBeGreaterThanOrEqual(0);

    const name = `${user.id}/${uploaded.source_id}.${format}`;
    const row = (await stored()).find((one) => one.name === name);
    expect(row?.metadata).toMatchObject({
      size: bytes?.length,
      mimetype: `image/${format.replace('jpg', 'jpeg')}`,
    });
    const { data } = await user.supabase.storage.from(BUCKET).download(name);
    expect(
      Buffer.from((await data?.arrayBuffer()) ?? new ArrayBuffer()).equals(bytes ?? Buffer.alloc(0)),
    ).toBe(true);
  });

  test('a JPEG whose size stands behind long metadata', async () => {
    const segment = Buffer.concat([Buffer.from([0xff, 0xe1, 0xea, 0x62]), Buffer.alloc(60_000, 0xd9)]);
    const file = Buffer.concat([jpeg.subarray(0, 2), segment, segment, jpeg.subarray(2)]);
    expect(await upload(file, 'image/jpeg')).toMatchObject({ width: 640, height: 384, bytes: file.length });
  });

  test('a file of exactly 10 MiB, through the prefix of Supabase’s functions', async () => {
    const file = Buffer.concat([png, Buffer.alloc(LIMIT - png.length)]);
    const answer = await send(file, { 'content-type': 'image/png' }, '/functions/v1/sources');
    expect(answer).toMatchObject({ status: 201, body: { bytes: LIMIT } });
  });
});

describe('refused, and nothing is stored', () => {
  let first: number;
  let before: number;
  beforeAll(async () => {
    first = (await stored()).length;
  });
  beforeEach(async () => {
    before = (await stored()).length;
  });
  const refused = async (answer: Answer, status: number, code: string) => {
    expectProblem(answer, status, code);
    expect((await stored()).length, 'stored files').toBe(before);
  };

  test.each([true, false])('a client that goes away in the middle; length declared: %s', async (declared) => {
    const request = http.request(`${stack.addresses.startGenerationUrl}/sources`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${user.token}`,
        'content-type': 'image/png',
        ...(declared ? { 'content-length': png.length } : {}),
      },
    });
    const gone = new Promise((closed) => request.once('error', () => {}).once('close', closed));
    await new Promise((sent) => request.write(png.subarray(0, png.length / 2), sent));
    request.destroy();
    await gone;
  });

  const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
  const html = '<!doctype html><script>alert(1)</script>';
  test.each<[string, string | undefined, () => Sent]>([
    ['a GIF', 'image/gif', () => gif],
    ['a GIF that is said to be a PNG', 'image/png', () => gif],
    ['an SVG', 'image/svg+xml', () => svg],
    ['an SVG that is said to be a WebP', 'image/webp', () => svg],
    ['a page', 'text/html', () => html],
    ['a page that is said to be a JPEG', 'image/jpeg', () => html],
    ['a GIF of no type', undefined, () => gif],
    ['a form', 'multipart/form-data; boundary=x', () => '--x\r\ncontent-type: image/png\r\n\r\n'],
    ['an executable as bytes', 'application/octet-stream', () => Buffer.from('MZ\x90\0\x03')],
    ['JSON', 'application/json', () => '{}'],
    // Judged before it has been sent: the answer must come through all the same, as it must below.
    ['30 MiB of a film', 'video/mp4', () => Buffer.alloc(30 * 1024 * 1024)],
  ])('%s', async (_, type, body) => {
    await refused(await send(body(), { 'content-type': type }), 415, 'unsupported_media_type');
  });

  const cut: [string, string, () => Buffer][] = [
    ['PNG', 'image/png', () => png],
    ['JPEG', 'image/jpeg', () => jpeg],
    ['WebP', 'image/webp', () => webp],
  ];
  test.each(cut)('a %s that is cut', async (_, type, file) => {
    const half = file().subarray(0, file().length / 2);
    const almost = file().subarray(0, -2);
    for (const body of [half, almost, stream(half), stream(almost)])
      await refused(await send(body, { 'content-type': type }), 422, 'invalid_image');
  });

  test('nothing at all', async () => {
    await refused(await send('', { 'content-type': 'image/png' }), 400, 'invalid_request');
  });

  test('10 MiB and a byte, whether or not the length is declared', async () => {
    const file = Buffer.concat([png, Buffer.alloc(LIMIT + 1 - png.length)]);
    const photo = Buffer.concat([png, Buffer.alloc(3 * LIMIT)]);
    for (const body of [file, stream(file), photo])
      await refused(await send(body, { 'content-type': 'image/png' }), 413, 'body_too_large');
  });

  test.each([
    ['no token', undefined],
    ['the anon key', () => stack.addresses.anonKey],
    ['nonsense', () => 'a.b.c'],
  ])('%s', async (_, token) => {
    const authorization = token && `Bearer ${token()}`;
    const answer = await send(Buffer.alloc(LIMIT), { 'content-type': 'image/png', authorization });
    await refused(answer, 401, 'unauthorized');
  });

  test('a suspended account', async () => {
    const banned = await TestUser.signUp(stack);
    await stack.sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${banned.id}`;
    const authorization = `Bearer ${banned.token}`;
    await refused(await send(png, { 'content-type': 'image/png', authorization }), 403, 'forbidden');
  });

  test('an account that has as many stored as its plan allows', async () => {
    await stack.sql`update private.plans set stored_sources = 1 where name = 'default'`;
    try {
      await refused(await send(png, { 'content-type': 'image/png' }), 403, 'forbidden');
    } finally {
      await stack.sql`update private.plans set stored_sources = 100 where name = 'default'`;
    }
  });

  test('nor has anything come late', async () => {
    expect((await stored()).length).toBe(first);
  });

  test('another method', async () => {
    expectProblem(await user.call('GET', '/sources'), 405, 'method_not_allowed');
  });
});
