import { beforeEach, expect, test } from 'vitest';
import { Database, type Job } from './support.ts';

// While the provider refuses to create predictions, no job that would create one is handed out.
const db = await Database.open();
beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.refused_models where true`;
});

interface Paused {
  outcome: string;
  started: boolean;
  seconds: number;
}

const createUser = () =>
  db.createUser({ running_jobs: null, requests_per_minute: null, images_per_day: null });
async function claimed(count: number): Promise<Job[]> {
  const user = await createUser();
  for (let n = 0; n < count; n++) await db.start(user);
  return db.claim(count);
}
const pause = (job: Job | undefined, seconds: number, reason = 'throttled', code = 429) =>
  db.service<Paused>('pause_provider', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_seconds: seconds,
    p_reason: reason,
    p_code: code,
  });
const seconds = async () => {
  const [row] =
    await db.sql`select extract(epoch from until - now())::float8 as left from private.provider_pause`;
  return row?.left as number;
};
/** As if the pause had ended so many seconds ago. */
const ended = (ago: number) =>
  db.sql`update private.provider_pause set until = now() - make_interval(secs => ${ago})`;
const status = () => db.service<Record<string, unknown>>('queue_status');

test('everybody waits, by one call, and no attempt is used', async () => {
  const [refused] = await claimed(1);
  for (let n = 0; n < 3; n++) await db.start(await createUser());
  expect(await pause(refused, 30)).toMatchObject({ outcome: 'snoozed', started: true });
  const job = await db.job(refused?.id ?? '');
  expect(job).toMatchObject({ status: 'pending', attempts: 0 });
  expect(Math.abs(job.scheduled_at.getTime() - Date.now() - 30_000)).toBeLessThan(5_000);
  expect(await db.claim(10)).toEqual([]);
  expect(await db.claim(10, { types: ['generate-image'] })).toEqual([]);
  await ended(1);
  expect(await db.claim(10), 'one job tries').toHaveLength(1);
});

const record = (job: Job | undefined, id: string) =>
  db.service<Record<string, unknown>>('record_prediction', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_prediction_id: id,
    p_wait_seconds: 60,
  });

test('after it one job tries at a time, and all follow when it has created a prediction', async () => {
  const [refused] = await claimed(1);
  for (let n = 0; n < 5; n++) await db.start(await createUser());
  await pause(refused, 30);
  await ended(1);
  const [probe, ...more] = await db.claim(10);
  expect(more).toEqual([]);
  expect(await db.claim(10), 'nobody beside it').toEqual([]);
  await db.sql`update private.provider_pause set probe_until = now() where only_row`;
  expect(await db.claim(10), 'one that says nothing holds nobody up').toHaveLength(1);
  expect(await record(probe, 'p1')).toEqual({ outcome: 'recorded', resumed: true });
  expect(await db.claim(10)).toHaveLength(3);
  expect(await record(probe, 'p1'), 'it is over').toEqual({ outcome: 'recorded' });
});

test.each<[string, (probe: Job | undefined) => Promise<unknown>]>([
  [
    'its model is refused',
    (probe) =>
      db.service('refuse_model', {
        p_job_id: probe?.id,
        p_lease: probe?.lease,
        p_status: 404,
        p_error_message: 'x',
      }),
  ],
  ['its request is rejected', (probe) => fail(probe, null)],
  ['its run failed', (probe) => fail(probe, 100)],
  [
    'its source cannot be read now',
    (probe) => db.service('snooze_job', { p_job_id: probe?.id, p_lease: probe?.lease, p_seconds: 100 }),
  ],
  [
    'it was cancelled, and created all the same',
    async (probe) => {
      await db.callAs(probe?.created_by ?? '', 'cancel_generation', {
        p_generation_id: probe?.generation_id,
      });
      expect(await record(probe, 'p1')).toMatchObject({ outcome: 'stale' });
    },
  ],
])('the one that tries gives its turn back: %s', async (_, ends) => {
  const [refused] = await claimed(1);
  await pause(refused, 3600);
  await ended(1);
  await db.start(await createUser());
  const [probe] = await db.claim(1);
  await db.start(await createUser());
  expect(await db.claim(1)).toEqual([]);
  await ends(probe);
  expect(await db.claim(1)).toHaveLength(1);
});
const fail = (job: Job | undefined, retryIn: number | null) =>
  db.service('fail_job', {
    p_job_id: job?.id,
    p_lease: job?.lease,
    p_error_message: 'x',
    p_error_details: { code: 'rejected' },
    p_retry_in_seconds: retryIn,
  });

test('other jobs go on beside the one that tries, and none waits for one that is not there', async () => {
  const [refused] = await claimed(1);
  await pause(refused, 30);
  await ended(1);
  await db.service('enqueue_job', { p_job_type: 'cancel-prediction', p_payload: { prediction_id: 'p3' } });
  expect(await db.claim(10), 'no image is ready').toHaveLength(1);
  await db.start(await createUser());
  expect(await db.claim(10)).toMatchObject([{ job_type: 'generate-image' }]);
});

test('a prediction created before a 429 does not end the pause; in an outage it does', async () => {
  for (const [reason, resumed] of [
    ['throttled', undefined],
    ['outage', true],
  ] as const) {
    await db.clear();
    const [underway, refused] = await claimed(2);
    await pause(refused, 60, reason, 503);
    expect((await record(underway, 'p1')).resumed).toBe(resumed);
  }
});

test('an outage lasts longer each time, and operators hear of the third failure', async () => {
  const jobs = await claimed(9);
  const lasted: number[] = [];
  const told: boolean[] = [];
  for (const job of jobs) {
    const { started } = await pause(job, 90, 'outage', 503);
    told.push(started);
    lasted.push(Math.round(await seconds()));
    await ended(0);
  }
  expect(lasted).toEqual([2, 4, 8, 16, 32, 60, 60, 60, 60]);
  expect(told.indexOf(true)).toBe(2);
  expect(told.filter(Boolean)).toHaveLength(1);
  expect(await status()).toMatchObject({ provider_pause_reason: 'outage', provider_pause_code: 503 });
});

test('in an outage the job itself waits for its webhook, as one whose outcome is unknown', async () => {
  const [one, two] = await claimed(2);
  await pause(one, 90, 'outage', 503);
  await pause(two, 90, 'outage', 503);
  expect(await seconds(), 'what failed together counts once').toBeLessThanOrEqual(2);
  const job = await db.job(one?.id ?? '');
  expect(job).toMatchObject({ status: 'processing', outcome_unknown: true, attempts: 0 });
  expect(Math.abs((job.lease_expires_at?.getTime() ?? 0) - Date.now() - 90_000)).toBeLessThan(5_000);
  expect((job.retry_until?.getTime() ?? 0) - Date.now(), 'a day').toBeGreaterThan(23 * 3_600_000);
});

test('the run that tried and was lost is one attempt, and looks before it creates', async () => {
  const [refused] = await claimed(1);
  await pause(refused, 30);
  await db.start(await createUser());
  await ended(1);
  const [probe] = await db.claim(1);
  await db.letTimePass(probe?.id ?? '');
  expect(await db.claim(10)).toMatchObject([{ id: probe?.id, attempts: 1, outcome_unknown: true }]);
});

test('what creates nothing goes on: downloads, cancels, other types, predictions that are awaited', async () => {
  const [done, awaited, refused] = await claimed(3);
  const { job: download } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: done?.id,
    p_prediction_id: 'p1',
    p_outcome: { status: 'succeeded', output_url: 'https://x.example/a' },
  });
  await db.service('record_prediction', {
    p_job_id: awaited?.id,
    p_lease: awaited?.lease,
    p_prediction_id: 'p2',
    p_wait_seconds: 60,
  });
  await db.service('enqueue_job', { p_job_type: 'cancel-prediction', p_payload: { prediction_id: 'p3' } });
  await db.service('enqueue_job', { p_job_type: 'resize', p_payload: {} });
  await db.start(await createUser());
  await pause(refused, 60);
  await db.letTimePass(download.id);
  await db.letTimePass(awaited?.id ?? '');
  const jobs = await db.claim(10);
  expect(jobs.map(({ job_type }) => job_type).sort()).toEqual([
    'cancel-prediction',
    'download-image',
    'generate-image',
    'resize',
  ]);
  expect(jobs.find(({ job_type }) => job_type === 'generate-image')).toMatchObject({
    id: awaited?.id,
    prediction_id: 'p2',
    outcome_unknown: false,
  });
});

test('the end of a prediction hands no further image on', async () => {
  const [done, refused] = await claimed(2);
  await db.start(await createUser());
  await pause(refused, 60);
  const answer = await db.service<{ next: Job[] }>('finish_prediction', {
    p_job_id: done?.id,
    p_prediction_id: 'p1',
    p_outcome: { status: 'succeeded', output_url: 'https://x.example/a' },
    p_next: 3,
  });
  expect(answer.next).toEqual([]);
});

test('a lost run is handed out to look for what it left, as one whose outcome is unknown', async () => {
  const [lost, refused] = await claimed(2);
  await pause(refused, 60);
  await db.letTimePass(lost?.id ?? '');
  expect(await db.claim(10)).toMatchObject([
    { id: lost?.id, rescued: true, outcome_unknown: true, attempts: 0 },
  ]);
});

test('a lost run in its last attempt ends as ever', async () => {
  const [lost, refused] = await claimed(2);
  await pause(refused, 60);
  await db.sql`update public.job_queue set attempts = max_attempts - 1 where id = ${lost?.id ?? ''}`;
  await db.letTimePass(lost?.id ?? '');
  expect(await db.claim(10)).toEqual([]);
  expect((await db.job(lost?.id ?? '')).status).toBe('failed');
});

test('several at once do not add up, and only one of them begins it', async () => {
  const jobs = await claimed(10);
  const answers = await Promise.all(jobs.map((job) => pause(job, 20)));
  expect(answers.filter(({ started }) => started)).toHaveLength(1);
  expect(answers.map(({ outcome }) => outcome)).toEqual(Array(10).fill('snoozed'));
  expect(await seconds()).toBeGreaterThan(10);
  expect(await seconds()).toBeLessThanOrEqual(20);
});

test('it is extended and never shortened, and never longer than an hour', async () => {
  const [one, two, three] = await claimed(3);
  await pause(one, 100);
  await pause(two, 5);
  expect(await seconds()).toBeGreaterThan(90);
  const shorter = await db.job(two?.id ?? '');
  expect(shorter.scheduled_at.getTime(), 'the job waits for its end').toBeGreaterThan(Date.now() + 90_000);
  await pause(three, 1_000_000);
  expect(await seconds()).toBeGreaterThan(3_500);
  expect(await seconds()).toBeLessThanOrEqual(3_600);
});

test('a lost lease leaves the job alone and is told all the same', async () => {
  const [job] = await claimed(1);
  const before = await db.job(job?.id ?? '');
  expect(await pause({ ...(job as Job), lease: '0' }, 30)).toMatchObject({ outcome: 'stale', started: true });
  expect(await db.job(job?.id ?? '')).toEqual(before);
  expect(await seconds()).toBeGreaterThan(20);
});

test.each([
  ['still on', -30, 'throttled', 'throttled', false, 'throttled'],
  ['ended a minute ago: it goes on', 60, 'throttled', 'throttled', false, 'throttled'],
  ['ended three minutes ago: another one', 180, 'throttled', 'throttled', true, 'throttled'],
  ['still on, and now it is the account', -30, 'throttled', 'account', true, 'account'],
  ['the account’s, and a 429 of one under way', -30, 'account', 'throttled', false, 'account'],
  ['the account’s ended, and then a 429: accepted again', 10, 'account', 'throttled', true, 'throttled'],
])('%s', async (_, ago, first, then, started, reason) => {
  const [one, two] = await claimed(2);
  await pause(one, 60, first, first === 'account' ? 402 : 429);
  await ended(ago);
  expect((await pause(two, 60, then, then === 'account' ? 402 : 429)).started).toBe(started);
  expect(await status()).toMatchObject({
    provider_pause_reason: reason,
    provider_pause_code: reason === 'account' ? 402 : 429,
  });
});

test('queue_status tells of it while it lasts; of the account’s until it would not go on', async () => {
  const none = { provider_paused_until: null, provider_pause_reason: null, provider_pause_code: null };
  expect(await status()).toMatchObject(none);
  const [one, two] = await claimed(2);
  expect((await pause(one, 60)).seconds).toBe(60);
  const seen = await status();
  expect(seen).toMatchObject({ provider_pause_reason: 'throttled', provider_pause_code: 429 });
  expect(seen.provider_paused_seconds).toBeLessThan(30);
  expect(Math.abs(Date.parse(seen.provider_paused_until as string) - Date.now() - 60_000)).toBeLessThan(
    5_000,
  );
  await ended(1);
  expect(await status()).toMatchObject(none);
  await pause(two, 60, 'account', 402);
  await ended(100);
  expect(await status()).toMatchObject({ provider_pause_reason: 'account' });
  await ended(121);
  expect(await status()).toMatchObject(none);
});
