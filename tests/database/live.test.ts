import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, MODEL, type Started, SUCCEEDED } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

interface Change {
  generation_id: string;
  status: string;
  progress: number;
  seq: number;
  error?: { code: string; message: string };
  image_url?: string;
}
interface Answer {
  outcome: string;
  job?: Job;
  changes?: Change[];
}

const listen = (user: string, seconds = 60) =>
  db.service('live_snapshot', { p_user_id: user, p_listen_seconds: seconds });
const start = (user: string, request = {}) => db.start(user, request) as Promise<Started & Answer>;
const cancel = (user: string, id: string) =>
  db.callAs<Answer>(user, 'cancel_generation', { p_generation_id: id });

async function listenedTo(): Promise<string> {
  const user = await db.createUser();
  await listen(user);
  return user;
}

const record = (job: Job) =>
  db.service<Answer>('record_prediction', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_prediction_id: 'p1',
    p_wait_seconds: 300,
  });
const tell = (job: Job, percent: number) =>
  db.service<Answer>('record_progress', { p_job_id: job.id, p_prediction_id: 'p1', p_progress: percent });
const finish = (job: Job, outcome: object = SUCCEEDED) =>
  db.service<Answer>('finish_prediction', { p_job_id: job.id, p_prediction_id: 'p1', p_outcome: outcome });
const store = (job: Job) =>
  db.service<Answer>('finish_download', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_image: {
      storage_path: `u/${job.id}.webp`,
      public_url: `https://x.example/${job.id}.webp`,
      format: 'webp',
    },
  });
const fail = (job: Job, details: object = { code: 'model_error' }, retry: number | null = null) =>
  db.service<Answer>('fail_job', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_error_message: 'It failed.',
    p_error_details: details,
    p_retry_in_seconds: retry,
  });

const jobOf = async ({ generation_id: id }: Change) => (await db.generation(id)).job_id as string;

/** The one change that an answer brings; fails when it brings none or several. */
function only({ changes }: Answer): Change {
  if (changes?.length !== 1) throw new Error(`one change should be handed out: ${JSON.stringify(changes)}`);
  return changes[0] as Change;
}

/** All steps from the request to the stored image, with the answer of each. */
async function makeOne(user: string): Promise<Answer[]> {
  const started = await start(user);
  const job = await db.claimOne();
  const answers = [started, await record(job), await tell(job, 50), await finish(job)];
  const download = answers[3]?.job;
  if (!download) throw new Error('finish_prediction handed out no download');
  return [...answers, await store(download)];
}

