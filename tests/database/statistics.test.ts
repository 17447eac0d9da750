import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, expect, test } from 'vitest';
import { allBlocks, type Node } from './explain.ts';
import { Database } from './support.ts';
import { array, jobs, type Leased, ofUser, Worker } from './worker.ts';

// What a step of the queue costs must not depend on what the statistics happen to say. They are of some moment:
// an ANALYZE while nothing runs makes every index of running jobs look empty and free, and where a query may be
// answered from two such indexes, the planner then takes whichever, were it full of what an old snapshot keeps.
// The functions are called as workers call them, in every state of the statistics; pages alone are counted.

/** Plans are made anew for the first five calls of a session, and kept from then on: both kinds are measured. */
const CALLS = 8;
const KEPT = 5;

const db = await Database.open();
// Statistics change when this test says so.
for (const { name } of await db.sql<{ name: string }[]>`
  select oid::regclass::text as name from pg_class
  where relkind = 'r' and relnamespace in ('public'::regnamespace, 'private'::regnamespace)`)
  await db.sql.unsafe(`alter table ${name} set (autovacuum_enabled = off)`);
const superuser = postgres(db.superuserUrl, { max: 1, onnotice: () => {} });
afterAll(() => superuser.end());

const worker = await Worker.open(db);

interface Call {
  text: string;
  /** Who is signed in; the service where nobody is. */
  user?: string;
}

interface Step {
  name: string;
  /** Brings about what so many calls of it need, and answers the calls. */
  prepare: (count: number) => Promise<Call[]>;
}

const repeat = (text: string, count: number): Call[] => Array.from({ length: count }, () => ({ text }));

const each = (prepare: (n: number) => Promise<string | Call>) => async (count: number) => {
  const calls: Call[] = [];
  for (let n = 0; n < count; n++) {
    const call = await prepare(n);
    calls.push(typeof call === 'string' ? { text: call } : call);
  }
  return calls;
};

const STEPS: Step[] = [
  {
    name: 'a claim with nothing to claim',
    prepare: async (count) => {
      await worker.drain();
      return repeat('select id from public.claim_jobs(10, 3600)', count);
    },
  },
  {
    name: 'a claim of ten',
    prepare: async (count) => {
      await worker.enqueue(jobs(count * 10 + 100, (n) => (n % 2 ? ofUser(worker.userOf(n >> 1)) : {})));
      return repeat('select id from public.claim_jobs(10, 3600)', count);
    },
  },
  {
    name: 'a claim of one type',
    prepare: async (count) => {
      await worker.enqueue(jobs(count * 10));
      return repeat("select id from public.claim_jobs(10, 3600, '{work}')", count);
    },
  },
  {
    name: 'a claim that takes a lost job over',
    prepare: async (count) => {
      await worker.enqueue(jobs(count));
      await worker.claim(count, 'work', 1);
      await worker.until(new Date(Date.now() + 1_100));
      return repeat('select id from public.claim_jobs(1, 3600)', count);
    },
  },
  {
    name: 'a claim that makes a job ready that is due',
    prepare: async (count) => {
      const at = (n: number) => new Date(Date.now() + 500 + n);
      await worker.enqueue(jobs(count, (n) => ({ scheduled_at: at(n) })));
      await worker.until(at(count));
      return repeat('select id from public.claim_jobs(1, 3600)', count);
    },
  },
  {
    name: 'a claim that cancels what has expired',
    prepare: async (count) => {
      await worker.drain();
      for (let n = 0; n < count; n++) await db.start(await worker.newUser(), { expires_in: 1 });
      await worker.until(new Date(Date.now() + 1_100));
      return repeat('select id from public.claim_jobs(1, 3600)', count);
    },
  },
  {
    name: 'enqueue of one',
    prepare: each(
      async (n) => `select public.enqueue_job('work', '${JSON.stringify(ofUser(worker.userOf(n)).payload)}')`,
    ),
  },
  {
    name: 'enqueue of ten',
    prepare: each(
      async (n) => `select public.enqueue_jobs('${jobs(10, (i) => ofUser(worker.userOf(n + i)))}')`,
    ),
  },
  {
    name: 'completion of one',
    prepare: each(async () => {
      const [job] = (await worker.running()) as [Leased];
      return `select public.complete_job('${job.id}'::uuid, ${job.lease}::bigint)`;
    }),
  },
  {
    name: 'completion of ten',
    prepare: each(async () => {
      await worker.drain();
      const user = await worker.newUser();
      await worker.enqueue(jobs(20, (n) => (n < 10 ? ofUser(user) : {})));
      const leased = await worker.claim(10);
      expect(leased.length).toBe(10);
      return `select public.complete_jobs(${array(leased, 'id', 'uuid')}, ${array(leased, 'lease', 'bigint')})`;
    }),
  },
  {
    name: 'an error that is tried again',
    prepare: each(async () => {
      const [job] = (await worker.running()) as [Leased];
      return `select public.fail_job('${job.id}', ${job.lease}, 'No.', '{}', 3600)`;
    }),
  },
  {
    name: 'an error for good',
    prepare: each(async () => {
      const [job] = (await worker.running()) as [Leased];
      return `select public.fail_job('${job.id}', ${job.lease}, 'No.')`;
    }),
  },
  {
    name: 'a job put off',
    prepare: each(async () => {
      const [job] = (await worker.running()) as [Leased];
      return `select public.snooze_job('${job.id}', ${job.lease}, 3600)`;
    }),
  },
  {
    name: 'a longer lease',
    prepare: each(async () => {
      const [job] = (await worker.running()) as [Leased];
      return `select public.extend_lease('${job.id}', ${job.lease}, 3600)`;
    }),
  },
  {
    name: 'a start',
    prepare: each(async () => ({
      text: `select public.start_generation('{"prompt": "a gull", "model_id": "test/painter"}')`,
      user: await worker.newUser(),
    })),
  },
  {
    name: 'a prediction recorded',
    prepare: each(async () => {
      const job = await worker.making();
      return `select public.record_prediction('${job.id}', ${job.lease}, 'p-${job.id}', 60)`;
    }),
  },
  {
    name: 'a prediction that has ended',
    prepare: each(async () => {
      const { id } = await worker.predicted();
      return `select public.finish_prediction('${id}', 'p-${id}',
        '{"status": "succeeded", "output_url": "https://x.example/a"}')`;
    }),
  },
  {
    name: 'a picture stored',
    prepare: each(async () => {
      const { id } = await worker.predicted();
      await worker.service(`select public.finish_prediction('${id}', 'p-${id}',
        '{"status": "succeeded", "output_url": "https://x.example/a"}')`);
      const [download] = await worker.service<Leased>(
        `select d.id, d.lease from public.job_queue as d
        join public.job_queue as j on j.generation_id = d.generation_id
        where j.id = '${id}' and d.job_type = 'download-image' and d.status = 'processing'`,
      );
      return `select public.finish_download('${download?.id}', ${download?.lease},
        '{"storage_path": "${randomUUID()}", "public_url": "https://x.example/a", "format": "webp"}')`;
    }),
  },
  {
    name: 'a cancellation',
    prepare: each(async () => {
      const user = await worker.newUser();
      const { generation_id } = await db.start(user);
      return { text: `select public.cancel_generation('${generation_id}')`, user };
    }),
  },
];

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] as number;

