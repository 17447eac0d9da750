import { randomUUID } from 'node:crypto';
import { createClient } from '@supabase/supabase-js';
import { beforeAll, expect, test } from 'vitest';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { createSupabase } from './testing.ts';

let supabase: RunningSupabase;

beforeAll(async () => {
  supabase = await createSupabase();
  return supabase.stop;
});

const client = (key: string) =>
  createClient(supabase.url, key, { auth: { persistSession: false, autoRefreshToken: false } });
const account = () => ({ email: `${randomUUID()}@example.com`, password: 'correct-horse-battery' });

test('a user made by the admin API signs in, and is gone when deleted', async () => {
  const { admin } = client(supabase.secretKey).auth;
  const user = account();
  const { data, error } = await admin.createUser({ ...user, email_confirm: true });
  expect(error).toBeNull();
  const signIn = () => client(supabase.publishableKey).auth.signInWithPassword(user);
  expect((await signIn()).data.user?.id).toBe(data.user?.id);
  expect((await admin.createUser({ ...user, email_confirm: true })).error?.code).toBe('email_exists');
  expect((await admin.deleteUser(data.user?.id ?? '')).error).toBeNull();
  expect((await signIn()).error?.status).toBe(400);
  expect((await admin.deleteUser(data.user?.id ?? '')).error?.code).toBe('user_not_found');
});

test('nobody else may', async () => {
  const user = account();
  for (const key of [supabase.publishableKey, supabase.anonKey]) {
    const { error } = await client(key).auth.admin.createUser({ ...user, email_confirm: true });
    expect([error?.status, error?.code]).toEqual([403, 'not_admin']);
  }
});
