import { createClient } from '@supabase/supabase-js';
import { beforeAll, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { createSupabase } from './testing.ts';

// As the dashboard calls: over HTTP, with the token of a user who signs in.

let supabase: RunningSupabase;
beforeAll(async () => {
  supabase = await createSupabase();
  return supabase.stop;
});

const post = (name: string, args: object, token?: string, headers: Record<string, string> = {}) =>
  fetch(`${supabase.url}/rest/v1/rpc/${name}`, {
    method: 'POST',
    headers: {
      apikey: supabase.anonKey,
      'content-type': 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
    body: JSON.stringify(args),
  });

test('a token that says so is answered, as JSON and CSV, and refused as soon as its account is an admin’s no more', async () => {
  const sql = client(supabase.databaseUrl);
  const account = { email: 'admin@example.com', password: 'a long password' };
  const { auth } = createClient(supabase.url, supabase.anonKey, { auth: { persistSession: false } });
  const { data } = await auth.signUp(account);
  const setRole = (role: object) =>
    sql`update auth.users set raw_app_meta_data = coalesce(raw_app_meta_data, '{}') - 'role' || ${sql.json(role as never)}
      where email = ${account.email}`;
  const token = signJwt(
    {
      aud: 'authenticated',
      role: 'authenticated',
      sub: data.user?.id as string,
      exp: Math.floor(Date.now() / 1000) + 3600,
      app_metadata: { role: 'admin' },
    },
    supabase.jwtSecret,
  );
  await setRole({ role: 'admin' });
  const older = await post('admin_overview', {}, data.session?.access_token as string);
  expect([older.status, await older.json()], 'a token from before').toMatchObject([
    403,
    { code: '42501', message: expect.stringMatching(/sign out and in again/) },
  ]);
  const answer = await post('admin_overview', {}, token);
  expect([answer.status, await answer.json()]).toMatchObject([
    200,
    { totals: { waiting: 0 }, queues: [{}, {}, {}, {}, {}] },
  ]);
  expect((await post('admin_overview', {})).status, 'without a token').toBe(401);
  const wrong = await post('admin_pause', { p_what: 'odd', p_reason: 'x' }, token);
  expect([wrong.status, await wrong.json()]).toMatchObject([422, { code: 'PT422', hint: 'field=p_what' }]);

  await sql`insert into private.daily_totals values (private.today(), 'a/b', 'completed', 'PT', '', 2, 3.5, 0.01)`;
  const csv = await post('admin_analytics', { p_by: ['model', 'country'] }, token, { accept: 'text/csv' });
  expect([csv.status, (await csv.text()).trim().split('\n')]).toEqual([
    200,
    ['day,user_id,model,status,country,error_code,generations,seconds,cost_usd', ',,a/b,,PT,,2,3.5,0.01'],
  ]);

  await setRole({});
  expect((await post('admin_overview', {}, token)).status).toBe(403);
  await sql.end();
});