/** Pages of each step: the middle of the first calls but one, which reads the catalogue, or of the later ones. */
async function measure(): Promise<Map<string, number>> {
  const pages = new Map<string, number>();
  for (const { name, prepare } of STEPS) {
    const calls = await prepare(CALLS);
    // Plans that were made for other statistics are none of this state's.
    const sql = postgres(db.superuserUrl, { max: 1, onnotice: () => {} });
    const costs: number[] = [];
    try {
      for (const { text, user } of calls) {
        const role = user ? 'authenticated' : 'service_role';
        const claims = JSON.stringify({ role, sub: user });
        await sql`select set_config('role', ${role}, false), set_config('request.jwt.claims', ${claims}, false)`;
        const [row] = await sql.unsafe<{ 'QUERY PLAN': [{ Plan: Node }] }[]>(
          `explain (analyze, buffers, format json) ${text}`,
        );
        costs.push(allBlocks([row?.['QUERY PLAN'][0].Plan as Node]));
      }
    } finally {
      await sql.end();
    }
    pages.set(name, Math.max(median(costs.slice(1, KEPT)), median(costs.slice(KEPT))));
  }
  await worker.drain();
  return pages;
}

/**
 * A step costs what it costs with other statistics, but for a level of a tree, a page that is split, and entries of
 * jobs just gone. A wrong index is read whole: that is pages by the thousand jobs.
 */
function expectSame(
  pages: Map<string, number>,
  before: Map<string, number>,
  state: string,
  more = 100,
): void {
  const wrong = [...pages].flatMap(([name, cost]) => {
    const other = before.get(name) as number;
    return cost > other * 1.5 + more ? [`${name}: ${cost} pages, otherwise ${other}`] : [];
  });
  expect(wrong, state).toEqual([]);
}

async function wait(count: number, more: (n: number) => object = () => ({})): Promise<void> {
  for (let n = 0; n < count; n += 1_000) await worker.enqueue(jobs(1_000, more));
}
const ofSome = (n: number) => (n % 4 ? {} : ofUser(worker.userOf(n >> 2)));

async function empty(): Promise<void> {
  await worker.endAll();
  await worker.service('select public.prune_jobs(0, 0, 100000)');
  const [row] = await db.sql`select count(*)::int as jobs from public.job_queue`;
  expect(row?.jobs).toBe(0);
}

/** As after a restore, which brings rows and no statistics. */
const forgetStatistics = () =>
  superuser.begin(async (sql) => {
    await sql`delete from pg_statistic where starelid in (
      select oid from pg_class where relnamespace in ('public'::regnamespace, 'private'::regnamespace))`;
    await sql`update pg_class set reltuples = -1, relpages = 0, relallvisible = 0
      where relnamespace in ('public'::regnamespace, 'private'::regnamespace) and relkind in ('r', 'i')`;
  });

test('steps cost the same whatever the statistics say', async () => {
  const fresh = await measure();
  console.info('pages of each step:', Object.fromEntries(fresh));

  await wait(5_000, ofSome);
  await db.sql`analyze`;
  expectSame(await measure(), fresh, 'analyzed while all wait');
  await worker.endAll();
  await db.sql`analyze`;
  expectSame(await measure(), fresh, 'analyzed when all have ended');

  await empty();
  await db.sql`vacuum analyze`;
  await wait(5_000, ofSome);
  expectSame(await measure(), fresh, 'emptied, analyzed and filled again');
  await wait(1_000, ofSome);
  await forgetStatistics();
  expectSame(await measure(), fresh, 'restored');
}, 300_000);

test('nor under a held transaction, after 15,000 jobs have passed', async () => {
  await empty();
  await db.sql`vacuum analyze`;
  const holder = postgres(db.superuserUrl, { max: 1 });
  try {
    await holder.unsafe('begin isolation level repeatable read; select count(*) from public.job_queue');
    await wait(15_000);
    await worker.drain();
    const before = await measure();
    await worker.endAll();
    await db.sql`analyze`;
    expectSame(await measure(), before, 'under a held transaction, analyzed while nothing runs', 300);
  } finally {
    await holder.end();
  }
}, 300_000);