describe('each step hands out what it changed', () => {
  test('from the request to the image', async () => {
    const user = await listenedTo();
    const before = Date.now();
    const changes = (await makeOne(user)).map(only);
    expect(changes).toEqual(
      [
        { status: 'queued', progress: 0, queue_position: 1, estimated_seconds: 6 },
        { status: 'processing', progress: 10, estimated_seconds: 6 },
        { status: 'processing', progress: 50 },
        { status: 'downloading', progress: 90, estimated_seconds: 1 },
        {
          status: 'completed',
          progress: 100,
          estimated_seconds: null,
          image_url: expect.stringMatching(/^https:/),
        },
      ].map((expected) => ({
        type: 'generation',
        user_id: user,
        generation_id: changes[0]?.generation_id,
        batch_id: null,
        queue_position: null,
        estimated_seconds: expect.any(Number),
        seq: expect.any(Number),
        ...expected,
      })),
    );
    const seqs = changes.map((change) => change.seq);
    expect(seqs, 'strictly increasing').toEqual([...new Set(seqs)].sort((a, b) => a - b));
    // The clocks of the test and of Postgres are the same machine's.
    expect(seqs[0], 'about the time').toBeGreaterThanOrEqual(before - 1);
    expect(seqs[4], 'about the time').toBeLessThanOrEqual(Date.now() + 5);
  });

  test('of a batch, all of it', async () => {
    const user = await listenedTo();
    const { batch_id, generations, changes } = await start(user, {
      items: [{ prompt: 'one' }, { prompt: 'two' }, { prompt: 'three' }],
    });
    const positions = (list: object[] = []) =>
      list
        .map((entry) => entry as { generation_id: string; queue_position: number })
        .map(({ generation_id, queue_position }) => ({ generation_id, queue_position }))
        .sort((a, b) => a.queue_position - b.queue_position);
    expect(positions(changes)).toEqual(positions(generations));
    for (const change of changes ?? []) expect(change).toMatchObject({ batch_id, status: 'queued' });
  });

  test('a retry is queued again, an end has its error', async () => {
    const user = await listenedTo();
    const { generation_id } = await start(user);
    let job = await db.claimOne();
    await record(job);
    const again = only(await fail(job, {}, 0));
    expect(again).toMatchObject({ generation_id, status: 'queued', progress: 0, queue_position: null });
    expect(again, 'an attempt’s error is not the end').not.toHaveProperty('error');

    await db.letTimePass(job.id);
    job = await db.claimOne();
    await record(job);
    const failed = only(await fail(job));
    expect(failed).toMatchObject({
      status: 'failed',
      estimated_seconds: null,
      error: { code: 'model_error', message: 'It failed.' },
    });
    const back = only(await db.service<Answer>('requeue_job', { p_job_id: job.id }));
    expect(back).toMatchObject({ generation_id, status: 'queued' });
    expect(back).not.toHaveProperty('error');
    expect(back.seq).toBeGreaterThan(failed.seq);
  });

  test('a prediction that failed: with a retry, for good, cancelled', async () => {
    const user = await listenedTo();
    const outcome = { status: 'failed', error_message: 'The model failed.', error_code: 'model_error' };
    const ends = [{ ...outcome, retry_in_seconds: 60 }, outcome, { ...outcome, error_code: 'cancelled' }];
    const states: string[] = [];
    for (const end of ends) {
      await db.clear();
      await start(user);
      const job = await db.claimOne();
      await record(job);
      const change = only(await finish(job, end));
      states.push(change.error ? `${change.status}: ${change.error.message}` : change.status);
    }
    expect(states).toEqual(['queued', 'failed: The model failed.', 'cancelled: The model failed.']);
  });

  test('a cancel by the user has no error, and is told once', async () => {
    const user = await listenedTo();
    const { generation_id } = await start(user);
    const change = only(await cancel(user, generation_id));
    expect(change).toMatchObject({ generation_id, status: 'cancelled' });
    expect(change).not.toHaveProperty('error');
    expect(await cancel(user, generation_id)).not.toHaveProperty('changes');
  });

  test('what changes nothing hands out nothing', async () => {
    const user = await listenedTo();
    await start(user);
    const job = await db.claimOne();
    await record(job);
    const download = (await finish(job)).job as Job;
    const answers = {
      'a late record': await record(job),
      'late progress': await tell(job, 60),
      'a repeated webhook': await finish(job),
      'a lost lease': await store({ ...download, lease: '7' }),
      'a snooze': await db.service<Answer>('snooze_job', {
        p_job_id: download.id,
        p_lease: download.lease,
        p_seconds: 60,
      }),
    };
    for (const [what, answer] of Object.entries(answers)) expect(answer, what).not.toHaveProperty('changes');
  });

  test('a replayed answer brings no changes', async () => {
    const user = await listenedTo();
    const request = { prompt: 'a lighthouse', model_id: MODEL };
    expect(await db.start(user, request, 'key', 'hash')).toHaveProperty('changes');
    const replayed = await db.start(user, request, 'key', 'hash');
    expect(replayed.replayed).toBe(true);
    expect(replayed).not.toHaveProperty('changes');
  });
});

