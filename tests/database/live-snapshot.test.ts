import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { allBlocks, expectBounded, type Node, nodes, Watcher } from './explain.ts';
import { fillReady, JOB_TABLES } from './fill.ts';
import { Database } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

interface State {
  generation_id: string;
  status: string;
  queue_position: number | null;
  estimated_seconds: number | null;
  seq: number;
}
interface Snapshot {
  states: State[];
  open: number;
}

const snapshot = (user: string, more: Record<string, unknown> = {}) =>
  db.service<Snapshot>('live_snapshot', { p_user_id: user, ...more });
const ids = ({ states }: Snapshot) => states.map((state) => state.generation_id);
const cancel = (user: string, id: string) => db.callAs(user, 'cancel_generation', { p_generation_id: id });
const start = async (user: string, request = {}) => (await db.start(user, request)).generation_id;
const unlimited = () => db.createUser({ requests_per_minute: null, images_per_day: null });

/** Since when somebody else has been told, in seconds from now; undefined: nobody listens. */
async function listensFor(user: string): Promise<number | undefined> {
  const [row] = await db.sql<{ seconds: number }[]>`
    select round(extract(epoch from until - now()))::int as seconds from private.live_listeners where user_id = ${user}`;
  return row?.seconds;
}

describe('the states to begin with', () => {
  test('are the open generations, the one that changed last at the end', async () => {
    const [user, stranger] = [await db.createUser(), await db.createUser()];
    const [first, second, third] = [await start(user), await start(user), await start(user)];
    await start(stranger);
    await cancel(user, second);
    const job = await db.claim(1);
    await db.service('record_prediction', {
      p_job_id: job[0]?.id,
      p_lease: job[0]?.lease,
      p_prediction_id: 'p1',
      p_wait_seconds: 300,
    });
    const seen = await snapshot(user);
    expect(ids(seen)).toEqual([third, first]);
    expect(seen).toMatchObject({ open: 2, states: [{ status: 'queued' }, { status: 'processing' }] });
    expect(await snapshot(await db.createUser()), 'of a user without any').toEqual({ states: [], open: 0 });
    expect(await snapshot(randomUUID()), 'of nobody').toEqual({ states: [], open: 0 });
  });

  test('with a number seen, also what has ended since', async () => {
    const user = await unlimited();
    const [before, since, open] = [await start(user), await start(user), await start(user)];
    for (const id of [before, since]) await cancel(user, id);
    const seq = Number((await db.generation(since)).seq);
    await db.sql`update public.image_generations set completed_at = now() - interval '2 minutes' where id = ${before}`;
    expect(ids(await snapshot(user, { p_since: seq }))).toEqual([open, since]);
    expect(ids(await snapshot(user, { p_since: 0 })), 'all there is').toEqual([open, before, since]);
    for (const nonsense of ['9223372036854775807', '-9223372036854775808'])
      expect((await snapshot(user, { p_since: nonsense })).open, nonsense).toBe(1);
  });

  test('are at most 200 open ones, the oldest, and the 100 that ended last', async () => {
    const user = await unlimited();
    const id = await start(user);
    // Written straight into the state they would have come to.
    await db.sql`insert into public.image_generations (user_id, prompt, status, created_at, completed_at)
      select ${user}, n::text, case when n > 0 then 'completed' else 'pending' end, now() + n * interval '1 second',
        case when n > 0 then now() + n * interval '1 second' end
      from generate_series(-250, 150) as n`;
    const { states, open } = await snapshot(user, { p_since: 0 });
    expect({ open, states: states.length }).toEqual({ open: 200, states: 300 });
    const prompts = await db.sql<{ status: string; least: number; most: number }[]>`
      select status, min(prompt::int) as least, max(prompt::int) as most from public.image_generations
      where id = any(${states.map((state) => state.generation_id)}::uuid[]) group by status order by status`;
    expect([...prompts]).toEqual([
      { status: 'completed', least: 51, most: 150 },
      { status: 'pending', least: -250, most: -51 },
    ]);
    expect(states.map((state) => state.generation_id)).not.toContain(id);
  });

  test('of one generation: in whatever state, and only its owner’s', async () => {
    const [user, stranger] = [await db.createUser(), await db.createUser()];
    const id = await start(user);
    expect(await snapshot(user, { p_generation_id: id })).toMatchObject({
      open: 1,
      states: [{ generation_id: id }],
    });
    await cancel(user, id);
    expect(await snapshot(user, { p_generation_id: id })).toMatchObject({
      open: 0,
      states: [{ status: 'cancelled' }],
    });
    for (const [who, which] of [[stranger, id] as const, [user, randomUUID()] as const])
      expect(await snapshot(who, { p_generation_id: which })).toEqual({ states: [], open: 0 });
  });

  test('have the positions and the times that get_generation gives', async () => {
    const [user, other] = [await db.createUser({ running_jobs: 4 }), await unlimited()];
    for (const priority of ['low', 'normal', 'high', 'normal', 'low', 'normal', 'high']) {
      await start(other, { priority });
      await start(user, { priority });
    }
    await start(user, { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() });
    for (const job of (await db.claim(2)).slice(0, 1))
      await db.service('record_prediction', {
        p_job_id: job.id,
        p_lease: job.lease,
        p_prediction_id: 'p1',
        p_wait_seconds: 300,
      });
    for (const who of [user, other]) {
      const { states } = await snapshot(who);
      expect(states.length).toBeGreaterThanOrEqual(7);
      for (const state of states) {
        const { generation_id: p_generation_id, status, queue_position } = state;
        const seen = await db.callAs<State>(who, 'get_generation', { p_generation_id });
        expect({ status, queue_position }, JSON.stringify(state)).toEqual({
          status: seen.status,
          queue_position: seen.queue_position,
        });
        // Time runs down between the two.
        expect(
          (state.estimated_seconds ?? 0) - (seen.estimated_seconds ?? 0),
          JSON.stringify(state),
        ).toBeOneOf([0, 1]);
      }
    }
    const positions = (await snapshot(user)).states.map((state) => state.queue_position);
    expect(new Set(positions.filter(Boolean)).size, 'ready and blocked ones have one').toBeGreaterThan(4);
  });

  test('count a position up to 1,000, ready and blocked', async () => {
    const user = await db.createUser({ running_jobs: 1 });
    await fillReady(db, 2_000);
    for (let n = 0; n < 3; n++) await start(user);
    expect((await snapshot(user)).states.map((state) => state.queue_position)).toEqual([1000, 1000, 1000]);
  });
});

