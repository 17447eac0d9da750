import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { pictures, uploadSource } from './support/uploads.ts';
import { type Generation, type Started, TestUser } from './support/user.ts';

/** Several source images, a mask and a scale: what the model reads, judged by the bytes; what is kept, told and refused. */

const SEVERAL = 'google/nano-banana';
const INPAINTS = 'ideogram-ai/ideogram-v3-turbo';
const UPSCALES = 'nightmareai/real-esrgan';
const URL_OF_ONE = 'https://example.com/a.png';

let stack: TestStack;
let user: TestUser;
/** An upload, another one, and a picture of the user's own; each with its file. */
let upload: { id: string; bytes: Uint8Array };
let mask: { id: string; bytes: Uint8Array };
let own: { id: string; bytes: Uint8Array };

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  const { png, webp } = await pictures();
  upload = { id: (await uploadSource(user, png, 'image/png')).source_id, bytes: png };
  mask = { id: (await uploadSource(user, webp, 'image/webp')).source_id, bytes: webp };
  const { generation_id } = await user.start({ prompt: 'a source', width: 1344, height: 768 });
  const { images } = await user.completed(generation_id);
  own = { id: generation_id, bytes: await file(images[0]?.url) };
});
afterAll(() => stack?.stop());

type Told = Generation & {
  sources: object[];
  mask: object | null;
  scale: number | null;
  parent_id: string | null;
};

const file = async (url = '') => new Uint8Array(await (await fetch(url)).arrayBuffer());
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const made = async ({ generation_id }: Started) => (await user.completed(generation_id)) as Told;
const run = async ({ job_id }: Started) => {
  const [prediction, ...more] = await stack.simulator.predictions(job_id);
  expect(more, 'one prediction is paid for').toEqual([]);
  if (!prediction) throw new Error('there is no prediction');
  return prediction;
};
const rerun = async (id: string, changes: object) => {
  const { status, body } = await user.call<Started>('POST', `/generations/${id}/rerun`, changes);
  expect(status, JSON.stringify(body)).toBe(202);
  return body;
};
const digests = (read: { digest: string }[]) => read.map(({ digest }) => digest);

describe('several source images', () => {
  const request = () => ({
    prompt: 'the fox of the second image in the first one',
    model_id: SEVERAL,
    operation: 'edit',
    sources: [{ source_id: upload.id }, { source_generation_id: own.id }, { source_image_url: URL_OF_ONE }],
  });

  test('the model reads each of them, in their order, signed at the run', async () => {
    const started = await user.start(request());
    const one = await made(started);
    expect(one).toMatchObject({ sources: request().sources, mask: null, source_id: null, parent_id: own.id });
    const { sources, prediction } = await run(started);
    expect(digests(sources).slice(0, 2)).toEqual([md5(upload.bytes), md5(own.bytes)]);
    const sent = (prediction.input as { image_input: string[] }).image_input;
    expect(sent[2]).toBe(URL_OF_ONE);
    for (const url of sent.slice(0, 2)) expect(url).toContain('/storage/v1/object/sign/');
    const [job] = await stack.sql`select payload::text from public.job_queue where id = ${started.job_id}`;
    expect(job?.payload, 'an address grows old in the queue').not.toContain('/sign/');
  });

  test('made again it keeps them, and others take their place', async () => {
    const first = await made(await user.start(request()));
    const again = await rerun(first.id, {});
    expect(await made(again)).toMatchObject({ sources: request().sources, parent_id: first.id });
    expect(digests((await run(again)).sources).slice(0, 2)).toEqual([md5(upload.bytes), md5(own.bytes)]);
    const single = await rerun(first.id, { source_id: upload.id });
    expect(await made(single)).toMatchObject({ sources: [{ source_id: upload.id }], source_id: upload.id });
    const swapped = await rerun(first.id, { sources: [{ source_generation_id: own.id }, upload.id] });
    expect(await made(swapped)).toMatchObject({
      sources: [{ source_generation_id: own.id }, { source_id: upload.id }],
    });
    expect(digests((await run(swapped)).sources)).toEqual([md5(own.bytes), md5(upload.bytes)]);
  });

  test('one that is deleted meanwhile: made again it says so', async () => {
    const { generation_id } = await user.start({ prompt: 'goes' });
    await user.completed(generation_id);
    const first = await made(
      await user.start({ ...request(), sources: [upload.id, { source_generation_id: generation_id }] }),
    );
    expect((await user.call('DELETE', `/generations/${generation_id}`)).status).toBe(200);
    const gone = await user.call<Record<string, unknown>>('POST', `/generations/${first.id}/rerun`, {});
    expectProblem(gone, 409, 'conflict');
    expect(await made(await rerun(first.id, { source_id: upload.id }))).toMatchObject({
      source_id: upload.id,
    });
  });

  test('an upload that is no picture ends it unpaid', async () => {
    const name = '0b5c2a4e-6f0d-4c3e-9a57-1d2f3e4a5b6c';
    const { supabaseUrl, anonKey } = stack.addresses;
    const stored = await fetch(`${supabaseUrl}/storage/v1/object/source-images/${user.id}/${name}.png`, {
      method: 'POST',
      headers: { authorization: `Bearer ${user.token}`, apikey: anonKey, 'content-type': 'image/png' },
      body: 'no picture at all',
    });
    expect(stored.status, await stored.text()).toBe(200);
    const started = await user.start({ ...request(), sources: [upload.id, name] });
    const ended = await user.ended(started.generation_id);
    expect(ended).toMatchObject({ status: 'failed', error: { code: 'source_unusable' } });
    expect(await stack.simulator.predictions(started.job_id)).toEqual([]);
  });
});

