import net from 'node:net';
import type { SupabaseClient } from '@supabase/supabase-js';
import { beforeAll, expect, inject, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { fixtureSupabase, withKey } from './fixtures/project.ts';

/** Connections end under the gateway, on every side of it: the next request works. */

let supabase: RunningSupabase;
let service: SupabaseClient;

beforeAll(async () => {
  supabase = await fixtureSupabase();
  service = withKey(supabase, supabase.secretKey);
  return supabase.stop;
});

/** Ends the connections to the database, idle or not. */
async function cut(application = '%'): Promise<number> {
  const database = new URL(supabase.databaseUrl).pathname.slice(1);
  const sql = client(inject('postgresUrl')); // others' may be ended by a superuser only
  const rows = await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = ${database} and application_name like ${application}`;
  await sql.end();
  return rows.length;
}

const add = async () => (await service.rpc('add', { a: 1 })).data;
const everything = async () => {
  const user = withKey(supabase, supabase.publishableKey);
  const email = `${crypto.randomUUID()}@example.com`;
  return Promise.all([
    ...Array.from({ length: 10 }, add),
    service
      .from('notes')
      .select()
      .then(({ status }) => status),
    service.storage
      .from('open')
      .upload(`${email}.txt`, Buffer.from('x'))
      .then(({ error }) => error),
    user.auth.signUp({ email, password: 'correct-horse-battery' }).then(({ error }) => error),
  ]);
};
const WELL = [...Array.from({ length: 10 }, () => 11), 200, null, null];

test('idle connections to Postgres that are cut', async () => {
  expect(await everything()).toEqual(WELL);
  for (let n = 0; n < 5; n += 1) {
    expect(await cut()).toBeGreaterThan(0);
    expect(await everything()).toEqual(WELL);
  }
});

test('a statement under way when its connection is cut is 503, and the next one works', async () => {
  const sql = client(supabase.databaseUrl);
  await sql.unsafe(`create function public.waits() returns void language sql as 'select pg_sleep(5)'`);
  const waiting = service.rpc('waits');
  const waits = () =>
    sql`select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`;
  const [answer] = await Promise.all([
    waiting,
    expect
      .poll(async () => (await waits()).length)
      .toBe(1)
      .then(() => cut('postgrest')),
  ]);
  expect(answer.status).toBe(503);
  await sql.end();
  expect(await everything()).toEqual(WELL);
});

test('callers that leave in the middle of a request, and answers that break off', async () => {
  const { host, hostname, port } = new URL(supabase.url);
  for (let n = 0; n < 20; n += 1) {
    const socket = net.connect(Number(port), hostname);
    const head = `POST /storage/v1/object/open/left-${n}.txt HTTP/1.1\r\nHost: ${host}\r\n`;
    socket.write(`${head}apikey: ${supabase.secretKey}\r\nContent-Length: 1000\r\n\r\nx`);
    await new Promise((resolve) => socket.once('ready', resolve));
    socket.resetAndDestroy();
  }
  supabase.faults.set([{ match: { times: 5 }, fault: { drop: 'midway' } }]);
  await Promise.allSettled(Array.from({ length: 5 }, add));
  expect(supabase.faults.list()[0]?.applied).toBe(5);
  expect(await everything()).toEqual(WELL);
  expect((await service.storage.from('open').list('left')).data).toEqual([]);
});
