import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, test } from 'vitest';
import { expectFlat, Meter } from './flat.ts';
import { Database } from './support.ts';
import { ofUser } from './worker.ts';

// What a step costs must not depend on how much there is: of what waits, of what has ended, of users and their
// backlogs.

/** FLAT_SCALE=10 fills in ten times as much: a million waiting jobs, three million finished ones, a million blocked ones of one user. */
const SCALE = Number(process.env.FLAT_SCALE ?? 1);

const db = await Database.open();
const meter = await Meter.open(db);
afterAll(() => meter.close());
afterEach(() => db.clear());

/** Pages by which deeper trees may cost a job more: a level for some of its indexes. */
const DEEPER = 6;

const COLUMNS =
  'id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts, job_type, payload';
const values = (at = 'now()') =>
  `gen_random_uuid(), nextval('private.job_seq'), now(), ${at}, 0, 0, 0, 3, 'work', '{}'`;

async function base() {
  await meter.enqueue(1_000);
  const costs = await meter.steps();
  await db.clear();
  return costs;
}

test('steps cost the same beside many waiting, scheduled and finished jobs', async () => {
  const before = await base();
  await db.sql.unsafe(`
    insert into private.ready_jobs (${COLUMNS}, virtual_time, slot)
    select ${values()}, (extract(epoch from now()) * 1000000)::bigint + n, false
    from generate_series(1, ${100_000 * SCALE}) as n`);
  await db.sql.unsafe(`
    insert into private.scheduled_jobs (${COLUMNS})
    select ${values("now() + n * interval '1 second' + interval '1 day'")} from generate_series(1, ${20_000 * SCALE}) as n`);
  await db.sql.unsafe(`
    insert into private.finished_jobs (${COLUMNS}, fair_key, started_at, completed_at, status)
    select ${values()}, gen_random_uuid(), now(), now() - n * interval '0.1 second', 'completed'
    from generate_series(1, ${300_000 * SCALE}) as n`);
  await db.sql`analyze`;
  await meter.enqueue(1_000);
  const after = await meter.steps();
  console.info('pages:', { before, after });
  expectFlat(after, before, DEEPER, 'A step reads jobs that are none of its own: it needs an index');
}, 600_000);

test('steps cost the same with many users waiting, and many more known', async () => {
  const before = await base();
  await db.sql.unsafe(`
    insert into private.user_slots (fair_key, job_type, taken)
    select gen_random_uuid(), 'work', 0 from generate_series(1, ${100_000 * SCALE})`);
  await meter.enqueue(20_000, (n) =>
    ofUser(`00000000-0000-4000-8000-${String(n % 10_000).padStart(12, '0')}`),
  );
  await db.sql`analyze`;
  await meter.enqueue(1_000);
  const after = await meter.steps();
  console.info('pages:', { before, after });
  expectFlat(after, before, DEEPER, 'A step reads what belongs to other users: it needs an index');
}, 600_000);

test('steps cost the same for a user with many blocked jobs', async () => {
  const user = randomUUID();
  const mine = () => ofUser(user);
  await meter.enqueue(1_000);
  await meter.enqueue(100, mine);
  const before = await meter.steps('work', mine);
  await db.sql.unsafe(`
    insert into private.blocked_jobs (${COLUMNS}, fair_key)
    select ${values()}, '${user}' from generate_series(1, ${100_000 * SCALE})`);
  await db.sql`analyze`;
  await meter.enqueue(1_000);
  const after = await meter.steps('work', mine);
  console.info('pages:', { before, after });
  expectFlat(after, before, DEEPER, "A step reads more of a user's blocked jobs than the first");
}, 600_000);

const MANY = 1_000;
const KINDS: Record<string, (n: number) => object> = {
  'of as many types': (n) => ({ job_type: `type-${n % MANY}` }),
  'of as many priorities': (n) => ({ priority: (n % MANY) - MANY / 2 }),
  'of as many types and priorities': (n) => ({
    job_type: `type-${n % MANY}`,
    priority: (n % MANY) - MANY / 2,
  }),
};

for (const types of [null, 'work'])
  test.each(Object.keys(KINDS))(
    `steps for ${types ?? 'all'} cost the same with jobs of 1,000 queues, %s`,
    async (kind) => {
      const more = KINDS[kind] as (n: number) => object;
      await meter.enqueue(1_000);
      const before = await meter.steps(types);
      await db.clear();
      await meter.enqueue(2 * MANY, (n) => ({ ...more(n), ...ofUser(meter.user()) }));
      // Each user has a row for this type: the first job of one makes it.
      await meter.enqueue(types ? 1_000 : 100);
      await meter.settle();
      const busy = await meter.steps(types);
      // The queues stay.
      await db.clear();
      await meter.enqueue(1_000);
      await meter.settle();
      const idle = await meter.steps(types);
      await db.clear();
      await db.sql`delete from private.ready_queues where job_type in ('work', 'generate-image') or job_type like 'type-%'`;
      console.info(`pages with 1,000 queues ${kind}:`, { before, busy, idle });
      expectFlat(busy, before, DEEPER, 'A claim looks at each queue that has jobs');
      expectFlat(idle, before, DEEPER, 'A claim looks at each queue that has had jobs');
    },
    600_000,
  );
