import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, MODEL, refusal, SUCCEEDED } from './support.ts';

// What everybody together may spend. The model's price is 0.003 dollars an image (Database.open).
const db = await Database.open();
const DAY = 86_400;

beforeEach(async () => {
  await db.clear();
  await setBudget({});
  await db.sql`update public.models set cost_per_second = null where replicate_id = ${MODEL}`;
  await db.sql`update private.settings set default_price_usd = null where only_row`;
});

/** Whatever happened, what is counted is what the ledger and the open generations say. */
afterEach(async () => {
  const counted = await db.sql`select private.budget_periods() as periods`;
  await db.sql`select private.recount_budget()`;
  expect(await db.sql`select private.budget_periods() as periods`).toEqual(counted);
});

const setBudget = ({ day = null, month = null }: { day?: number | null; month?: number | null }) =>
  db.sql`update private.settings set budget_per_day_usd = ${day}, budget_per_month_usd = ${month} where only_row`;

interface Status {
  budget: string;
  budget_periods: { period: string; budget_usd: number; used_usd: number; spent_usd: number }[];
}
const status = () => db.service<Status>('queue_status');
const used = async (period = 'day') => {
  const { budget_periods } = await status();
  const one = budget_periods.find((one) => one.period === period);
  if (!one) throw new Error(`there is no budget of a ${period}`);
  return [one.spent_usd, one.used_usd];
};
const sweep = async () => (await db.service<{ alerts: string[] }>('record_sweep', { p_stats: {} })).alerts;

const unlimited = () =>
  db.createUser({ requests_per_minute: null, images_per_day: null, running_jobs: null, money_per_day: null });
const batch = (images: number) => Array(images).fill({ prompt: 'x' });

async function record(job: Job, id: string): Promise<void> {
  const args = { p_job_id: job.id, p_lease: job.lease, p_prediction_id: id, p_wait_seconds: 60 };
  await db.service('record_prediction', args);
}
const end = (job: Job, id: string, outcome: object = SUCCEEDED) =>
  db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job.id,
    p_prediction_id: id,
    p_outcome: outcome,
  });
const store = ({ id, lease }: Job) =>
  db.service('finish_download', {
    p_job_id: id,
    p_lease: lease,
    p_image: { storage_path: 'a', public_url: 'https://x.example/a', format: 'webp' },
  });
const FAILED = { status: 'failed', provider_status: 'failed', error_message: 'x', error_code: 'x' };

