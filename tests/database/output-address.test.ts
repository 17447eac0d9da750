import { beforeEach, expect, test } from 'vitest';
import { Database, type Job, type Role, SUCCEEDED } from './support.ts';

// Where the provider keeps an image is nobody's business before the image is its user's: who knows the
// address has the image, whatever becomes of the generation.
const db = await Database.open();
beforeEach(() => db.clear());

const SECRET = 'kX3vQ9';
const outcome = {
  ...SUCCEEDED,
  output_url: `https://replicate.delivery/${SECRET}/out.webp`,
  output_urls: [`https://replicate.delivery/${SECRET}/out.webp`],
};

/** Every table, view and function of the API, as far as the role can read it: the cells that hold the secret. */
async function leaks(role: Role, user: string | null, generation_id: string): Promise<string[]> {
  const relations = await db.sql<{ name: string }[]>`select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm', 'p')
      and has_any_column_privilege(${role}, oid, 'select')`;
  const calls =
    role === 'authenticated'
      ? [
          `select public.get_generation('${generation_id}') as row`,
          'select public.list_generations() as row',
          `select public.webhook_deliveries('${generation_id}') as row`,
        ]
      : [];
  const found: string[] = [];
  const queries = [
    ...relations.map(({ name }) => `select to_jsonb(t) as row from public.${name} as t`),
    ...calls,
  ];
  expect(queries.length).toBeGreaterThan(0);
  for (const query of queries) {
    const rows = await db.as(role, user, (sql) => sql.unsafe(query));
    for (const { row } of rows) if (JSON.stringify(row).includes(SECRET)) found.push(query);
  }
  return found;
}

test('no user reads the address of an image that is not theirs yet, at any step', async () => {
  const user = await db.createUser();
  const stranger = await db.createUser();
  const { generation_id, job_id } = await db.start(user);
  const nobodyKnows = async (when: string) => {
    for (const [role, who] of [
      ['authenticated', user],
      ['authenticated', stranger],
      ['anon', null],
    ] as const) {
      expect(
        await leaks(role, who, role === 'anon' || who === user ? generation_id : await mine(who)),
      ).toEqual([]);
    }
    expect(
      await leaks('service_role', null, generation_id),
      `the search finds what is there: ${when}`,
    ).not.toEqual([]);
  };
  const mine = async (who: string) => {
    const [row] = await db.sql`select id from public.image_generations where user_id = ${who} limit 1`;
    return (row?.id ??
      (await db.start(who, { scheduled_at: '2027-01-01T00:00:00Z' })).generation_id) as string;
  };
  const failed = (job: Job, retryIn: number | null) =>
    db.service('fail_job', {
      p_job_id: job.id,
      p_lease: job.lease,
      p_error_message: 'The image could not be stored.',
      p_error_details: { code: 'storage_failed', cause: `${outcome.output_url}: 503` },
      p_retry_in_seconds: retryIn,
    });

  await db.claimOne();
  const { job } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job_id,
    p_prediction_id: 'p1',
    p_outcome: outcome,
  });
  expect(job.payload.output_url, 'who stores it is told').toBe(outcome.output_url);
  await nobodyKnows('it is being stored');
  await failed(job, 0);
  await nobodyKnows('it waits to be stored again');
  await db.letTimePass(job.id);
  const [again] = await db.claim(1, { types: ['download-image'] });
  if (!again) throw new Error('the download should come again');
  expect(again.payload.output_url).toBe(outcome.output_url);
  await db.sql`update public.job_queue set started_at = now() - interval '1 hour' where id = ${job.id}`;
  await nobodyKnows('it is stuck');
  await failed(again, null);
  await nobodyKnows('it has failed');
  await db.service('requeue_job', { p_job_id: job.id });
  await nobodyKnows('it is brought back');
});
