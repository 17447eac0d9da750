import { expect } from 'vitest';
import { type Database, type Job, type Request, type Started, SUCCEEDED } from './support.ts';

export const URL = 'https://hooks.example.com/images';

export interface Delivery {
  webhook_id: string;
  type: string;
  url: string;
  status: string;
  created_at: string;
  next_attempt_at: string | null;
  attempts: { attempt: number; at: string; status?: number; error?: string }[];
}
export interface Message {
  outcome: string;
  webhook_id: string;
  url: string;
  body: string;
  secrets: string[];
}
export interface Secret {
  secret: string;
  created_at: string;
  old_secrets_expire_at: string | null;
}

/** The calls about webhooks, on a database. */
export function webhooksOf(db: Database) {
  const start = (user: string, request: Request = {}) => db.start(user, { webhook_url: URL, ...request });
  const claimWebhooks = (limit = 20) => db.claim(limit, { types: ['process-webhook'] });
  const webhookJobs = () =>
    db.sql<Job[]>`select * from public.job_queue where job_type = 'process-webhook' order by seq`;
  const log = (user: string, started: Started) =>
    db.callAs<Delivery[]>(user, 'webhook_deliveries', { p_generation_id: started.generation_id });
  const message = (job: Job) =>
    db.service<Message>('webhook_message', { p_job_id: job.id, p_lease: job.lease });
  const record = (job: Job, status: string, attempt: object = {}, retryIn: number | null = null) =>
    db.service<{ outcome: string }>('record_delivery', {
      p_job_id: job.id,
      p_lease: job.lease,
      p_status: status,
      p_attempt: attempt,
      p_retry_in_seconds: retryIn,
    });
  const resend = (user: string, started: Started) =>
    db.callAs<{ status: string; webhook_id: string }>(user, 'resend_webhook', {
      p_generation_id: started.generation_id,
    });
  const secretOf = (user: string) => db.callAs<Secret>(user, 'webhook_secret');
  const rotate = (user: string) => db.callAs<Secret>(user, 'rotate_webhook_secret');

  async function claimWebhook(): Promise<Job> {
    const jobs = await claimWebhooks();
    if (jobs.length !== 1) throw new Error(`one webhook should be ready, ${jobs.length} are`);
    return jobs[0] as Job;
  }

  /** Takes the one generation that waits to its end. */
  async function complete(): Promise<void> {
    const [job] = await db.claim(1, { types: ['generate-image'] });
    const finished = await db.service<{ outcome: string; job: Job }>('finish_prediction', {
      p_job_id: job?.id,
      p_prediction_id: 'p1',
      p_outcome: SUCCEEDED,
    });
    expect(finished.outcome).toBe('download');
    expect(finished.job.payload.webhook, 'the worker must know that an end will be announced').toBe(true);
    const stored = await db.service('finish_download', {
      p_job_id: finished.job.id,
      p_lease: String(finished.job.lease),
      p_image: {
        storage_path: 'a/b.webp',
        public_url: 'https://x.example/b.webp',
        filename: 'b.webp',
        format: 'webp',
      },
    });
    expect(stored).toMatchObject({ outcome: 'completed' });
  }

  async function fail(code = 'broken'): Promise<void> {
    const [job] = await db.claim(1, { types: ['generate-image'] });
    await db.service('fail_job', {
      p_job_id: job?.id,
      p_lease: job?.lease,
      p_error_message: 'It broke.',
      p_error_details: { code },
    });
  }

  async function completed() {
    const user = await db.createUser();
    const started = await start(user);
    await complete();
    return { user, started, job: await claimWebhook() };
  }
  return {
    start,
    claimWebhooks,
    webhookJobs,
    log,
    message,
    record,
    resend,
    secretOf,
    rotate,
    claimWebhook,
    complete,
    fail,
    completed,
  };
}