describe('who is listened to', () => {
  test('for as long as the longest has asked for', async () => {
    const user = await db.createUser();
    await snapshot(user);
    expect(await listensFor(user), 'only looked').toBeUndefined();
    await snapshot(user, { p_listen_seconds: 3600 });
    await snapshot(user, { p_listen_seconds: 60 });
    expect(await listensFor(user)).toBeOneOf([3599, 3600]);
    await snapshot(user, { p_listen_seconds: 2_000_000_000 });
    expect(await listensFor(user), 'a day at most').toBeOneOf([86399, 86400]);
  });

  test('nobody because of a generation that is another’s, has ended, or of a user that is gone', async () => {
    const [user, stranger] = [await db.createUser(), await db.createUser()];
    const id = await start(user);
    await snapshot(stranger, { p_generation_id: id, p_listen_seconds: 60 });
    expect(await listensFor(stranger)).toBeUndefined();
    await cancel(user, id);
    await snapshot(user, { p_generation_id: id, p_listen_seconds: 60 });
    expect(await listensFor(user)).toBeUndefined();
    const gone = randomUUID();
    await snapshot(gone, { p_listen_seconds: 60 });
    expect(await listensFor(gone)).toBeUndefined();
  });

  test('until the time is over, then the cron removes the row; a deleted user’s goes with the user', async () => {
    const [over, here, deleted] = [await db.createUser(), await db.createUser(), await db.createUser()];
    for (const user of [over, here, deleted]) await snapshot(user, { p_listen_seconds: 60 });
    await db.sql`update private.live_listeners set until = now() - interval '1 second' where user_id = ${over}`;
    await db.sql`delete from auth.users where id = ${deleted}`;
    await db.service('prune_jobs');
    expect([await listensFor(over), await listensFor(deleted)]).toEqual([undefined, undefined]);
    expect(await listensFor(here)).toBeDefined();
  });
});

describe('over a long history, a long queue and many listeners', async () => {
  const watcher = await Watcher.open(db);
  let user: string;
  let look: string;

  beforeEach(async () => {
    user = await unlimited();
    look = `select public.live_snapshot('${user}', null, 0, 60)`;
    // This connection's plans are made on empty tables and kept.
    for (let n = 0; n < 12; n++) await watcher.sql.unsafe(look);
    const first = await start(user);
    await watcher.sql.unsafe(`update public.image_generations set progress = 1 where id = '${first}'`);
    await db.sql`insert into public.image_generations (user_id, prompt, status, completed_at)
      select ${user}, 'x', 'completed', now() - n * interval '1 second' from generate_series(1, 30000) as n`;
    await fillReady(db, 30_000);
    for (let n = 0; n < 6; n++) await start(user);
    await db.sql`with users as (insert into auth.users (id) select gen_random_uuid() from generate_series(1, 3000) returning id)
      insert into private.live_listeners select id, now() + interval '1 hour' from users`;
  });

  /** Every scan of a table that grows is by an index, and gives so many rows at most. */
  function expectIndexed(tops: Node[], table: string, rows: number): void {
    const scans = tops.flatMap(nodes).filter((node) => node['Relation Name'] === table);
    expect(scans.length, `${table} is looked at`).toBeGreaterThan(0);
    for (const scan of scans) {
      const what = JSON.stringify(scan);
      if (scan['Node Type'] === 'ModifyTable') continue;
      expect(scan['Node Type'], what).toMatch(/^(Index|Bitmap)/);
      expect(scan['Actual Rows'] * scan['Actual Loops'], what).toBeLessThanOrEqual(rows);
    }
  }

  test('a snapshot reads what it gives, and 999 rows of the queue', async () => {
    const check = async () => {
      const tops = await watcher.plansOf(look);
      expectBounded(tops, 1_000);
      expectIndexed(tops, 'image_generations', 107);
      return allBlocks(tops);
    };
    const stale = await check();
    await db.sql`vacuum analyze public.image_generations`;
    await db.sql.unsafe(`vacuum analyze ${JOB_TABLES}`);
    const fresh = await check();
    console.info('pages of a snapshot of 107 generations: with old statistics, with new:', stale, fresh);
  });

  test('a change looks its listener up by the key', async () => {
    const [row] =
      await db.sql`select id from public.image_generations where user_id = ${user} and progress = 0
      and completed_at is null limit 1`;
    const tops = await watcher.plansOf(`begin;
      update public.image_generations set status = 'processing', progress = 10 where id = '${row?.id}';
      select private.with_changes('{}'); commit`);
    expectIndexed(tops, 'live_listeners', 1);
    expectIndexed(tops, 'image_generations', 1);
  });
});
