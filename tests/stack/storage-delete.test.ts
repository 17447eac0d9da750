import { createClient } from '@supabase/supabase-js';
import { beforeAll, expect, test } from 'vitest';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { fixtureSupabase, signUp } from './fixtures/project.ts';

// Finding and deleting stored objects, as Supabase's Storage answers it.

let supabase: RunningSupabase;
const bucket = () => createClient(supabase.url, supabase.serviceRoleKey).storage.from('spare');

beforeAll(async () => {
  supabase = await fixtureSupabase();
  const { error } = await createClient(supabase.url, supabase.serviceRoleKey).storage.createBucket('spare', {
    public: true,
  });
  expect(error).toBeNull();
});

async function put(...names: string[]): Promise<void> {
  for (const name of names) expect((await bucket().upload(name, new Uint8Array([1]))).error).toBeNull();
}

/** Without their folder, which the local front leaves before the names. */
const names = async (folder: string) =>
  (await bucket().list(folder)).data?.map(({ name }) => name.split('/').pop()).sort();

test('objects are found by their folder', async () => {
  await put('found/a.png', 'found/b.png', 'elsewhere/c.png');
  expect(await names('found')).toEqual(['a.png', 'b.png']);
});

test('several are deleted by one request, which answers what was there', async () => {
  await put('gone/a.png', 'gone/b.png', 'gone/c.png');
  const answer = await fetch(`${supabase.url}/storage/v1/object/spare`, {
    method: 'DELETE',
    headers: {
      apikey: supabase.serviceRoleKey,
      authorization: `Bearer ${supabase.serviceRoleKey}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ prefixes: ['gone/a.png', 'gone/b.png', 'gone/no-such.png'] }),
  });
  expect(answer.status).toBe(200);
  const deleted = (await answer.json()) as { name: string }[];
  expect(deleted.map(({ name }) => name).sort()).toEqual(['gone/a.png', 'gone/b.png']);
  expect(await names('gone'), 'a name is whole, and no prefix').toEqual(['c.png']);
  const file = await fetch(`${supabase.url}/storage/v1/object/public/spare/gone/a.png`);
  expect(file.ok).toBe(false);
});

test('nobody deletes where no policy lets them', async () => {
  await put('kept/a.png');
  const user = await signUp(supabase);
  await user.client.storage.from('spare').remove(['kept/a.png']);
  expect(await names('kept')).toEqual(['a.png']);
});
