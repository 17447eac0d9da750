import { createHash, randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { BUCKET, pictures, storedSources, uploadSource } from './support/uploads.ts';
import { TestUser } from './support/user.ts';

/** Uploads that images are made from, until their day is over. */

const VARIATION = 'black-forest-labs/flux-dev';

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

const upload = (body = png, type = 'image/png') => uploadSource(user, body, type);
const stored = () => storedSources(stack);

const startFrom = (source_id: string, who = user, more = {}) =>
  who.call<Record<string, unknown>>('POST', '/start-generation', {
    prompt: 'from an upload',
    model_id: VARIATION,
    operation: 'variation',
    source_id,
    ...more,
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

describe('while the upload is looked at', () => {
  const looks = 'object/authenticated/source-images';
  test.each([
    ['is cut off', looks, { drop: 'midway' }],
    ['is a page of something in between', looks, { status: 200, body: '<html>Back soon</html>' }],
    ['is nothing', looks, { status: 200, body: '' }],
    ['is a 404 of something in between', looks, { status: 404, body: '<html>Not found</html>' }],
    ['to the signing is such a 404', 'object/sign', { status: 404, body: '<html>Not found</html>' }],
  ] as const)('Storage’s answer %s: it is asked again, and no attempt is used', async (_, path, fault) => {
    const { source_id } = await upload(jpeg, 'image/jpeg');
    await stack.supabase.fault({ path, times: 1 }, fault);
    const started = await user.start({ prompt: 'unwell', model_id: VARIATION, source_id });
    await stack.until('Storage to have answered so', async () => (await stack.supabase.played())[0]?.applied);
    const waits = (job: { lease: string }) => Number(job.lease) >= 1;
    const { attempts } = await stack.job(started.generation_id, 'put off', waits);
    expect(attempts).toBe(0);
    await stack.until('the picture', async () => {
      const { status, error } = await user.get(started.generation_id);
      if (status === 'failed') throw new Error(`it has failed: ${error?.code}`);
      if (status === 'completed') return true;
      // The time of a run that goes on is not over.
      const [job] = await stack.jobs(started.generation_id);
      if (job?.status === 'pending') await stack.letTimePass(started.generation_id);
      await stack.processJobs();
      return false;
    });
    expect(await stack.simulator.predictions(started.job_id)).toHaveLength(1);
    await stack.supabase.heal();
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