describe('the limit', () => {
  test.each([['day'], ['month']])(
    'of a %s lets exactly as many of 50 parallel starts in as it pays for',
    async (period) => {
      await setBudget({ [period]: 0.03 });
      const users = await Promise.all(Array.from({ length: 50 }, unlimited));
      const answers = await Promise.allSettled(users.map((user) => db.start(user)));
      expect(answers.filter(({ status }) => status === 'fulfilled').length).toBe(10);
      const refused = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
      expect(new Set(refused.map(({ code, detail }) => `${code} ${detail}`))).toEqual(
        new Set(['PT503 budget_exhausted']),
      );
      expect((await db.sql`select from public.job_queue`).length).toBe(10);
      expect(await used(period)).toEqual([0, 0.03]);
    },
  );

  test('says when there is a new one', async () => {
    const user = await unlimited();
    await setBudget({ day: 0.002 });
    const today = await refusal(db.start(user));
    expect(today).toMatchObject({
      sqlstate: 'PT503',
      code: 'budget_exhausted',
      message: 'No more images can be made today. Please try again tomorrow.',
    });
    expect(today.retryAfter).toBeGreaterThan(0);
    expect(today.retryAfter).toBeLessThanOrEqual(DAY);
    await setBudget({ day: 1, month: 0.002 });
    const month = await refusal(db.start(user));
    expect(month.message).toBe('No more images can be made this month. Please try again next month.');
    const next = new Date();
    next.setUTCMonth(next.getUTCMonth() + 1, 1);
    next.setUTCHours(0, 0, 0, 0);
    expect(Math.abs((month.retryAfter ?? 0) - (next.getTime() - Date.now()) / 1000)).toBeLessThan(60);
  });

  test('counts each image of a batch, and nothing for a refused one, whatever it was refused for', async () => {
    await setBudget({ day: 0.03 });
    const user = await unlimited();
    await db.start(user, { items: batch(7) });
    expect(await refusal(db.start(user, { items: batch(4) }))).toMatchObject({ code: 'budget_exhausted' });
    const poor = await db.createUser({ money_per_day: 0 });
    expect(await refusal(db.start(poor))).toMatchObject({ limit: 'money_per_day' });
    expect(await used()).toEqual([0, 0.021]);
    const [row] = await db.sql`select day_cost from private.usage where user_id = ${user}`;
    expect(Number(row?.day_cost), 'nor in the user’s own money').toBe(0.021);
  });

  test('a replayed start counts once', async () => {
    await setBudget({ day: 0.003 });
    const user = await unlimited();
    await db.start(user, {}, 'key', 'hash');
    expect((await db.start(user, {}, 'key', 'hash')).replayed).toBe(true);
    expect(await used()).toEqual([0, 0.003]);
  });

  test('a model without a price is refused, unless the operator has set one for such', async () => {
    await db.sql`insert into public.models (replicate_id) values ('test/unpriced') on conflict do nothing`;
    await setBudget({ month: 1 });
    const user = await unlimited();
    const start = () => db.start(user, { model_id: 'test/unpriced' });
    expect(await refusal(start())).toMatchObject({ sqlstate: 'PT422', code: 'unsupported' });
    await db.sql`update private.settings set default_price_usd = 0.25 where only_row`;
    await start();
    expect(await used('month')).toEqual([0, 0.25]);
  });
});

