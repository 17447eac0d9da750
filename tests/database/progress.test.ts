import { beforeEach, describe, expect, test } from 'vitest';
import { expectBounded, Watcher } from './explain.ts';
import { fillEnded, JOB_TABLES } from './fill.ts';
import { Database, type Job, SUCCEEDED } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

interface Running {
  user: string;
  id: string;
  job: Job;
}

async function running(prediction = 'p1'): Promise<Running> {
  const user = await db.createUser();
  const { generation_id } = await db.start(user);
  const made = { user, id: generation_id, job: await db.claimOne() };
  await record(made.job, prediction);
  return made;
}

const record = (job: Job, prediction: string) =>
  db.service('record_prediction', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_prediction_id: prediction,
    p_wait_seconds: 300,
  });
const tell = ({ job }: Running, percent: number | null, prediction = 'p1', startedAt: Date | null = null) =>
  db.service<{ outcome: string }>('record_progress', {
    p_job_id: job.id,
    p_prediction_id: prediction,
    p_progress: percent,
    p_started_at: startedAt,
  });
const finish = ({ job }: Running, outcome: object = SUCCEEDED) =>
  db.service<{ outcome: string; job: Job }>('finish_prediction', {
    p_job_id: job.id,
    p_prediction_id: 'p1',
    p_outcome: outcome,
  });
const progress = async ({ id }: Running) => (await db.generation(id)).progress;
const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1000);

const RECORDED = { outcome: 'recorded' };
const STALE = { outcome: 'stale' };
// Nobody has noted the prediction: it may have to be adopted or stopped.
const UNKNOWN = { outcome: 'unknown' };

describe('record_progress', () => {
  test('goes forward and never back', async () => {
    const made = await running();
    expect(await progress(made)).toBe(10);
    expect(await tell(made, 35)).toEqual(RECORDED);
    expect(await tell(made, 35), 'a repeated delivery').toEqual(STALE);
    expect(await tell(made, 20), 'a late one').toEqual(STALE);
    expect(await progress(made)).toBe(35);
    expect(await tell(made, 250)).toEqual(RECORDED);
    expect(await progress(made), 'the rest is for storing it').toBe(90);
    for (const nonsense of [-5, 0, null]) expect(await tell(made, nonsense)).toEqual(STALE);
  });

  test('is for the prediction that is awaited now, and for no other job', async () => {
    const [made, other] = [await running(), await running()];
    expect(await tell(made, 50, 'p2')).toEqual(UNKNOWN);
    expect(
      await db.service('record_progress', {
        p_job_id: '00000000-0000-4000-8000-000000000000',
        p_prediction_id: 'p1',
        p_progress: 50,
      }),
    ).toEqual(STALE);
    await tell(made, 50);
    expect([await progress(made), await progress(other)]).toEqual([50, 10]);
  });

  test('before the prediction is recorded it changes nothing', async () => {
    const user = await db.createUser();
    const { generation_id: id } = await db.start(user);
    const made = { user, id, job: await db.claimOne() };
    expect(await tell(made, 50)).toEqual(UNKNOWN);
    expect(await db.generation(id)).toMatchObject({ status: 'pending', progress: 0 });
  });

  test.each(['succeeded', 'failed', 'retried', 'cancelled'])(
    'after the end changes nothing: %s',
    async (end) => {
      const made = await running();
      await tell(made, 40);
      if (end === 'cancelled') await db.callAs(made.user, 'cancel_generation', { p_generation_id: made.id });
      else if (end === 'succeeded') await finish(made);
      else
        await finish(made, {
          status: 'failed',
          error_message: 'It failed.',
          ...(end === 'retried' ? { retry_in_seconds: 0 } : {}),
        });
      const before = await db.generation(made.id);
      expect(await tell(made, 80, 'p1', new Date())).toEqual(STALE);
      expect(await db.generation(made.id)).toEqual(before);
    },
  );

  test('a retry begins anew', async () => {
    const made = await running();
    await tell(made, 80);
    await finish(made, { status: 'failed', error_message: 'It failed.', retry_in_seconds: 0 });
    expect(await progress(made)).toBe(0);
    await db.letTimePass(made.job.id);
    await record(await db.claimOne(), 'p2');
    expect(await progress(made)).toBe(10);
    expect(await tell(made, 60, 'p1'), 'the first attempt’s').toEqual(STALE);
    expect(await tell(made, 25, 'p2')).toEqual(RECORDED);
  });

  test('a run that had to wait for a machine has started then, never in the future', async () => {
    const made = await running();
    await db.sql`update public.image_generations set started_at = now() - interval '1 minute' where id = ${made.id}`;
    const began = secondsAgo(20);
    expect(await tell(made, 10, 'p1', began)).toEqual(RECORDED);
    expect((await db.generation(made.id)).started_at).toEqual(began);
    expect(await tell(made, 10, 'p1', secondsAgo(40)), 'an older start').toEqual(STALE);
    await tell(made, 10, 'p1', secondsAgo(-3600));
    const { started_at } = await db.generation(made.id);
    expect((started_at as Date).getTime(), 'another clock').toBeLessThanOrEqual(Date.now());
  });
});

