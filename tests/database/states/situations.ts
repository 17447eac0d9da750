import { type Database, SUCCEEDED } from '../support.ts';

/** A job in some state; its user has one slot. */
export interface Case {
  user: string;
  job: string;
  generation: string | null;
}

export const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

/** A job in every state that it can be in, brought there by the functions. */
export function situations(db: Database): Record<string, () => Promise<Case>> {
  const createUser = () => db.createUser({ running_jobs: 1, requests_per_minute: null });

  async function start(request = {}, user?: string): Promise<Case> {
    const owner = user ?? (await createUser());
    const started = await db.start(owner, request);
    return { user: owner, job: started.job_id, generation: started.generation_id };
  }

  async function run(request = {}): Promise<Case> {
    const made = await start(request);
    await claim(made);
    return made;
  }

  async function claim(made: Case): Promise<void> {
    const job = await db.claimOne();
    if (job.id !== made.job) throw new Error('another job was claimed than the one that was meant');
  }

  async function fail(made: Case, retryInSeconds: number | null): Promise<Case> {
    const { lease } = await db.job(made.job);
    await db.service('fail_job', {
      p_job_id: made.job,
      p_lease: lease,
      p_error_message: 'It failed.',
      p_retry_in_seconds: retryInSeconds,
    });
    return made;
  }

  /** Stages due jobs and hands none out. */
  async function stage(made: Case): Promise<Case> {
    await db.claim(1, { types: ['none'] });
    return made;
  }

  async function record(made: Case): Promise<Case> {
    const { lease } = await db.job(made.job);
    await db.service('record_prediction', {
      p_job_id: made.job,
      p_lease: lease,
      p_prediction_id: 'p1',
      p_wait_seconds: 300,
    });
    return made;
  }

  /** The job that stores the image, leased to whoever told that the prediction has ended. */
  async function download(): Promise<Case> {
    const made = await record(await run());
    const { job } = await db.service<{ job: { id: string } }>('finish_prediction', {
      p_job_id: made.job,
      p_prediction_id: 'p1',
      p_outcome: SUCCEEDED,
    });
    return { ...made, job: job.id };
  }

  async function enqueue(type: string, at = new Date().toISOString()): Promise<Case> {
    const user = await createUser();
    const job = await db.service<string>('enqueue_job', {
      p_job_type: type,
      p_payload: { user_id: user },
      p_scheduled_at: at,
    });
    return { user, job, generation: null };
  }

  return {
    scheduled: () => start({ scheduled_at: inAnHour() }),
    'scheduled, with an end': () => start({ scheduled_at: inAnHour(), expires_in: 60 }),
    'scheduled, no slot free': async () => start({ scheduled_at: inAnHour() }, (await run()).user),
    ready: () => start(),
    'ready, with an end': () => start({ expires_in: 60 }),
    blocked: async () => start({}, (await run()).user),
    'blocked, with an end': async () => start({ expires_in: 60 }, (await run()).user),
    'blocked behind a ready one': async () => start({}, (await start()).user),
    running: () => run(),
    'running, with an end': () => run({ expires_in: 60 }),
    'running, another is blocked': async () => {
      const made = await run();
      await start({}, made.user);
      return made;
    },
    'running, with a prediction': async () => record(await run()),
    'running, perhaps with a prediction': async () => {
      const made = await run();
      const { lease } = await db.job(made.job);
      await db.service('snooze_job', {
        p_job_id: made.job,
        p_lease: lease,
        p_seconds: 90,
        p_outcome_unknown: true,
      });
      return made;
    },
    'scheduled for a retry': async () => fail(await run(), 3600),
    'ready for a retry': async () => stage(await fail(await run(), 0)),
    'blocked for a retry': async () => {
      const made = await fail(await run(), 0);
      await start({}, made.user);
      return stage(made);
    },
    completed: async () => {
      const { user, generation } = await download();
      const { job_id } = await db.generation(generation ?? '');
      return { user, generation, job: job_id as string };
    },
    failed: async () => fail(await run(), null),
    'failed unseen': async () => {
      const made = await run();
      await db.sql`update public.job_queue set attempts = max_attempts - 1 where id = ${made.job}`;
      await db.letTimePass(made.job);
      await db.claim(1);
      return made;
    },
    cancelled: async () => {
      const made = await start();
      await db.callAs(made.user, 'cancel_generation', { p_generation_id: made.generation });
      return made;
    },
    'cancelled while its prediction was being created': async () => {
      const made = await run();
      await db.callAs(made.user, 'cancel_generation', { p_generation_id: made.generation });
      return made;
    },
    'cancelled so, and its lease has run out': async () => {
      const made = await run();
      await db.callAs(made.user, 'cancel_generation', { p_generation_id: made.generation });
      await db.sql`update public.job_queue set scheduled_at = now()
        where generation_id = ${made.generation} and job_type = 'cancel-prediction'`;
      return stage(made);
    },
    'a running download': download,
    'a download scheduled for a retry': async () => fail(await download(), 3600),
    'a download ready for a retry': async () => stage(await fail(await download(), 0)),
    'a failed download': async () => fail(await download(), null),
    'a ready job of another type': () => enqueue('resize'),
    'a scheduled job of another type': () => enqueue('resize', inAnHour()),
    'a running job of another type': async () => {
      const made = await enqueue('resize');
      await claim(made);
      return made;
    },
  };
}
