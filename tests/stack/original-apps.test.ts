import type { SupabaseClient } from '@supabase/supabase-js';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { signUp, withKey } from './fixtures/project.ts';
import { createSupabase } from './testing.ts';

// What the original's apps ask of Supabase itself, with Supabase's own client: rows inserted, changed, deleted and
// embedded, files deleted, names told at the sign-up. What these mean for the queue is tried in tests/database/original.

let supabase: RunningSupabase;
let service: SupabaseClient;
let user: Awaited<ReturnType<typeof signUp>>;
let sql: postgres.Sql;

beforeAll(async () => {
  supabase = await createSupabase();
  service = withKey(supabase, supabase.serviceRoleKey);
  user = await signUp(supabase);
  sql = postgres(supabase.databaseUrl, { max: 2, onnotice: () => {} });
  return supabase.stop;
});
afterAll(() => sql.end());

const MODEL = 'black-forest-labs/flux-schnell';

/** As the mobile app and the first web app begin. */
async function insert(row: Record<string, unknown> = {}) {
  const { data: model } = await user.client.from('models').select('*').eq('replicate_id', MODEL).single();
  return user.client
    .from('image_generations')
    .insert({
      user_id: user.id,
      prompt: 'a lighthouse',
      negative_prompt: null,
      model: model.name,
      style: null,
      width: model.default_width,
      height: model.default_height,
      steps: model.default_steps,
      guidance_scale: model.default_guidance_scale,
      status: 'pending',
      ...row,
    })
    .select()
    .single();
}
const startInserted = (id: string) =>
  user.client.rpc('start_inserted_generation', {
    p_generation_id: id,
    p_request: { prompt: 'a lighthouse', model_id: MODEL },
  });

/** One that is completed, with its image and its file. */
async function completed() {
  const { data: generation } = await insert();
  await startInserted(generation.id);
  const path = `${user.id}/${generation.id}.webp`;
  await sql`delete from private.ready_jobs where generation_id = ${generation.id}`;
  await sql`update public.image_generations set status = 'completed', completed_at = now() where id = ${generation.id}`;
  await service.storage.from('generated-images').upload(path, new Uint8Array([1]));
  const { data: image, error } = await service
    .from('images')
    .insert({
      generation_id: generation.id,
      user_id: user.id,
      storage_path: path,
      public_url: `https://x.example/${path}`,
    })
    .select()
    .single();
  expect(error).toBeNull();
  return { generation, image, path };
}

describe('a generation', () => {
  test('is inserted and read back at once, then started, and is the same row', async () => {
    const { data, error } = await insert();
    expect(error).toBeNull();
    expect(data).toMatchObject({ status: 'pending', model: MODEL, user_id: user.id });
    const { data: answer, error: refused } = await startInserted(data.id);
    expect(refused).toBeNull();
    expect(answer).toMatchObject({ generation_id: data.id, status: 'queued' });
    const { data: now } = await user.client.from('image_generations').select('*').eq('id', data.id).single();
    expect(now).toMatchObject({ status: 'pending', job_id: answer.job_id });
  });

  test('that is refused tells why', async () => {
    const { error, status } = await insert({ model: 'flux-nothing' });
    expect(status).toBe(404);
    expect(error?.message).toMatch(/^There is no model called flux-nothing\./);
  });

  test('is cancelled by setting its status, in the way of each app', async () => {
    for (const wish of [{ status: 'failed', error_message: 'Cancelled by user' }, { status: 'cancelled' }]) {
      const { data } = await insert();
      await startInserted(data.id);
      const { error } = await user.client.from('image_generations').update(wish).eq('id', data.id);
      expect(error).toBeNull();
      const { data: now } = await user.client
        .from('image_generations')
        .select('status')
        .eq('id', data.id)
        .single();
      expect(now).toEqual({ status: 'cancelled' });
    }
  });

  test('has its images as a list', async () => {
    const { generation, image } = await completed();
    const { data, error } = await user.client
      .from('image_generations')
      .select('*, images(*)')
      .eq('id', generation.id)
      .single();
    expect(error).toBeNull();
    expect(data.images).toMatchObject([{ id: image.id, public_url: image.public_url }]);
    const waiting = await insert();
    const { data: empty } = await user.client
      .from('image_generations')
      .select('id, images(*)')
      .eq('id', waiting.data.id)
      .single();
    expect(empty?.images).toEqual([]);
  });

  test('is deleted', async () => {
    const { generation, image } = await completed();
    const { error } = await user.client.from('image_generations').delete().eq('id', generation.id);
    expect(error).toBeNull();
    const { data } = await service.from('images').select().eq('id', image.id);
    expect(data).toEqual([]);
  });
});

