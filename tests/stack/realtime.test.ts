import { createClient } from '@supabase/supabase-js';
import type postgres from 'postgres';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { client as connect, databaseUrl } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { fixtureSupabase, signUp, withKey } from './fixtures/project.ts';

// Supabase's own realtime-js, as supabase-js has it, is the judge.

type Client = Awaited<ReturnType<typeof signUp>>['client'];
type Payload = Record<string, unknown> & { new: Record<string, unknown>; old: Record<string, unknown> };

let supabase: RunningSupabase;
let sql: postgres.Sql;
const open: Client[] = [];

beforeAll(async () => {
  supabase = await fixtureSupabase();
  sql = connect(supabase.databaseUrl);
  return async () => {
    await sql.end();
    await supabase.stop();
  };
});

afterEach(async () => {
  for (const client of new Set(open.splice(0))) await client.removeAllChannels();
});

/** What comes, in its order, to be waited for. */
class Heard<T> {
  readonly all: T[] = [];
  #waiting: (() => void)[] = [];

  push = (one: T) => {
    this.all.push(one);
    for (const wake of this.#waiting.splice(0)) wake();
  };

  async first(matches: (one: T) => boolean): Promise<T> {
    for (;;) {
      const found = this.all.find(matches);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async count(n: number): Promise<T[]> {
    while (this.all.length < n) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.all;
  }
}

interface System {
  extension: string;
  status: string;
  message: string;
  channel: string;
}

let topics = 0;

/** A channel on some changes; `system` has what the server says of the subscription. */
function listen(client: Client, ...wanted: Record<string, unknown>[]) {
  const heard = new Heard<Payload>();
  const system = new Heard<System>();
  const status = new Heard<{ status: string; error: Error | undefined }>();
  let channel = client.channel(`topic-${++topics}`);
  for (const one of wanted) {
    channel = channel.on(
      'postgres_changes',
      { schema: 'public', table: 'notes', event: '*', ...one } as never,
      (payload) => heard.push(payload as never),
    );
  }
  channel.on('system', {}, system.push).subscribe((state, error) => status.push({ status: state, error }));
  open.push(client);
  return { heard, system, status, channel };
}

/** The same, from the moment on from which no change is missed. */
async function subscribed(client: Client, ...wanted: Record<string, unknown>[]) {
  const listener = listen(client, ...wanted);
  const { status, message } = await listener.system.first(() => true);
  expect([status, message]).toEqual(['ok', 'Subscribed to PostgreSQL']);
  return listener;
}

const insert = async (user: { id: string }, body: string, amount: number | null = null) => {
  const [row] =
    await sql`insert into notes (user_id, body, amount) values (${user.id}, ${body}, ${amount}) returning id`;
  return Number(row?.id);
};

describe('changes', () => {
  test('inserts, updates and deletions, as the client reads them', async () => {
    const user = await signUp(supabase);
    const { heard, status } = await subscribed(user.client, {});
    expect(status.all).toEqual([{ status: 'SUBSCRIBED', error: undefined }]);
    const [made] = await sql`insert into notes (user_id, body, data, amount)
      values (${user.id}, 'first', '{"a": [1, null]}', 1.5) returning id, created_at::text`;
    await heard.count(1);
    await sql`update notes set body = 'second', amount = null where id = ${made?.id}`;
    await heard.count(2);
    await sql`delete from notes where id = ${made?.id}`;
    const [inserted, updated, deleted] = await heard.count(3);
    const id = Number(made?.id);
    expect(inserted).toMatchObject({
      schema: 'public',
      table: 'notes',
      eventType: 'INSERT',
      errors: null,
      new: { id, user_id: user.id, body: 'first', data: { a: [1, null] }, amount: 1.5 },
      old: {},
    });
    expect(inserted?.commit_timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(inserted?.new.created_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/);
    expect(updated).toMatchObject({
      eventType: 'UPDATE',
      new: { id, body: 'second', amount: null },
      old: { id },
    });
    expect(updated?.old, 'the key alone').toEqual({ id });
    expect(deleted).toMatchObject({ eventType: 'DELETE', new: {}, old: { id } });
  });

  test('one event of them', async () => {
    const user = await signUp(supabase);
    const { heard } = await subscribed(user.client, { event: 'UPDATE' });
    const id = await insert(user, 'one');
    await sql`update notes set body = 'two' where id = ${id}`;
    expect((await heard.count(1))[0]).toMatchObject({ eventType: 'UPDATE', new: { body: 'two' } });
  });

  test('several subscriptions of one channel, each told once', async () => {
    const user = await signUp(supabase);
    const { heard } = await subscribed(
      user.client,
      { filter: 'body=eq.both' },
      { filter: 'amount=gt.5' },
      { event: 'DELETE' },
    );
    await insert(user, 'both', 1);
    await insert(user, 'both', 6);
    await insert(user, 'neither', 2);
    await insert(user, 'last', 7);
    const all = await heard.count(4);
    expect(all.map((one) => [one.new.body, one.new.amount])).toEqual([
      ['both', 1],
      ['both', 6],
      ['both', 6],
      ['last', 7],
    ]);
  });

  test('chosen columns, and the key', async () => {
    const user = await signUp(supabase);
    const { heard } = await subscribed(user.client, { select: ['body'] });
    const id = await insert(user, 'chosen', 3);
    expect((await heard.count(1))[0]?.new).toEqual({ id, body: 'chosen' });
    const { system } = listen(user.client, { select: ['nothing'] });
    expect((await system.first(() => true)).message).toMatch(/invalid column for select nothing/);
  });

  test('one transaction’s in its order, and none of one that was rolled back', async () => {
    const user = await signUp(supabase);
    const { heard } = await subscribed(user.client, {});
    await sql
      .begin(async (transaction) => {
        await transaction`insert into notes (user_id, body) values (${user.id}, 'undone')`;
        throw new Error('undo');
      })
      .catch(() => {});
    await sql`insert into notes (user_id, body) select ${user.id}, 'n' || n from generate_series(1, 250) as n`;
    const all = await heard.count(250);
    expect(all.map((one) => one.new.body)).toEqual(Array.from({ length: 250 }, (_, i) => `n${i + 1}`));
  });

  test('a whole old row where the table keeps it, and only then', async () => {
    await sql`create table public.full (id int primary key, a text, b text)`;
    await sql`grant select on public.full to anon`;
    await sql`alter table public.full replica identity full`;
    await sql`alter publication supabase_realtime add table public.full`;
    const listener = await subscribed(withKey(supabase, supabase.anonKey), { table: 'full' });
    const large = 'x'.repeat(1).padEnd(10_000, Math.random().toString(36));
    await sql`insert into public.full values (1, 'a', ${large})`;
    await sql`update public.full set a = 'A' where id = 1`;
    await sql`delete from public.full where id = 1`;
    const [, updated, deleted] = await listener.heard.count(3);
    expect(updated).toMatchObject({ new: { id: 1, a: 'A', b: large }, old: { id: 1, a: 'a', b: large } });
    expect(deleted?.old, 'no row-level security: all of it').toEqual({ id: 1, a: 'A', b: large });
  });
});

describe('who hears what', () => {
  test('rows are their owner’s', async () => {
    const [mine, theirs] = [await signUp(supabase), await signUp(supabase)];
    const [own, other] = [await subscribed(mine.client, {}), await subscribed(theirs.client, {})];
    const nobody = await subscribed(withKey(supabase, supabase.anonKey), {});
    const service = await subscribed(withKey(supabase, supabase.serviceRoleKey), {});
    await insert(mine, 'mine');
    await insert(theirs, 'theirs');
    await service.heard.count(2);
    expect((await own.heard.count(1)).map((one) => one.new.body)).toEqual(['mine']);
    expect((await other.heard.count(1)).map((one) => one.new.body)).toEqual(['theirs']);
    expect(nobody.heard.all).toEqual([]);
  });

  test('a row that is gone again when its change is read: nobody knows any more who could have read it', async () => {
    const user = await signUp(supabase);
    const { heard } = await subscribed(user.client, {});
    const gone = await sql.begin(async (transaction) => {
      const [row] =
        await transaction`insert into notes (user_id, body) values (${user.id}, 'x') returning id`;
      await transaction`delete from notes where id = ${row?.id}`;
      return Number(row?.id);
    });
    expect((await heard.count(1)).map((one) => [one.eventType, one.old.id])).toEqual([['DELETE', gone]]);
  });

  test('a deletion is told to all, and only its key', async () => {
    const [mine, theirs] = [await signUp(supabase), await signUp(supabase)];
    const id = await insert(mine, 'gone');
    const other = await subscribed(theirs.client, { event: 'DELETE' });
    await sql`delete from notes where id = ${id}`;
    expect((await other.heard.count(1))[0]?.old).toEqual({ id });
  });

  test('columns without a grant are not there, and a key without one is refused', async () => {
    await sql`create table public.partly (id int primary key, shown text, hidden text)`;
    await sql`create table public.unreadable (id int primary key)`;
    await sql`grant select (id, shown) on public.partly to anon`;
    await sql`alter publication supabase_realtime add table public.partly, public.unreadable`;
    const client = withKey(supabase, supabase.anonKey);
    const partly = await subscribed(client, { table: 'partly' });
    const unreadable = await subscribed(client, { table: 'unreadable' });
    await sql`insert into public.partly values (1, 'shown', 'hidden')`;
    await sql`insert into public.unreadable values (1)`;
    expect((await partly.heard.count(1))[0]?.new).toEqual({ id: 1, shown: 'shown' });
    expect((await unreadable.heard.count(1))[0]).toMatchObject({
      new: {},
      errors: ['Error 401: Unauthorized'],
    });
  });
});

describe('filters', () => {
  test.each([
    ['body=eq.b', ['b']],
    ['body=neq.b', ['a', 'c', 'd,"e']],
    ['amount=lt.2', ['a']],
    ['amount=lte.2', ['a', 'b']],
    ['amount=gt.2', ['c']],
    ['amount=gte.2', ['b', 'c']],
    ['body=in.(a,c)', ['a', 'c']],
    ['body=in.("d,\\"e",b)', ['b', 'd,"e']],
    ['body=like.d%', ['d,"e']],
    ['body=ilike.B', ['b']],
    ['body=match.^[ab]$', ['a', 'b']],
    ['amount=is.null', ['d,"e']],
    ['amount=not.is.null', ['a', 'b', 'c']],
    ['amount=isdistinct.1', ['b', 'c', 'd,"e']],
    ['body=not.eq.a', ['b', 'c', 'd,"e']],
    ['amount=gt.1,amount=lt.3', ['b']],
    ['body=eq."d,\\"e"', ['d,"e']],
  ])('%s', async (filter, expected) => {
    const user = await signUp(supabase);
    const { heard } = await subscribed(user.client, { filter }, { filter: 'body=eq.end' });
    await insert(user, 'a', 1);
    await insert(user, 'b', 2);
    await insert(user, 'c', 3);
    await insert(user, 'd,"e', null);
    await insert(user, 'end', -1);
    await heard.first((one) => one.new.body === 'end');
    const bodies = heard.all.map((one) => one.new.body).filter((body) => body !== 'end');
    expect(bodies).toEqual(expected);
  });

  test('of a deletion see what the WAL has of the row', async () => {
    const user = await signUp(supabase);
    const [first, second] = [await insert(user, 'a'), await insert(user, 'a')];
    const byId = await subscribed(user.client, { event: 'DELETE', filter: `id=eq.${second}` });
    const byBody = await subscribed(user.client, { event: 'DELETE', filter: 'body=eq.a' });
    await sql`delete from notes where id in ${sql([first, second])}`;
    expect((await byId.heard.count(1)).map((one) => one.old.id)).toEqual([second]);
    expect(byBody.heard.all, 'the body is not part of the key').toEqual([]);
  });

  test.each([
    [{ filter: 'body=foo.x' }, /^Error parsing `filter` params: \["foo","x"\]$/],
    [{ filter: 'undefined' }, /^Error parsing `filter` params:/],
    [{ filter: 'body=in.a' }, /must be wrapped by parentheses/],
    [{ filter: 'nothing=eq.1' }, /invalid column for filter nothing/],
    [{ filter: 'amount=eq.much' }, /invalid input syntax for type numeric/],
    [
      { table: 'audit' },
      /Please check Realtime is enabled for the given connect parameters: \[.*table: audit/,
    ],
  ])('%j: the client joins, and is told that it hears nothing', async (wanted, message) => {
    const { system, status } = listen(withKey(supabase, supabase.serviceRoleKey), wanted);
    expect(await system.first(() => true)).toMatchObject({
      extension: 'postgres_changes',
      status: 'error',
      message: expect.stringMatching(message),
    });
    expect(status.all.map((one) => one.status)).toEqual(['SUBSCRIBED']);
  });
});

describe('tokens', () => {
  test('a session that begins after the join counts from then on', async () => {
    const { email, password, id } = await signUp(supabase);
    const late = withKey(supabase, supabase.anonKey);
    const { heard, system } = await subscribed(late, {});
    await late.auth.signInWithPassword({ email, password });
    await system.count(2);
    await insert({ id }, 'after');
    expect((await heard.count(1))[0]?.new.body).toBe('after');
  });

  test('one that runs out ends the channel, with a word', async () => {
    const { id } = await signUp(supabase);
    const exp = Math.floor(Date.now() / 1000) + 2;
    const token = signJwt({ role: 'authenticated', sub: id, exp }, supabase.jwtSecret);
    const client = createClient(supabase.url, supabase.anonKey, { accessToken: async () => token });
    await client.realtime.setAuth(); // a join that is sent before the token is known never gets it (2.119.1)
    const { system, status } = await subscribed(client as Client, {});
    expect(await system.first((one) => one.status === 'error')).toMatchObject({
      extension: 'system',
      message: expect.stringMatching(/^Token has expired \d+ seconds ago$/),
    });
    await status.first((one) => one.status === 'CLOSED');
  });

  test.each([
    ['expired', { role: 'authenticated', exp: 1 }, /^InvalidJWTToken: Token has expired/],
    [
      'without an expiry',
      { role: 'authenticated' },
      /^InvalidJWTToken: Fields `role` and `exp` are required/,
    ],
  ])('a join with one that is %s is refused', async (_, claims, reason) => {
    const client = createClient(supabase.url, supabase.anonKey, {
      accessToken: async () => signJwt(claims, supabase.jwtSecret),
    });
    await client.realtime.setAuth();
    const { status } = listen(client as Client, {});
    const { error } = await status.first((one) => one.status === 'CHANNEL_ERROR');
    expect(error?.message).toMatch(reason);
  });

  test('a private channel is refused: nobody has rights on one', async () => {
    const client = withKey(supabase, supabase.anonKey);
    const channel = client.channel('secret', { config: { private: true } });
    const error = await new Promise<Error | undefined>((resolve) => {
      channel.subscribe((status, why) => status === 'CHANNEL_ERROR' && resolve(why));
    });
    await client.removeAllChannels();
    expect(error?.message).toMatch(/^Unauthorized: You do not have permissions/);
  });

  test('keys of today and legacy ones open the socket; others and none are 401', async () => {
    for (const key of [supabase.publishableKey, supabase.anonKey]) {
      const user = withKey(supabase, key);
      await subscribed(user, {});
    }
    const refused = async (query: string) => {
      const socket = new WebSocket(`${supabase.url.replace('http', 'ws')}/realtime/v1/websocket${query}`);
      return new Promise((resolve) => {
        socket.on('unexpected-response', (_, answer) => resolve(answer.statusCode));
        socket.on('error', () => {});
      });
    };
    expect(await refused('?vsn=2.0.0')).toBe(401);
    expect(await refused('?vsn=2.0.0&apikey=sb_publishable_wrong')).toBe(401);
    expect(await refused(`?vsn=3.0.0&apikey=${supabase.anonKey}`)).toBe(404);
  });
});

describe('the protocol', () => {
  test('version 1.0.0, as older clients speak it', async () => {
    const user = await signUp(supabase);
    const older = createClient(supabase.url, supabase.anonKey, {
      realtime: { vsn: '1.0.0' },
      accessToken: async () => user.token,
    });
    await older.realtime.setAuth();
    const { heard } = await subscribed(older as Client, {});
    await insert(user, 'as before');
    expect((await heard.count(1))[0]?.new.body).toBe('as before');
  });

  test('heartbeats are answered', async () => {
    const client = withKey(supabase, supabase.anonKey);
    const beats = new Heard<string>();
    client.realtime.onHeartbeat((status) => beats.push(status));
    await subscribed(client, {});
    await client.realtime.sendHeartbeat();
    expect(await beats.first((one) => one !== 'sent')).toBe('ok');
  });

  test('who has left hears nothing more and leaves no subscription', async () => {
    const user = await signUp(supabase);
    const { heard, channel } = await subscribed(user.client, {});
    const rows = () => sql`select from realtime.subscription where claims ->> 'sub' = ${user.id}`;
    expect(await rows()).toHaveLength(1);
    const stays = await subscribed(user.client, { event: 'INSERT' });
    expect(await user.client.removeChannel(channel)).toBe('ok');
    await insert(user, 'late');
    await stays.heard.count(1);
    expect(heard.all).toEqual([]);
    expect(await rows()).toHaveLength(1);
  });

  test('a lost database session: the client is subscribed again by itself', async () => {
    const user = await signUp(supabase);
    const { heard, system } = await subscribed(user.client, {});
    const url = new URL(supabase.databaseUrl);
    const superuser = connect(databaseUrl(supabase.databaseUrl, url.pathname.slice(1), 'supabase_admin'));
    await superuser`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'realtime' and datname = current_database()`;
    await superuser.end();
    await system.count(2);
    await insert(user, 'again');
    expect((await heard.first((one) => one.new.body === 'again')).eventType).toBe('INSERT');
  });

  test('without clients there is no connection and no slot', async () => {
    const client = withKey(supabase, supabase.anonKey);
    await subscribed(client, {});
    const slots = () => sql`select from pg_replication_slots where database = current_database()`;
    expect(await slots()).toHaveLength(1);
    await client.removeAllChannels();
    await expect.poll(slots).toHaveLength(0);
  });
});