describe('estimated_seconds', () => {
  const left = async ({ user, id }: Running) =>
    (await db.callAs<{ estimated_seconds: number }>(user, 'get_generation', { p_generation_id: id }))
      .estimated_seconds;
  const ran = ({ id }: Running, seconds: number, told = 0) =>
    db.sql`update public.image_generations set started_at = now() - make_interval(secs => ${seconds}),
      progress_at = now() - make_interval(secs => ${told}) where id = ${id}`;

  /** Runs of the model that took so long, and the sweep that learns of them. */
  async function runs(...seconds: number[]): Promise<void> {
    for (const predict_time of seconds) {
      await finish(await running(), { ...SUCCEEDED, predict_time });
    }
    await db.service('record_sweep', { p_stats: {} });
  }
  const measured = async () => {
    const [row] = await db.sql<
      { seconds: string; runs: string }[]
    >`select seconds, runs from private.model_times`;
    return row && { seconds: Number(row.seconds), runs: Number(row.runs) };
  };

  beforeEach(async () => {
    await db.sql`truncate private.model_times, private.last_cron_run`;
  });

  test('without a sign of progress it is the model’s time that is left, and at least a second', async () => {
    const made = await running();
    expect(await left(made)).toBe(6);
    await ran(made, 4);
    expect(await left(made)).toBe(2);
    await ran(made, 500);
    expect(await left(made)).toBe(1);
  });

  test('with progress it is what its own pace leaves, and only runs down until the next sign', async () => {
    const made = await running();
    await tell(made, 50);
    await ran(made, 3);
    expect(await left(made), 'half of it is done, as fast as expected').toBe(3);
    await ran(made, 40);
    expect(await left(made), 'slower than expected').toBeGreaterThan(15);
    const slow = await left(made);
    await ran(made, 50, 10);
    expect(slow - (await left(made)), 'ten seconds later, nothing heard').toBe(10);
    await ran(made, 500, 400);
    expect(await left(made), 'never negative').toBe(1);
    await ran(made, 100_000);
    expect(await left(made), 'never beyond any run').toBe(900);
    await tell(made, 90);
    await ran(made, 40);
    expect(await left(made), 'all is done but storing it').toBe(1);
  });

  test('for those who wait, it comes from the model’s own runs once there are some', async () => {
    const waiting = async () => (await db.start(await db.createUser())).estimated_seconds;
    expect(await waiting()).toBe(6);
    await db.clear();
    await runs(20, 40);
    expect(await measured()).toEqual({ seconds: 30, runs: 2 });
    expect(await waiting()).toBe(30);
    await db.clear();
    const made = await running();
    expect(await left(made)).toBe(30);
  });

  test('older runs fade, one that is far out moves it little, none counts twice', async () => {
    await runs(...Array<number>(12).fill(10));
    expect(await measured()).toEqual({ seconds: 10, runs: 12 });
    await db.service('record_sweep', { p_stats: {} });
    expect(await measured(), 'nothing has ended since').toEqual({ seconds: 10, runs: 12 });
    await runs(100_000);
    expect((await measured())?.seconds, 'a run ends by its deadline').toBeCloseTo(10 + 0.1 * 890);
    await runs(...Array<number>(20).fill(10));
    expect((await measured())?.seconds).toBeLessThan(25);
  });

  test('a long history costs the sweep no more than its newest 2,000 jobs', async () => {
    const watcher = await Watcher.open(db);
    await fillEnded(db, 50_000);
    const sweep = () => watcher.plansOf("select public.record_sweep('{}')");
    expectBounded(await sweep(), 2_000);
    await db.sql.unsafe(`analyze ${JOB_TABLES}`);
    await db.sql`truncate private.last_cron_run`;
    expectBounded(await sweep(), 2_000);
    // The rules of the alerts.
    expectBounded(await sweep(), 12);
  });

  test('failed runs tell nothing of how long one takes', async () => {
    await finish(await running(), { status: 'failed', error_message: 'It failed.', predict_time: 1 });
    await db.service('record_sweep', { p_stats: {} });
    expect(await measured()).toBeUndefined();
  });
});