describe('an image', () => {
  test('is deleted file first, then row, as the apps do', async () => {
    const { image, path } = await completed();
    const { data, error } = await user.client.storage.from('generated-images').remove([path]);
    expect(error).toBeNull();
    expect(data).toMatchObject([{ name: path }]);
    const { error: refused } = await user.client.from('images').delete().eq('id', image.id);
    expect(refused).toBeNull();
    expect((await user.client.from('images').select().eq('id', image.id)).data).toEqual([]);
    const { data: file } = await service.storage.from('generated-images').download(path);
    expect(file).toBeNull();
  });

  test('of somebody else stays, and its file', async () => {
    const { image, path } = await completed();
    const other = await signUp(supabase);
    expect((await other.client.storage.from('generated-images').remove([path])).data).toEqual([]);
    await other.client.from('images').delete().eq('id', image.id);
    expect((await service.from('images').select().eq('id', image.id)).data).toHaveLength(1);
    expect((await service.storage.from('generated-images').download(path)).error).toBeNull();
  });
});

describe('a batch', () => {
  const make = async () => {
    const { data, error } = await user.client.rpc('start_batch', {
      p_request: { model_id: MODEL, items: [{ prompt: 'a' }, { prompt: 'b' }] },
      p_name: 'Lighthouses',
    });
    expect(error).toBeNull();
    return data.batch_id as string;
  };

  test('is tried again, cancelled and deleted with the statements of the app', async () => {
    const id = await make();
    await sql`update public.job_queue set status = 'failed' where generation_id in (
      select id from public.image_generations where batch_id = ${id})`;
    await sql`update public.image_generations set status = 'failed', completed_at = now() where batch_id = ${id}`;
    await sql`update public.batch_generations set failed_count = 2, status = 'failed' where id = ${id}`;
    const again = await user.client
      .from('image_generations')
      .update({ status: 'pending', error_message: null, retry_count: 0 })
      .eq('batch_id', id)
      .eq('status', 'failed');
    expect(again.error).toBeNull();
    const goesOn = await user.client
      .from('batch_generations')
      .update({ status: 'processing', failed_count: 0 })
      .eq('id', id);
    expect(goesOn.error).toBeNull();
    const { data: open } = await user.client.from('image_generations').select('status').eq('batch_id', id);
    expect(open).toEqual([{ status: 'pending' }, { status: 'pending' }]);

    const ends = await user.client
      .from('batch_generations')
      .update({ status: 'failed', completed_at: new Date().toISOString() })
      .eq('id', id);
    expect(ends.error).toBeNull();
    const { data: batch } = await user.client.from('batch_generations').select('*').eq('id', id).single();
    expect(batch).toMatchObject({
      status: 'cancelled',
      cancelled_count: 2,
      failed_count: 0,
      name: 'Lighthouses',
    });

    expect((await user.client.from('batch_generations').delete().eq('id', id)).error).toBeNull();
    expect((await service.from('image_generations').select('id').eq('batch_id', id)).data).toEqual([]);
  });
});

test('a sign-up tells the name', async () => {
  const client = withKey(supabase, supabase.anonKey);
  const { data, error } = await client.auth.signUp({
    email: 'ada@example.com',
    password: 'correct-horse-battery',
    options: { data: { username: 'ada', avatar_url: 'https://x.example/ada.webp' } },
  });
  expect(error).toBeNull();
  const { data: profile } = await client.from('profiles').select('*').eq('id', data.user?.id).single();
  expect(profile).toMatchObject({ username: 'ada', avatar_url: 'https://x.example/ada.webp' });
});

test('a job that is not there cannot be completed', async () => {
  const id = '00000000-0000-4000-8000-000000000000';
  const { error, status } = await service.rpc('complete_job', { p_job_id: id });
  expect([status, error?.message]).toEqual([404, `Job not found: ${id}`]);
});
