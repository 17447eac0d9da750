import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, expect, test } from 'vitest';
import { type Costs, expectFlat, Meter } from './flat.ts';
import { expectSlotsRight } from './slots.ts';
import { Database } from './support.ts';
import { ofUser } from './worker.ts';

// An old snapshot keeps whatever has died since: versions of each row that is updated, and entries at the front of
// each index that is read from there. What a step costs must not grow with them.

/** Jobs that pass, a fifth of them of each of two users; FLAT_SCALE=16 plays 200,000. */
const PASSING = 12_500 * Number(process.env.FLAT_SCALE ?? 1);
const BATCH = 25;
/**
 * Pages for a job that are allowed besides: versions and a user's marks rise now and then, by chance, and what has died
 * since is met. What is not flat reads hundreds.
 */
const JUST_DIED = 24;
/** The same for a claim, whose marks rise once a second. */
const JUST_DIED_CLAIM = 30;

const db = await Database.open();
const meter = await Meter.open(db);
afterAll(() => meter.close());

/** In transactions as workers make them: of 25 jobs five are of one user, one by one, and five of one with a backlog. */
async function pass(prompt: string, patient: string): Promise<void> {
  const jobs = Array.from({ length: BATCH - 5 }, (_, n) => ({
    job_type: 'work',
    ...(n < 5 ? ofUser(patient) : {}),
  }));
  const one = JSON.stringify(ofUser(prompt).payload);
  // Counts of dead rows are told between the statements of a session.
  for (let passed = 0; passed < PASSING; passed += BATCH * 50)
    await meter.run(`
      do $$ declare v_jobs record; begin
        for v_time in 1..50 loop
          perform public.enqueue_jobs('${JSON.stringify(jobs)}');
          commit;
          select array_agg(id) as ids, array_agg(lease) as leases into v_jobs
          from public.claim_jobs(${jobs.length}, 3600, '{work}');
          commit;
          perform public.complete_jobs(v_jobs.ids, v_jobs.leases);
          commit;
          for v_one in 1..5 loop
            perform public.enqueue_job('prompt', '${one}');
            commit;
            select id, lease into v_jobs from public.claim_jobs(1, 3600, '{prompt}');
            commit;
            perform public.complete_job(v_jobs.id, v_jobs.lease);
            commit;
          end loop;
        end loop;
      end $$`);
}

function expectFlatSteps(costs: Costs, base: Costs): void {
  const claims = (of: Costs) => Object.fromEntries(Object.entries(of).filter(([step]) => /claim/.test(step)));
  const others = (of: Costs) =>
    Object.fromEntries(Object.entries(of).filter(([step]) => !/claim/.test(step)));
  const mend =
    'A step reads what has died, as much as there is of it: it needs a mark or a version (decision 0013)';
  expectFlat(others(costs), others(base), JUST_DIED, mend);
  expectFlat(claims(costs), claims(base), JUST_DIED_CLAIM, mend);
}

test('steps cost the same under an old snapshot, after many jobs have passed', async () => {
  const [prompt, patient] = [randomUUID(), randomUUID()];
  // What takes an hour passes in seconds here. Dead entries ahead of the clock, of users' second jobs, would be an
  // hour's in the steps of seconds.
  await db.sql`update private.settings set virtual_time_step = '10 milliseconds' where only_row`;
  const costs = async (settle = async () => {}) => {
    await meter.enqueue(1_000);
    await settle();
    const many = await meter.steps();
    const one = await meter.oneByOne('prompt', prompt);
    await meter.enqueue(100, () => ofUser(patient));
    await settle();
    const blocked = await meter.steps('work', () => ofUser(patient));
    return { many, one, blocked };
  };
  // Until the marks of claims have risen over what has passed: with the second claim of two, a second apart.
  const settle = async () => {
    for (let time = 0; time < 3; time++) {
      await meter.run('select pg_sleep(1.1)');
      await meter.complete(await meter.claim(1));
    }
  };
  const before = await costs();
  await meter.drain();

  const holder = postgres(db.superuserUrl, { max: 1 });
  try {
    await holder.unsafe('begin isolation level repeatable read; select count(*) from public.job_queue');
    await meter.enqueue(100, () => ofUser(patient));
    const began = Date.now();
    await pass(prompt, patient);
    const seconds = ((Date.now() - began) / 1000).toFixed(0);
    const after = await costs(settle);
    const [dead] = await db.sql<{ rows: number }[]>`
      select sum(n_dead_tup)::int as rows from pg_stat_user_tables`;
    console.info(`pages, after ${PASSING} jobs in ${seconds} s:`, { before, after, dead });
    expect(dead?.rows, 'vacuum could remove nothing').toBeGreaterThan(PASSING * 2);
    expectFlatSteps(after.many, before.many);
    expectFlatSteps(after.one, before.one);
    expectFlatSteps(after.blocked, before.blocked);
    await meter.drain();
    await expectSlotsRight(db);
  } finally {
    await holder.end();
  }
}, 900_000);
