import { randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { type Started, TestUser } from './support/user.ts';

/** Stored files that no row names, until none is left. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const addressOf = (path: string) =>
  `${stack.addresses.supabaseUrl}/storage/v1/object/public/generated-images/${path}`;

/** Names in the bucket that contain a text. */
async function stored(part: string): Promise<string[]> {
  const rows = await stack.sql<{ name: string }[]>`select name from storage.objects
    where bucket_id = 'generated-images' and position(${part} in name) > 0`;
  return rows.map(({ name }) => name);
}

async function picture(): Promise<Started & { path: string }> {
  const started = await user.start({ prompt: 'a picture' });
  await user.completed(started.generation_id);
  const [path = ''] = await stored(started.generation_id);
  expect((await fetch(addressOf(path))).status).toBe(200);
  return { ...started, path };
}

test('cancelled while its image is being stored: too late, and the image is the user’s', async () => {
  await stack.simulator.faults([{ match: { endpoint: 'file', times: 1 }, fault: { delay_ms: 1_500 } }]);
  const started = await user.start({ prompt: 'cancelled late' });
  await user.reaches(started.generation_id, 'downloading');
  const cancel = await user.call('POST', `/generations/${started.generation_id}/cancel`);
  expect(cancel).toMatchObject({ status: 409, body: { code: 'conflict' } });
  const { images } = await user.completed(started.generation_id);
  expect((await fetch(images[0]?.url ?? '')).status).toBe(200);
});

test('an image that the service deletes takes its file along, with the next run of the cron', async () => {
  const [gone, kept] = [await picture(), await picture()];
  const { supabaseUrl, serviceRoleKey } = stack.addresses;
  const { error } = await createClient(supabaseUrl, serviceRoleKey)
    .from('images')
    .delete()
    .eq('generation_id', gone.generation_id);
  expect(error).toBeNull();
  await stack.sweep();
  expect(await stored(gone.generation_id)).toEqual([]);
  expect((await fetch(addressOf(gone.path))).ok).toBe(false);
  expect((await fetch(addressOf(kept.path))).status).toBe(200);
});

test('a user who is deleted leaves no file', async () => {
  const leaving = await TestUser.signUp(stack);
  const started = await leaving.start({ prompt: 'two of them', num_images: 2 });
  for (const { generation_id } of started.generations ?? []) await leaving.completed(generation_id);
  expect(await stored(leaving.id)).toHaveLength(2);
  await stack.sql`delete from auth.users where id = ${leaving.id}`;
  await stack.sweep();
  expect(await stored(leaving.id)).toEqual([]);
});

test('what lies in the bucket without a row for more than a day is found', async () => {
  const { supabaseUrl, serviceRoleKey } = stack.addresses;
  const bucket = createClient(supabaseUrl, serviceRoleKey).storage.from('generated-images');
  const kept = await picture();
  const names = [randomUUID(), randomUUID()].map((id) => `${user.id}/${id}.png`);
  for (const name of names) expect((await bucket.upload(name, new Uint8Array([1]))).error).toBeNull();
  await stack.sql`update storage.objects
    set created_at = now() - interval '25 hours', updated_at = now() - interval '25 hours'
    where name in ${stack.sql([names[0] ?? '', kept.path])}`;
  await stack.sql`update private.storage_scan
    set objects_since = now() - interval '2 days', began_at = '-infinity', after_name = null`;
  await stack.sweep();
  expect(await stored(names[0] ?? '')).toEqual([]);
  expect(await stored(names[1] ?? ''), 'a day has not passed').toHaveLength(1);
  expect((await fetch(addressOf(kept.path))).status, 'an image has it').toBe(200);
});
