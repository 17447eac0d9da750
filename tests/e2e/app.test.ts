import { FunctionsHttpError } from '@supabase/supabase-js';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { MODEL, type Started, TestUser } from './support/user.ts';

/** What an app does, with supabase-js alone: this is the test that the whole project is for. */

let stack: TestStack;
let user: TestUser;
let stranger: TestUser;
let started: Started;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  stranger = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const BUCKET = 'generated-images';
const SHARP_FORMATS: Record<string, string> = {
  jpg: 'jpeg',
  png: 'png',
  webp: 'webp',
  gif: 'gif',
  svg: 'svg',
};

async function expectPicture(bytes: Buffer, row: { width: number; height: number; format: string }) {
  const { width, height, format } = await sharp(bytes).metadata();
  expect({ width, height, format }).toEqual({
    width: row.width,
    height: row.height,
    format: SHARP_FORMATS[row.format],
  });
}

test('functions.invoke starts an image and answers at once', async () => {
  const { data, error, response } = await user.supabase.functions.invoke<Started>('start-generation', {
    body: { prompt: 'a lighthouse in the fog', model_id: MODEL, width: 1344, height: 768 },
  });
  expect(error).toBeNull();
  expect(response?.status).toBe(202);
  started = data as Started;
  expect(started).toMatchObject({ success: true, status: 'queued', message: 'Generation queued.' });
  expect(started.queue_position).toBeGreaterThanOrEqual(1);
  expect(started.estimated_seconds).toBeGreaterThan(0);
  const self = `${stack.addresses.supabaseUrl}/functions/v1/generations/${started.generation_id}`;
  expect(started.urls).toEqual({ self, cancel: `${self}/cancel`, events: `${self}/events` });
});

test('its row reaches completed under the user’s own rights, and never goes backwards', async () => {
  const order = ['pending', 'processing', 'downloading', 'completed'];
  const seen: string[] = [];
  const row = await stack.until('the row to be completed', async () => {
    const { data, error } = await user.supabase
      .from('image_generations')
      .select()
      .eq('id', started.generation_id)
      .single();
    expect(error).toBeNull();
    seen.push(data.status);
    expect(order, `status ${data.status} with ${data.error_message}`).toContain(data.status);
    return data.status === 'completed' && data;
  });
  expect(seen).toEqual(seen.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)));
  expect(row).toMatchObject({
    user_id: user.id,
    prompt: 'a lighthouse in the fog',
    model: MODEL,
    width: 1344,
    height: 768,
    progress: 100,
    error_message: null,
    retry_count: 0,
  });
  expect(row.generation_time_seconds).toBeGreaterThanOrEqual(0);
});

test('the image in storage is what its row says', async () => {
  const { data: image, error } = await user.supabase
    .from('images')
    .select()
    .eq('generation_id', started.generation_id)
    .single();
  expect(error).toBeNull();
  expect(image).toMatchObject({ user_id: user.id, width: 1344, height: 768, format: 'webp' });
  const download = await user.supabase.storage.from(BUCKET).download(image.storage_path);
  expect(download.error).toBeNull();
  expect(download.data?.type).toBe('image/webp');
  const bytes = Buffer.from((await download.data?.arrayBuffer()) ?? new ArrayBuffer());
  expect(bytes.length).toBe(image.file_size);
  await expectPicture(bytes, image);

  const inPublic = await fetch(image.public_url);
  expect([inPublic.status, inPublic.headers.get('content-type')]).toEqual([200, 'image/webp']);
  expect(Buffer.from(await inPublic.arrayBuffer()).equals(bytes)).toBe(true);
  expect(user.supabase.storage.from(BUCKET).getPublicUrl(image.storage_path).data.publicUrl).toBe(
    image.public_url,
  );
});