describe('what is counted', () => {
  async function running() {
    await setBudget({ day: 1, month: 2 });
    const user = await unlimited();
    const { generation_id, job_id } = await db.start(user);
    const job = await db.claimOne();
    return { user, generation_id, job_id, job };
  }

  test('is what the ledger says as soon as it says it, and until then what is expected', async () => {
    await db.sql`update public.models set cost_per_second = 0.01 where replicate_id = ${MODEL}`;
    const { job } = await running();
    expect(await used()).toEqual([0, 0.06]);
    await record(job, 'p1');
    const { job: download } = await end(job, 'p1', { ...SUCCEEDED, predict_time: 9 });
    expect(await used(), 'while it is being stored').toEqual([0.09, 0.09]);
    await store(download);
    expect(await used()).toEqual([0.09, 0.09]);
    expect(await used('month')).toEqual([0.09, 0.09]);
  });

  test('an image that could not be stored was paid for', async () => {
    const { job } = await running();
    const { job: download } = await end(job, 'p1');
    const args = { p_job_id: download.id, p_lease: download.lease, p_error_message: 'x' };
    await db.service('fail_job', args);
    expect(await used()).toEqual([0.003, 0.003]);
    await db.service('requeue_job', { p_job_id: download.id });
    expect(await used(), 'and is not paid for again').toEqual([0.003, 0.003]);
  });

  test('attempts that failed count what they cost, besides the one that is to come', async () => {
    await db.sql`update public.models set cost_per_second = 0.01 where replicate_id = ${MODEL}`;
    const { job } = await running();
    await record(job, 'p1');
    await end(job, 'p1', { ...FAILED, predict_time: 2, retry_in_seconds: 60 });
    expect(await used()).toEqual([0.02, 0.08]);
  });

  test('a generation that failed holds nothing, and holds it again when it is brought back', async () => {
    const { job_id, job } = await running();
    await end(job, 'p1', FAILED);
    expect(await used()).toEqual([0, 0]);
    await db.service('requeue_job', { p_job_id: job_id });
    expect(await used()).toEqual([0, 0.003]);
  });

  test('a cancelled run holds it until it is known what it has cost', async () => {
    await db.sql`update public.models set cost_per_second = 0.01 where replicate_id = ${MODEL}`;
    const { user, generation_id, job } = await running();
    await record(job, 'p1');
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    expect(await used()).toEqual([0, 0.06]);
    await end(job, 'p1', { ...FAILED, provider_status: 'canceled', predict_time: 3 });
    expect(await used()).toEqual([0.03, 0.03]);
  });

  test('a cancelled run whose cost nobody tells for a day holds nothing any more', async () => {
    const { user, generation_id, job } = await running();
    await record(job, 'p1');
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    await db.service('prune_jobs');
    expect(await used(), 'the provider may still tell').toEqual([0, 0.003]);
    await db.sql`update public.image_generations set completed_at = now() - interval '25 hours'`;
    await db.service('prune_jobs');
    expect(await used()).toEqual([0, 0]);
    expect([...(await db.sql`select id, status, cost_usd from private.predictions`)]).toEqual([
      { id: 'p1', status: 'unknown', cost_usd: null },
    ]);
    await end(job, 'p1');
    expect(await used(), 'what it tells later counts all the same').toEqual([0.003, 0.003]);
  });

  test('one that was cancelled before it ran holds nothing', async () => {
    await setBudget({ day: 1 });
    const user = await unlimited();
    const { generation_id } = await db.start(user);
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    expect(await used()).toEqual([0, 0]);
  });

  test('predictions that nobody had reserved for count, too', async () => {
    const { job } = await running();
    await record(job, 'p1');
    await end(job, 'p2');
    expect(await used(), 'a second one of the same attempt').toEqual([0.003, 0.006]);
  });

  test('a job that the service made without a generation counts when it is paid, and reserves nothing', async () => {
    await setBudget({ day: 0.001 });
    await db.service('enqueue_job', {
      p_job_type: 'generate-image',
      p_payload: { prompt: 'x', model_id: MODEL },
    });
    expect(await used()).toEqual([0, 0]);
    const job = await db.claimOne();
    await record(job, 'p1');
    expect(await used()).toEqual([0, 0]);
    await end(job, 'p1');
    expect(await used()).toEqual([0.003, 0.003]);
    expect(await refusal(db.start(await unlimited()))).toMatchObject({ code: 'budget_exhausted' });
  });

  test('a user who is deleted takes their reservations along, and not what was paid', async () => {
    const { user, job } = await running();
    await end(job, 'p1');
    await db.start(user);
    expect(await used()).toEqual([0.003, 0.006]);
    await db.sql`delete from auth.users where id = ${user}`;
    expect(await used()).toEqual([0.003, 0.003]);
  });

  test('nothing is noted and no row locked where no budget is set; once one is, the ledger counts', async () => {
    const user = await unlimited();
    await db.start(user);
    await end(await db.claimOne(), 'p1');
    expect([...(await db.sql`select from private.budget_deltas`)]).toEqual([]);
    await db.sql.begin(async (sql) => {
      await sql`select from private.budget for update`;
      await db.start(user);
    });
    await setBudget({ day: 1 });
    expect(await used()).toEqual([0.003, 0.003]);
  });

  test('adds up under parallel starts, ends, failures and cancellations', async () => {
    await setBudget({ day: 10 });
    const user = await unlimited();
    await db.start(user, { items: batch(10) });
    await db.start(user, { items: batch(10) });
    const jobs = await db.claim(20);
    await Promise.all(jobs.map((job) => record(job, `p-${job.id}`)));
    await Promise.all([
      ...jobs.slice(0, 8).map(async (job) => store((await end(job, `p-${job.id}`)).job)),
      ...jobs.slice(8, 14).map((job) => end(job, `p-${job.id}`, FAILED)),
      ...jobs
        .slice(14)
        .map((job) => db.callAs(user, 'cancel_generation', { p_generation_id: job.generation_id })),
      ...Array.from({ length: 10 }, async () => db.start(await unlimited())),
      sweep(),
    ]);
    const [spent, all] = await used();
    expect(spent).toBeCloseTo(8 * 0.003, 9);
    expect(all, 'with what the cancelled ones may still cost').toBeCloseTo((8 + 6 + 10) * 0.003, 9);
  });
});