describe('seq', () => {
  const seq = async (id: string) => Number((await db.generation(id)).seq);

  test('goes up by one at least, and with what can be seen only', async () => {
    const { generation_id: id } = await db.start(await db.createUser());
    const ahead = Date.now() + 3_600_000;
    await db.sql`update public.image_generations set seq = ${ahead} where id = ${id}`;
    await db.sql`update public.image_generations set priority = 5, started_at = now() where id = ${id}`;
    expect(await seq(id), 'nothing that can be seen').toBe(ahead);
    await db.sql`update public.image_generations set progress = 5 where id = ${id}`;
    expect(await seq(id), 'while the clock is behind').toBe(ahead + 1);
    await db.sql`update public.image_generations set error_message = 'x' where id = ${id}`;
    await db.sql`update public.image_generations set error_code = 'y' where id = ${id}`;
    expect(await seq(id)).toBe(ahead + 3);
  });

  test('is written by each step itself: the trigger is for what is changed by hand', async () => {
    const trigger = (verb: string) =>
      db.sql.unsafe(`alter table public.image_generations ${verb} trigger image_generations_before_insert;
        alter table public.image_generations ${verb} trigger image_generations_before_change`);
    await trigger('disable');
    try {
      const user = await listenedTo();
      const made = (await makeOne(user)).map(only);
      await start(user);
      const retried = only(await fail(await db.claimOne(), { code: 'model_error' }, 0));
      const failed = only(await fail(await db.claimOne()));
      const requeued = only(await db.service<Answer>('requeue_job', { p_job_id: await jobOf(failed) }));
      const cancelled = only(await cancel(user, requeued.generation_id));
      const second = [retried, failed, requeued, cancelled];
      expect(second.map((change) => change.status)).toEqual(['queued', 'failed', 'queued', 'cancelled']);
      for (const changes of [made, second]) {
        const seqs = changes.map((change) => change.seq);
        expect(seqs, 'strictly increasing').toEqual([...new Set(seqs)].sort((a, b) => a - b));
      }
    } finally {
      await trigger('enable');
    }
  });

  test('by hand only a status and a progress that there are', async () => {
    const { generation_id: id } = await db.start(await db.createUser());
    for (const set of ["status = 'done'", 'progress = 101', 'progress = -1'])
      await expect(
        db.sql.unsafe(`update public.image_generations set ${set} where id = '${id}'`),
        set,
      ).rejects.toMatchObject({ code: '23514' });
  });
});

describe('only to those who listen', () => {
  test('without a listener no step hands anything out', async () => {
    const [user, over] = [await db.createUser(), await listenedTo()];
    await db.sql`update private.live_listeners set until = now() - interval '1 second' where user_id = ${over}`;
    await listenedTo();
    for (const each of [user, over]) {
      const answers = await makeOne(each);
      expect(answers.length).toBe(5);
      for (const answer of answers) expect(answer).not.toHaveProperty('changes');
      await db.clear();
    }
  });

  test('the user is told of their own, whatever else the transaction has changed', async () => {
    const [user, other] = [await listenedTo(), await listenedTo()];
    const [mine, theirs] = [await start(user), await start(other)];
    const answer = await db.sql.begin(async (sql) => {
      await sql`update public.image_generations set progress = 3 where id = ${theirs.generation_id}`;
      const claims = JSON.stringify({ role: 'authenticated', sub: user });
      await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`;
      const [row] = await sql<
        [{ answer: Answer }]
      >`select public.cancel_generation(${mine.generation_id}) as answer`;
      return row.answer;
    });
    expect(only(answer).generation_id).toBe(mine.generation_id);
  });
});

describe('a change is handed out in its own transaction or not at all', () => {
  test('on one connection, after a commit, a rollback, and a refused call', async () => {
    const user = await listenedTo();
    const { generation_id: id } = await start(user);
    const sql = await db.sql.reserve();
    try {
      const raise = `update public.image_generations set progress = progress + 1 where id = '${id}'`;
      const nothing = async (after: string) => {
        const [row] = await sql<[{ answer: object }]>`select private.with_changes('{}') as answer`;
        expect(row.answer, after).toEqual({});
      };
      await sql.unsafe(raise);
      await nothing('a commit by hand');
      await sql.unsafe(`begin; ${raise}; rollback`);
      await nothing('a rollback');
      await expect(sql.unsafe(`begin; ${raise}; select 1 / 0`)).rejects.toThrow('division by zero');
      await sql.unsafe('rollback');
      await nothing('an error');
    } finally {
      sql.release();
    }
  });

  test('not what a savepoint has taken back, and nothing twice', async () => {
    const user = await listenedTo();
    const [kept, undone] = [await start(user), await start(user)];
    await db.sql.begin(async (sql) => {
      const raise = ({ generation_id: id }: Started) =>
        sql`update public.image_generations set progress = progress + 1 where id = ${id}`;
      const taken = async () => {
        const [row] = await sql<[{ answer: Answer }]>`select private.with_changes('{}') as answer`;
        return row.answer.changes?.map((change) => change.generation_id);
      };
      await raise(kept);
      await raise(kept);
      await expect(
        sql.savepoint(async (inner) => {
          await inner`update public.image_generations set progress = 50 where id = ${undone.generation_id}`;
          await inner`select 1 / 0`;
        }),
      ).rejects.toThrow('division by zero');
      expect(await taken(), 'changed twice, told once').toEqual([kept.generation_id]);
      expect(await taken(), 'told already').toBeUndefined();
      await raise(undone);
      expect(await taken(), 'a second step of the transaction').toEqual([undone.generation_id]);
    });
  });
});
