import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, MODEL, refusal, type Started } from '../support.ts';

// What users could gain by what the apps' own way allows: an id of one's choice, deletions, cancels, tries again.
const db = await Database.open();
const DEAR = 'test/dear';
await db.sql`insert into public.models (replicate_id, display_name, default_width, default_height, cost_per_generation)
  values (${DEAR}, 'Dear', 1024, 768, 1)`;

beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.unstarted_generations where true`;
  await db.sql`delete from private.removed_objects where true`;
  await db.sql`update private.settings set budget_per_day_usd = null where only_row`;
  await db.deleteObjects((sql) => sql`true`);
});

type Row = Record<string, unknown>;

const insert = (user: string, row: Row = {}): Promise<string> =>
  db.as('authenticated', user, async (sql) => {
    const values = { user_id: user, prompt: 'a lighthouse', model: MODEL, ...row };
    const [made] = await sql`insert into public.image_generations ${sql(values)} returning id`;
    return made?.id;
  });
const start = (user: string, id: string): Promise<Started> =>
  db.callAs(user, 'start_inserted_generation', { p_generation_id: id });
const set = (user: string, id: string, changes: Row): Promise<Row[]> =>
  db.as('authenticated', user, async (sql) => [
    ...(await sql<Row[]>`update public.image_generations set ${sql(changes)} where id = ${id} returning *`),
  ]);
const remove = (user: string, id: string) =>
  db.as('authenticated', user, (sql) => sql`delete from public.image_generations where id = ${id}`);
const lease = (job: Job) => ({ p_job_id: job.id, p_lease: job.lease });
const record = (job: Job, id: string) =>
  db.service('record_prediction', { ...lease(job), p_prediction_id: id, p_wait_seconds: 60 });
const fail = (job: Job) => db.service('fail_job', { ...lease(job), p_error_message: 'It broke.' });

describe('an id of one’s choice', () => {
  test('does not keep the file of somebody else’s generation that was deleted', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const id = randomUUID();
    const name = `${user}/${id}.webp`;
    await db.sql`insert into storage.objects (bucket_id, name) values ('generated-images', ${name})`;
    await db.sql`insert into private.removed_objects (name) values (${name})`;
    await insert(other, { id });
    await db.service('sweep_storage');
    const [job] = await db.claim(1, { types: ['cleanup-storage'] });
    expect(await db.service('removable_objects', lease(job as Job))).toMatchObject({ names: [name] });
    const own = `${other}/${id}.webp`;
    const [kept] = await db.sql`select private.is_unreferenced(${own}) as gone`;
    expect(kept?.gone, 'the file of the one who has it is kept').toBe(false);
  });

  test('has nothing to do with what an earlier one of the id has left', async () => {
    const user = await db.createUser();
    const id = await insert(user, { model: DEAR });
    await start(user, id);
    await db.claimOne();
    await db.callAs(user, 'cancel_generation', { p_generation_id: id });
    await remove(user, id);
    await insert(user, { id, model: DEAR });
    await start(user, id);
    await record(await db.claimOne(), 'p2');
    await db.callAs(user, 'cancel_generation', { p_generation_id: id });
    await db.sql`update public.job_queue set scheduled_at = now() - interval '1 second'
      where job_type = 'cancel-prediction' and payload ? 'job_id'`;
    const searches = (await db.claim(9, { types: ['cancel-prediction'] })).filter(
      ({ payload }) => (payload as Row).job_id,
    );
    expect(searches.length).toBe(1);
    for (const search of searches)
      await db.service('complete_job', { ...lease(search), p_result: { predictions: [] } });
    const [row] =
      await db.sql`select cost_open, reserved_usd::float from public.image_generations where id = ${id}`;
    expect(row, 'its own run has not ended').toEqual({ cost_open: true, reserved_usd: 1 });
  });

  test('is not taken twice once the provider has run it, nor by somebody else', async () => {
    const user = await db.createUser();
    const id = await insert(user);
    await start(user, id);
    await record(await db.claimOne(), 'p1');
    await remove(user, id);
    for (const who of [user, await db.createUser()])
      expect(await refusal(insert(who, { id, model: DEAR }))).toMatchObject({
        sqlstate: 'PT409',
        code: 'conflict',
      });
    expect(await insert(user, { model: DEAR }), 'another is free').toEqual(expect.any(String));
  });
});

describe('the installation’s budget', () => {
  const limit = () => db.sql`update private.settings set budget_per_day_usd = 1 where only_row`;
  const used = async () => {
    const [row] = await db.sql`select (p ->> 'used_usd')::float as used
      from jsonb_array_elements(private.budget_periods()) as p where p ->> 'period' = 'day'`;
    return row?.used;
  };
  const end = async (outcome: object) => {
    const [job] = await db.claim(1, { types: ['cancel-prediction'] });
    await db.service('finish_prediction', { p_job_id: job?.id, p_prediction_id: 'p1', p_outcome: outcome });
  };
  const running = async () => {
    await limit();
    const user = await db.createUser();
    const id = await insert(user, { model: DEAR });
    await start(user, id);
    await record(await db.claimOne(), 'p1');
    return { user, id };
  };

  test.each(['generation', 'cancelled generation', 'account'])(
    'counts what runs, its %s deleted, until it has ended',
    async (what) => {
      const { user, id } = await running();
      if (what === 'cancelled generation')
        await db.callAs(user, 'cancel_generation', { p_generation_id: id });
      if (what === 'account') await db.sql`delete from auth.users where id = ${user}`;
      else await remove(user, id);
      expect(await used()).toBe(1);
      expect(await refusal(db.start(await db.createUser()))).toMatchObject({ code: 'budget_exhausted' });
      await db.sql`select private.recount_budget()`;
      expect(await used(), 'counted anew').toBe(1);
      await end({ status: 'failed', provider_status: 'canceled', error_message: 'x' });
      expect(await used()).toBe(0);
    },
  );

  test('counts what is recorded after its deletion, until it has ended', async () => {
    await limit();
    const user = await db.createUser();
    const id = await insert(user, { model: DEAR });
    await start(user, id);
    const job = await db.claimOne();
    await remove(user, id);
    const late = { ...lease(job), p_prediction_id: 'p1', p_wait_seconds: 60, p_details: { model_id: DEAR } };
    expect(await db.service('record_prediction', late)).toMatchObject({ outcome: 'stale' });
    expect(await used()).toBe(1);
    await db.service('finish_prediction', {
      p_job_id: job.id,
      p_prediction_id: 'p1',
      p_outcome: { status: 'failed', provider_status: 'canceled', error_message: 'x' },
    });
    expect(await used()).toBe(0);
  });

  test('has what runs on the day on which it was recorded', async () => {
    const { user, id } = await running();
    await db.sql`update private.predictions set recorded_at = now() - interval '40 days' where id = 'p1'`;
    await remove(user, id);
    const found = await used();
    await db.sql`select private.recount_budget()`;
    expect(found, 'as it is counted anew').toBe(await used());
  });

  test('hears once of a row that is written as a whole', async () => {
    const { id } = await running();
    await db.sql`update public.image_generations set status = 'failed', budget_usd = budget_usd where id = ${id}`;
    expect(await used()).toBe(0);
  });

  test('has its price, and not that of another size, once it is made all the same', async () => {
    const { user, id } = await running();
    await db.sql`update public.models set cost_per_generation = null, cost_per_megapixel = 0.5 where replicate_id = ${DEAR}`;
    await remove(user, id);
    await end({
      status: 'succeeded',
      provider_status: 'succeeded',
      output_url: 'https://x.example/a',
      format: 'webp',
    });
    expect(await used()).toBe(1);
    await db.sql`update public.models set cost_per_generation = 1, cost_per_megapixel = null where replicate_id = ${DEAR}`;
  });
});

describe('the hundred that wait for their start', () => {
  const hundred = async () => {
    const user = await db.createUser({ requests_per_minute: 1000 });
    const first = await insert(user);
    await db.sql`insert into private.unstarted_generations (generation_id, user_id)
      select gen_random_uuid(), ${user} from generate_series(1, 99)`;
    expect(await refusal(insert(user))).toMatchObject({ code: 'quota_exceeded' });
    return { user, first };
  };

  test.each(['cancelled', 'failed'])('are less by one that is set to %s', async (status) => {
    const { user, first } = await hundred();
    await set(user, first, { status });
    expect(await insert(user)).toEqual(expect.any(String));
  });

  test('are less by one that is cancelled by name', async () => {
    const { user, first } = await hundred();
    await db.callAs(user, 'cancel_generation', { p_generation_id: first });
    expect(await insert(user)).toEqual(expect.any(String));
  });

  test('do not count the one that is tried again twice', async () => {
    const { user, first } = await hundred();
    await db.sql`update public.image_generations set status = 'failed' where id = ${first}`;
    expect(await set(user, first, { status: 'pending' })).toMatchObject([{ status: 'pending' }]);
  });
});

test('a try again has a priority of the plan', async () => {
  const user = await db.createUser();
  const { generation_id, job_id } = await db.start(user, { priority: 'high' });
  await fail(await db.claimOne());
  await db.sql`insert into private.plans ${db.sql({ name: user, priorities: ['low', 'normal'] })}`;
  await db.sql`insert into private.user_plans (user_id, plan) values (${user}, ${user})`;
  expect(await refusal(set(user, generation_id, { status: 'pending' }))).toEqual(
    await refusal(db.start(user, { priority: 'high' })),
  );
  expect((await db.job(job_id)).status).toBe('failed');
  await db.sql`update private.plans set priorities = '{high}' where name = ${user}`;
  expect(await set(user, generation_id, { status: 'pending' })).toMatchObject([{ status: 'pending' }]);
});

test('a statement that is not told which rows it means is refused, and holds nobody up', async () => {
  const user = await db.createUser({ requests_per_minute: null, images_per_day: null });
  await db.sql`insert into public.image_generations (user_id, prompt, model, status, seq)
    select ${user}, 'a lighthouse', ${MODEL}, 'completed', n from generate_series(1, 300) as n`;
  const wide = db.as(
    'authenticated',
    user,
    (sql) => sql`update public.image_generations set status = 'cancelled' where prompt like '%zzz%'`,
  );
  expect(await refusal(wide)).toMatchObject({ sqlstate: 'PT422', code: 'unsupported' });
  const ids = (await db.sql`select id from public.image_generations where user_id = ${user} limit 100`).map(
    ({ id }) => id,
  );
  const named = () =>
    db.as(
      'authenticated',
      user,
      (sql) => sql`delete from public.image_generations where id = any(${ids}::uuid[]) returning id`,
    );
  expect(await named(), 'named ones are not too many').toHaveLength(100);
});