test('GET /generations/{id} tells the same, at the URL that the start gave', async () => {
  const answer = await fetch(started.urls.self, { headers: { authorization: `Bearer ${user.token}` } });
  const generation = await answer.json();
  expect(answer.status).toBe(200);
  expect(generation).toEqual(await user.get(started.generation_id));
  const { data: image } = await user.supabase.from('images').select().single();
  expect(generation).toMatchObject({
    id: started.generation_id,
    batch_id: null,
    status: 'completed',
    progress: 100,
    queue_position: null,
    estimated_seconds: null,
    operation: 'generate',
    model_id: MODEL,
    prompt: 'a lighthouse in the fog',
    width: 1344,
    height: 768,
    error: null,
    images: [
      {
        id: image.id,
        url: image.public_url,
        thumbnail_url: `${image.public_url.replace('/object/', '/render/image/')}?width=512&resize=contain`,
        format: 'webp',
        width: 1344,
        height: 768,
        bytes: image.file_size,
      },
    ],
    cost_usd: 0.003,
  });
  for (const time of ['created_at', 'started_at', 'completed_at']) {
    expect(Date.parse(generation[time]), time).toBeGreaterThan(Date.now() - 60_000);
  }
});

test('its thumbnail is the whole image, smaller', async () => {
  const [image] = (await user.get(started.generation_id)).images;
  const answer = await fetch(image?.thumbnail_url ?? '', { headers: { accept: 'image/webp,*/*' } });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/webp']);
  const { width, height } = await sharp(Buffer.from(await answer.arrayBuffer())).metadata();
  expect({ width, height }).toEqual({ width: 512, height: 293 });
});

test('it was created once, and its webhook took part', async () => {
  const [prediction, ...more] = await stack.simulator.predictions(started.job_id);
  expect(more).toEqual([]);
  expect(prediction).toMatchObject({ model: MODEL, status: 'succeeded', downloads: 1, get_calls: 0 });
  expect(prediction?.deliveries).toMatchObject([
    { event: 'start', attempt: 1, answer: 200 },
    { event: 'completed', attempt: 1, answer: 200 },
  ]);
});

test('another user sees nothing of it', async () => {
  for (const table of ['image_generations', 'images', 'job_queue']) {
    const own = await user.supabase.from(table).select('id');
    expect(own.data?.length, `${table}, to its owner`).toBeGreaterThan(0);
    const others = await stranger.supabase.from(table).select('id');
    expect(others, table).toMatchObject({ error: null, data: [] });
  }
  const { status, body } = await stranger.call('GET', `/generations/${started.generation_id}`);
  expect([status, body]).toEqual([404, expect.objectContaining({ code: 'not_found' })]);
  const cancel = await stranger.call('POST', `/generations/${started.generation_id}/cancel`);
  expect(cancel.status).toBe(404);
  const list = await stranger.call('GET', '/generations');
  expect(list.body).toEqual({ generations: [], next_cursor: null });
});

test('nobody but the workers writes to the queue or into storage', async () => {
  const insert = await user.supabase.from('job_queue').insert({ job_type: 'generate-image', payload: {} });
  expect(insert.error?.code).toBe('42501');
  const update = await user.supabase
    .from('image_generations')
    .update({ status: 'queued' })
    .eq('id', started.generation_id)
    .select();
  expect(update.error !== null || update.data?.length === 0).toBe(true);
  const upload = await user.supabase.storage.from(BUCKET).upload(`${stranger.id}/x.png`, Buffer.from('x'));
  expect(upload.error).not.toBeNull();
  expect((await user.get(started.generation_id)).status).toBe('completed');
});

test('a refusal reaches the app as supabase-js reports it, with a sentence for the user', async () => {
  const { data, error } = await user.supabase.functions.invoke('start-generation', {
    body: { prompt: ' ', model_id: MODEL },
  });
  expect(data).toBeNull();
  expect(error).toBeInstanceOf(FunctionsHttpError);
  const problem = await (error as FunctionsHttpError).context.json();
  expect(problem).toMatchObject({ status: 400, code: 'invalid_request', field: 'prompt' });
  expect(problem.error).toMatch(/prompt must not be empty/);
});