describe('a mask', () => {
  test.each([
    ['with its image alone', INPAINTS, 'edit'],
    ['with its image or without', 'stability-ai/sdxl', 'variation'],
  ])('of a model that takes it %s: both are read', async (_, model_id, operation) => {
    const request = {
      prompt: 'a red door',
      model_id,
      operation,
      source_generation_id: own.id,
      mask: mask.id,
    };
    const started = await user.start(request);
    const one = await made(started);
    expect(one).toMatchObject({
      source_generation_id: own.id,
      mask: { source_id: mask.id },
      adjustments: [],
    });
    const read = await run(started);
    expect([...digests(read.sources), read.mask?.digest]).toEqual([md5(own.bytes), md5(mask.bytes)]);
    expect(one.images, 'it is as large as its source').toMatchObject([{ width: 1344, height: 768 }]);
    const again = await rerun(one.id, { prompt: 'a blue door' });
    expect(await made(again)).toMatchObject({ mask: { source_id: mask.id } });
    expect((await run(again)).mask?.digest).toBe(md5(mask.bytes));
  });

  test('is one of its image: another image comes without it', async () => {
    const request = { prompt: 'a door', model_id: 'stability-ai/sdxl', source_id: upload.id, mask: mask.id };
    const first = await made(await user.start(request));
    expect(await made(await rerun(first.id, { source_generation_id: own.id }))).toMatchObject({ mask: null });
  });
});

describe('a scale', () => {
  test.each([
    [UPSCALES, 2.5, 2.5, []],
    [UPSCALES, 1, 1, []],
    ['philz1337x/clarity-upscaler', 3, 3, []],
    ['topazlabs/image-upscale', 4, 4, []],
    ['topazlabs/image-upscale', 5, 4, [{ field: 'scale', requested: 5, used: 4 }]],
    ['topazlabs/image-upscale', null, 2, []],
  ])('%s by %s: the picture is so much larger', async (model_id, scale, used, adjustments) => {
    const started = await user.start({ prompt: 'larger', model_id, source_id: upload.id, scale });
    const one = await made(started);
    expect(one.scale).toBe(scale && used);
    const told = one.adjustments as { field: string }[];
    expect(told.filter(({ field }) => field === 'scale')).toMatchObject(adjustments);
    const { width, height } = await sharp(await file(one.images[0]?.url)).metadata();
    expect([width, height]).toEqual([640 * used, 384 * used]);
    if (scale !== null && used === scale)
      expect(await made(await rerun(one.id, { scale: 2 }))).toMatchObject({
        scale: 2,
        images: [{ width: 1280 }],
      });
  });

  test('a model without one says that it left it out', async () => {
    const one = await made(await user.start({ prompt: 'no scale', scale: 2 }));
    expect(one).toMatchObject({ scale: null, adjustments: [{ field: 'scale', requested: 2, used: null }] });
  });
});

test.each([
  ['sources', 400, { sources: [] }],
  ['sources', 400, { sources: Array(11).fill(URL_OF_ONE) }],
  ['sources[0]', 400, { sources: [URL_OF_ONE] }],
  ['sources[1]', 400, { sources: [{ source_image_url: URL_OF_ONE }, { image: URL_OF_ONE }] }],
  ['mask', 400, { mask: { source_image_url: URL_OF_ONE } }],
  ['mask', 400, { source_image_url: URL_OF_ONE, mask: {} }],
  ['scale', 400, { scale: 0.5 }],
  ['scale', 400, { scale: '2x' }],
  ['mask', 422, { source_image_url: URL_OF_ONE, mask: { source_image_url: URL_OF_ONE } }],
  ['mask', 422, { model_id: INPAINTS, source_image_url: URL_OF_ONE }],
  ['sources', 422, { model_id: UPSCALES, sources: Array(2).fill({ source_image_url: URL_OF_ONE }) }],
  ['source_image_url', 422, { model_id: 'google/imagen-4', sources: [{ source_image_url: URL_OF_ONE }] }],
])('%s: %i for %j', async (field, status, request) => {
  const answer = await user.call<Record<string, unknown>>('POST', '/start-generation', {
    prompt: 'refused',
    model_id: SEVERAL,
    ...request,
  });
  expectProblem(answer, status, status === 400 ? 'invalid_request' : 'unsupported');
  expect(answer.body.field).toBe(field);
});