describe('time', () => {
  /** As if so many days had passed since everything so far. */
  const daysLater = async (days: number) => {
    await db.sql`update private.budget set day = day - ${days}::int,
      month = date_trunc('month', (day - ${days}::int)::timestamp)::date where only_row`;
    await db.sql`update private.budget_deltas set day = day - ${days}::int where id > 0`;
    await db.sql`update private.predictions set ended_at = ended_at - ${days} * interval '1 day' where true`;
  };

  test('a new day has a new budget, and what is open is still to be paid from it', async () => {
    await setBudget({ day: 0.006 });
    const user = await unlimited();
    await db.start(user);
    await end(await db.claimOne(), 'p1');
    await db.start(user);
    expect(await refusal(db.start(user))).toMatchObject({ code: 'budget_exhausted' });
    await daysLater(1);
    expect(await used()).toEqual([0, 0.003]);
    await db.start(user);
    expect(await refusal(db.start(user))).toMatchObject({ code: 'budget_exhausted' });
    const [begun] = await db.claim(1);
    if (!begun) throw new Error('yesterday’s job should be ready');
    await end(begun, 'p2');
    expect(await used(), 'what was begun yesterday and paid today is of today').toEqual([0.003, 0.006]);
  });

  test('a new month, too', async () => {
    await setBudget({ month: 0.003 });
    const user = await unlimited();
    await db.start(user);
    await end(await db.claimOne(), 'p1');
    expect(await used('month')).toEqual([0.003, 0.003]);
    expect(await refusal(db.start(user))).toMatchObject({ code: 'budget_exhausted' });
    await daysLater(32);
    expect(await used('month')).toEqual([0, 0]);
    await db.start(user);
  });
});

describe('what operators are told', () => {
  test('nothing of it where there is none', async () => {
    expect(await status()).toMatchObject({ budget: 'none', budget_periods: [] });
    expect(await sweep()).toEqual([]);
  });

  test('that 80 % are used, and that it is used up: once each', async () => {
    await setBudget({ day: 0.03, month: 100 });
    const user = await unlimited();
    await db.start(user, { items: batch(7) });
    expect([(await status()).budget, await sweep()]).toEqual(['ok', []]);
    await db.start(user);
    expect((await status()).budget).toBe('near');
    expect(await sweep()).toEqual([
      'The budget of this day, 0.03 US dollars, is nearly used up: 0.02 are spent or reserved.',
    ]);
    expect(await sweep()).toEqual([]);
    await db.start(user, { items: batch(2) });
    expect((await status()).budget).toBe('exhausted');
    expect(await sweep()).toEqual([
      'The budget of this day, 0.03 US dollars, is used up: 0.03 are spent or reserved.',
    ]);
    expect(await sweep()).toEqual([]);
    await setBudget({ day: 0.05, month: 100 });
    expect((await status()).budget, 'a higher one').toBe('ok');
  });

  test('that it is used up when not even the cheapest model fits', async () => {
    await setBudget({ day: 0.004 });
    await db.sql`update public.models set is_active = replicate_id = ${MODEL} where true`;
    await db.start(await unlimited());
    expect((await status()).budget).toBe('exhausted');
    await db.sql`update public.models set is_active = true where true`;
  });

  test('in numbers', async () => {
    await setBudget({ day: 0.03, month: 1 });
    await db.start(await unlimited());
    const { budget } = await db.service<{ budget: unknown }>('queue_metrics');
    expect(budget).toEqual([
      { period: 'day', budget_usd: 0.03, used_usd: 0.003, spent_usd: 0 },
      { period: 'month', budget_usd: 1, used_usd: 0.003, spent_usd: 0 },
    ]);
  });
});
