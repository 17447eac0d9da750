import { createHash, randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { signJwt } from '../stack/supabase/jwt.ts';
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

/** Pictures that users upload to start from. */

const VARIATION = 'black-forest-labs/flux-dev';
const DAY_MS = 86_400_000;

let stack: TestStack;
let user: TestUser;
let stranger: TestUser;
let png: Buffer;
let jpeg: Buffer;
let webp: Buffer;

beforeAll(async () => {
  stack = await TestStack.start();
  [user, stranger] = [await TestUser.signUp(stack), await TestUser.signUp(stack)];
  ({ png, jpeg, webp } = await pictures());
});
afterAll(() => stack?.stop());

const send = (body: Sent, headers: Record<string, string | undefined>, path?: string) =>
  sendSource(user, body, headers, path);
const upload = (body: Sent = png, type = 'image/png') => uploadSource(user, body, type);
const stored = () => storedSources(stack);
const stream = (bytes: Uint8Array) => new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();

const startFrom = (source_id: string, who = user, more = {}) =>
  who.call<Record<string, unknown>>('POST', '/start-generation', {
    prompt: 'from an upload',
    model_id: VARIATION,
    operation: 'variation',
    source_id,
    ...more,
  });

describe('POST /sources', () => {
  test.each([
    ['png', 'image/png', () => png],
    ['jpg', 'image/jpeg', () => jpeg],
    ['webp', 'image/webp', () => webp],
    ['png', 'Image/PNG; charset=binary', () => png],
    ['png', 'image/png', () => stream(png)],
  ])('%s as %s', async (format, type, file) => {
    const before = Date.now();
    const uploaded = await upload(file(), type);
    const bytes = { png, jpg: jpeg, webp }[format];
    expect(uploaded).toEqual({
      source_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      format,
      bytes: bytes?.length,
      width: 640,
      height: 384,
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
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
    ['a PNG that is said to be a JPEG', 'image/jpeg', () => png],
    ['a PNG of no type', undefined, () => png],
    ['a PNG as a form', 'multipart/form-data; boundary=x', () => png],
    ['JSON', 'application/json', () => '{}'],
    // Answered before it has been sent: the answer must come through all the same.
    ['9 MiB of a film', 'video/mp4', () => Buffer.alloc(9 * 1024 * 1024)],
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
    for (const body of [file, stream(file)])
      await refused(await send(body, { 'content-type': 'image/png' }), 413, 'body_too_large');
  });

  test.each([
    ['no token', undefined],
    ['the anon key', () => stack.addresses.anonKey],
    ['nonsense', () => 'a.b.c'],
  ])('%s', async (_, token) => {
    const authorization = token && `Bearer ${token()}`;
    const answer = await send(png, { 'content-type': 'image/png', authorization });
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

describe('source_id', () => {
  /** What the model was given and has read. */
  async function given(jobId: string, field: string): Promise<[unknown, URL]> {
    const [entry, ...more] = await stack.simulator.predictions(jobId);
    if (!entry || more.length > 0)
      throw new Error(`the job should have one prediction, not ${more.length + 1}`);
    const input = entry.prediction.input as Record<string, string>;
    return [entry.source, new URL(input[field] ?? '')];
  }

  test.each([
    ['variation', VARIATION, 'image'],
    ['edit', 'black-forest-labs/flux-kontext-dev', 'input_image'],
    ['upscale', 'nightmareai/real-esrgan', 'image'],
    ['remove_background', '851-labs/background-remover', 'image'],
  ])('%s: the model is given the upload', async (operation, model_id, field) => {
    const { source_id } = await upload(jpeg, 'image/jpeg');
    const request = { prompt: `a ${operation}`, model_id, operation, source_id };
    const started = await user.start(request);
    await user.completed(started.generation_id);
    const [source, url] = await given(started.job_id, field);
    const digest = createHash('md5').update(jpeg).digest('hex');
    expect(source, 'the picture that the model read').toEqual({ digest, width: 640, height: 384 });
    const path = `/storage/v1/object/sign/${BUCKET}/${user.id}/${source_id}.jpg`;
    expect(url.origin + url.pathname).toBe(stack.addresses.supabaseUrl + path);
  });

  test('the address that the model is given works, for a while and for this file alone', async () => {
    const [one, other] = [await upload(), await upload(webp, 'image/webp')];
    const started = await user.start({ prompt: 'signed', model_id: VARIATION, source_id: one.source_id });
    await user.completed(started.generation_id);
    const [, url] = await given(started.job_id, 'image');
    const file = await fetch(url);
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(Buffer.from(await file.arrayBuffer()).equals(png)).toBe(true);

    const token = url.searchParams.get('token') ?? '';
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims.exp - claims.iat, 'seconds that it works').toBe(16 * 60);
    // The same, a quarter of an hour and a bit ago.
    const past = { ...claims, iat: claims.iat - 1_000, exp: Math.floor(Date.now() / 1000) - 60 };
    const status = async (changed: string) => {
      const again = new URL(url);
      again.searchParams.set('token', changed);
      return (await fetch(again)).status;
    };
    const { jwtSecret } = stack.addresses;
    expect(await status(signJwt({ ...past, exp: claims.exp }, jwtSecret)), 'signed as Storage signs').toBe(
      200,
    );
    expect(await status(signJwt(past, jwtSecret)), 'expired').toBeGreaterThanOrEqual(400);
    expect(await status(`${token.slice(0, -3)}abc`), 'forged').toBeGreaterThanOrEqual(400);
    const elsewhere = url.href.replace(`${one.source_id}.png`, `${other.source_id}.webp`);
    expect((await fetch(elsewhere)).ok, 'another file').toBe(false);
  });

  test('another user’s, an unknown one and a generation’s id are not found', async () => {
    const { source_id } = await upload();
    const before = await stack.traces();
    expectProblem(await startFrom(source_id, stranger), 404, 'not_found');
    expectProblem(await startFrom(randomUUID()), 404, 'not_found');
    expect(await stack.traces()).toEqual(before);
  });

  test('malformed, beside another source, or of a model that takes none', async () => {
    const { source_id } = await upload();
    const field = 'source_id';
    expectProblem(await startFrom('x'), 400, 'invalid_request', { field });
    const both = { source_image_url: 'https://example.com/a.png' };
    expectProblem(await startFrom(source_id, user, both), 400, 'invalid_request', { field });
    const none = { model_id: 'black-forest-labs/flux-schnell', operation: 'generate' };
    expectProblem(await startFrom(source_id, user, none), 422, 'unsupported', { field });
  });

  test('a file that is gone when its turn comes fails the generation, and nothing is paid', async () => {
    const { source_id } = await upload();
    const { supabaseUrl, serviceRoleKey } = stack.addresses;
    const later = { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() };
    const started = await user.start({ prompt: 'late', model_id: VARIATION, source_id, ...later });
    const bucket = createClient(supabaseUrl, serviceRoleKey).storage.from(BUCKET);
    expect((await bucket.remove([`${user.id}/${source_id}.png`])).data?.length).toBe(1);
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
    expect(await user.ended(started.generation_id)).toMatchObject({
      status: 'failed',
      error: { code: 'source_missing' },
    });
    expect(await stack.simulator.predictions(started.job_id)).toEqual([]);
  });
});

describe('after 24 hours', () => {
  const age = (id: string, hours: number) =>
    stack.sql`update storage.objects set created_at = created_at - ${hours} * interval '1 hour'
      where bucket_id = ${BUCKET} and position(${id} in name) > 0`;
  const exists = async (id: string) => (await stored()).some(({ name }) => name.includes(id));

  test('an upload can no longer be started from, and its file is deleted', async () => {
    const [old, young] = [await upload(), await upload()];
    await age(old.source_id, 24.1);
    await age(young.source_id, 23.9);
    expectProblem(await startFrom(old.source_id), 404, 'not_found');
    await stack.sweep();
    expect([await exists(old.source_id), await exists(young.source_id)]).toEqual([false, true]);
    const { data } = await user.supabase.storage.from(BUCKET).download(`${user.id}/${old.source_id}.png`);
    expect(data).toBeNull();
    expect((await startFrom(young.source_id)).status).toBe(202);
  });

  test('unless an open generation needs it', async () => {
    const { source_id } = await upload();
    const later = { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() };
    const started = await user.start({ prompt: 'later', model_id: VARIATION, source_id, ...later });
    await age(source_id, 30);
    await stack.sweep();
    expect(await exists(source_id)).toBe(true);
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
    await user.completed(started.generation_id);
    await stack.sweep();
    expect(await exists(source_id)).toBe(false);
  });
});
