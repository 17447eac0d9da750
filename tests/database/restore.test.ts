import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import { createDatabase } from '../stack/testing.ts';
import { Database, type Job } from './support.ts';

// A dump of the data, restored without triggers as pg_dump --data-only --disable-triggers writes it: a job that
// waited in the first database is handed out by the other one, whatever the queue keeps beside the jobs.

/** Copies every row and every sequence; what the migrations have put there goes. */
async function restore(from: string, to: string): Promise<void> {
  const [source, target] = [client(from), client(to)];
  try {
    const tables = await source<{ name: string; columns: string }[]>`
      select format('%I.%I', c.relnamespace::regnamespace::text, c.relname) as name, (
        select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      ) as columns
      from pg_catalog.pg_class as c
      where c.relkind in ('r', 'p') and not c.relispartition
        and (c.relnamespace::regnamespace::text in ('public', 'private') or c.oid = 'auth.users'::regclass)`;
    const sequences = await source<{ name: string; value: string | null }[]>`
      select format('%I.%I', schemaname, sequencename) as name, last_value::text as value
      from pg_catalog.pg_sequences where schemaname in ('public', 'private')`;
    await target.begin(async (sql) => {
      await sql`set local session_replication_role = replica`;
      for (const { name } of tables) await sql.unsafe(`delete from ${name} where true`);
      for (const { name, columns } of tables) {
        const [row] = await source.unsafe(`select json_agg(t)::text as rows from ${name} as t`);
        if (!row?.rows) continue;
        await sql.unsafe(
          `insert into ${name} (${columns}) overriding system value
           select ${columns} from json_populate_recordset(null::${name}, $1::text::json)`,
          [row.rows],
        );
      }
      for (const { name, value } of sequences) {
        if (value) await sql`select setval(${name}::regclass, ${value}::bigint)`;
      }
    });
  } finally {
    await Promise.all([source.end(), target.end()]);
  }
}

test('every job that waits is handed out after a restore, and no slot is lost', async () => {
  const db = await Database.open();
  const user = await db.createUser({ running_jobs: 1 });
  const plain = (more: object = {}) =>
    db.service<string[]>('enqueue_jobs', { p_jobs: [{ job_type: 'mail', ...more }] });
  const later = new Date(Date.now() + 3_600_000);
  const [ready] = await plain();
  const [scheduled] = await plain({ scheduled_at: later });
  const [urgent] = await plain({ priority: 77, payload: { user_id: randomUUID() } });
  const [lost] = await plain({ job_type: 'lost' });
  await db.claim(1, { types: ['lost'] });
  const running = await db.start(user);
  const [job] = (await db.claim(1, { seconds: 600, types: ['generate-image'] })) as [Job];
  expect(job.id).toBe(running.job_id);
  const blocked = await db.start(user);
  await db.letTimePass(lost as string);

  const restored = await createDatabase();
  await restore(db.superuserUrl, restored.superuserUrl);
  const other = Database.at(restored);
  const ids = (jobs: Job[]) => jobs.map(({ id }) => id).sort();
  expect(ids(await other.claim(10))).toEqual([ready, urgent, lost].sort());
  await other.complete([job]);
  expect(ids(await other.claim(10))).toEqual([blocked.job_id]);
  await other.letTimePass(scheduled as string);
  expect(ids(await other.claim(10))).toEqual([scheduled]);
  const [next] = await other.service<string[]>('enqueue_jobs', { p_jobs: [{ job_type: 'mail' }] });
  expect(ids(await other.claim(10))).toEqual([next]);
});

test('on which something runs already is refused, unless that is wanted', async () => {
  const db = await Database.open();
  const ask = (dumped: string, more = '') =>
    db.sql.unsafe(`select private.resume_after_restore(now() - interval '${dumped}'${more}) as jobs`);
  const why = (promise: Promise<unknown>) =>
    promise.then(
      () => 'it was done',
      (error) => error.message,
    );
  const { job_id } = await db.start(await db.createUser());
  // As a dump has it: the cron ran before it, and nothing since.
  await db.sql`update private.last_cron_run set ran_at = now() - interval '10 minutes', stats = '{}' where only_row`;
  expect(await why(ask('20 minutes'))).toContain('Workers run on this database: the cron ran at');
  expect((await ask('9 minutes'))[0]?.jobs).toBe('1');
  await db.sql`update private.running_jobs set started_at = now() where id = ${job_id}`;
  expect(await why(ask('9 minutes'))).toContain('a run of a job began');
  await db.sql`update private.running_jobs set started_at = now() - interval '1 hour' where true`;
  await db.sql`insert into private.predictions (id, job_id, attempt, lease, source)
    values ('p', ${job_id}, 1, 1, 'created')`;
  expect(await why(ask('9 minutes'))).toContain('a prediction was recorded');
  expect((await ask('9 minutes', ', p_force => true'))[0]?.jobs).toBe('1');
});
