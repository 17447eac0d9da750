import { beforeAll, describe, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { fixtureSupabase, signUp, withKey } from './fixtures/project.ts';

let supabase: RunningSupabase;

beforeAll(async () => {
  supabase = await fixtureSupabase();
  return supabase.stop;
});

const anonymous = () => withKey(supabase, supabase.anonKey);
const service = () => withKey(supabase, supabase.serviceRoleKey);

describe('auth', () => {
  test('sign-up, sign-in, refresh, who am I', async () => {
    const user = await signUp(supabase);
    const again = anonymous();
    const { data, error } = await again.auth.signInWithPassword({
      email: user.email,
      password: user.password,
    });
    expect(error).toBeNull();
    expect(data.user?.id).toBe(user.id);
    expect((await again.auth.refreshSession()).error).toBeNull();
    expect((await again.auth.getUser()).data.user?.email).toBe(user.email);
  });

  test('a wrong password and a taken address are refused', async () => {
    const { email, password } = await signUp(supabase);
    const wrong = await anonymous().auth.signInWithPassword({ email, password: 'something else' });
    expect(wrong.error?.code).toBe('invalid_credentials');
    const taken = await anonymous().auth.signUp({ email, password });
    expect(taken.error?.code).toBe('user_already_exists');
  });

  test('there are no public keys: tokens are HS256', async () => {
    const answer = await fetch(`${supabase.url}/auth/v1/.well-known/jwks.json`);
    expect(await answer.json()).toEqual({ keys: [] });
  });
});

describe('tables', () => {
  test('rows are their owner’s, with values as PostgREST writes them', async () => {
    const [mine, theirs] = [await signUp(supabase), await signUp(supabase)];
    const { data, error } = await mine.client
      .from('notes')
      .insert({ body: 'mine', data: { a: [1] }, amount: 1.5 })
      .select()
      .single();
    expect(error).toBeNull();
    expect(data).toMatchObject({ user_id: mine.id, body: 'mine', data: { a: [1] }, amount: 1.5 });
    expect(data.created_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/);
    expect((await mine.client.from('notes').select('id')).data).toEqual([{ id: data.id }]);
    expect((await theirs.client.from('notes').select('id')).data).toEqual([]);
    expect((await anonymous().from('notes').select('id')).data).toEqual([]);
    expect((await service().from('notes').select('id').eq('id', data.id)).data).toHaveLength(1);
    const forged = await theirs.client.from('notes').insert({ body: 'x', user_id: mine.id });
    expect([forged.status, forged.error?.code]).toEqual([403, '42501']);
  });

  test('what a migration revoked stays revoked', async () => {
    await anonymous().from('notes').select('id'); // lite as shipped would grant everything now
    expect((await anonymous().from('audit').select()).error?.code).toBe('42501');
    expect((await service().from('audit').select()).error).toBeNull();
  });

  test('other schemas are not exposed', async () => {
    const { error } = await service().schema('private').from('hidden').select();
    expect(error?.code).toBe('PGRST106');
  });

  test('a table made now is found', async () => {
    const sql = client(supabase.databaseUrl);
    await sql.unsafe('create table public.later (id int); grant select on public.later to service_role');
    await sql.end();
    await expect.poll(async () => (await service().from('later').select()).error).toBeNull();
  });

  test('the database’s owner is no superuser', async () => {
    const sql = client(supabase.databaseUrl);
    expect(await sql`select current_user, rolsuper from pg_roles where rolname = current_user`).toEqual([
      { current_user: 'postgres', rolsuper: false },
    ]);
    await sql.end();
  });
});
