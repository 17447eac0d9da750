import { type Database, type Job, MODEL, type Started, SUCCEEDED } from '../support.ts';
import { URL } from '../webhook-support.ts';

/** A model that the provider refuses. */
const REFUSED = 'test/refused';
const HOUR = 3_600_000;

/** Jobs in every state, generations, images, predictions, webhooks and what users have used, by the functions. */
export async function fill(db: Database): Promise<void> {
  await db.sql`insert into public.models (replicate_id, default_width, default_height, cost_per_generation)
    values (${MODEL}, 1024, 768, 0.003), (${REFUSED}, 1024, 768, 0.003)`;
  await db.sql`update private.settings set budget_per_day_usd = 100 where only_row`;
  const user = await db.createUser({ running_jobs: 13, money_per_day: 10 });
  const steps = new Steps(db, user);
  await db.service('live_snapshot', { p_user_id: user, p_listen_seconds: 3600 });

  // Leased in the answer to its start.
  const request = { prompt: 'one', model_id: MODEL };
  const { next } = await db.callAs<{ next?: Job[] }>(user, 'start_generation', {
    p_request: request,
    p_next: 1,
  });
  if (next?.length !== 1) throw new Error('the job was not handed over');
  const batch = await db.start(user, { items: [{ prompt: 'one' }, { prompt: 'two' }, { prompt: 'three' }] });
  const [stored, lost] = batch.generations as [Started, Started];
  const told = await steps.start();
  const failed = await steps.start();
  const retried = await steps.start();
  const awaited = await steps.start();
  const unclear = await steps.start();
  const downloading = await steps.start();
  const stopped = await steps.start();
  const refused = await steps.start({ model_id: REFUSED });
  const removed = await steps.start();
  await steps.claimAll();
  for (const one of [stored, told, removed]) await steps.store(one);
  await steps.fail(failed, null);
  await steps.fail(retried, 3600);
  await steps.record(awaited);
  await db.service('record_progress', {
    p_job_id: awaited.job_id,
    p_prediction_id: `p-${awaited.job_id}`,
    p_progress: 40,
  });
  await steps.of(unclear, 'snooze_job', { p_seconds: 90, p_outcome_unknown: true });
  await steps.record(downloading);
  await steps.end(downloading);
  await steps.of(refused, 'refuse_model', { p_status: 404, p_error_message: 'The model is gone.' });
  await db.sql`delete from public.images where generation_id = ${removed.generation_id}`;
  await db.letTimePass(lost.job_id);

  const webhooks = await db.claim(2, { types: ['process-webhook'], seconds: 3600 });
  for (const [index, { id, lease }] of webhooks.entries()) {
    const message = { p_job_id: id, p_lease: lease };
    await db.service('webhook_message', message);
    await db.service('record_delivery', {
      ...message,
      p_status: index === 0 ? 'delivered' : 'failed',
      p_retry_in_seconds: 3600,
    });
  }
  await db.callAs(user, 'rotate_webhook_secret');

  // Those before have taken this user's slots; the other one has one.
  await db.start(user, {}, 'a-key');
  const other = await db.createUser({ running_jobs: 1 });
  await db.start(other, { expires_in: 3600 });
  await db.start(other, { priority: 'high' });
  const later = { scheduled_at: new Date(Date.now() + HOUR).toISOString() };
  await db.start(other, later);
  const unwanted = await db.start(other, later);
  await db.callAs(other, 'cancel_generation', { p_generation_id: unwanted.generation_id });
  await db.callAs(user, 'cancel_generation', { p_generation_id: stopped.generation_id });

  await db.service('enqueue_jobs', { p_jobs: [{ job_type: 'resize' }] });
  await db.claim(1, { types: ['resize'], seconds: 3600 });
  await db.service('enqueue_jobs', {
    p_jobs: [{ job_type: 'resize' }, { job_type: 'resize', ...later }, { job_type: 'mail', priority: 7 }],
  });
  await db.sql`insert into storage.objects (bucket_id, name) values ('source-images', ${`${user}/a.png`})`;
  await db.service('record_sweep', { p_stats: { claimed: 1 } });
  await db.service('sweep_storage', {});
  await db.service('enqueue_jobs', { p_jobs: [{ job_type: 'resize' }] });
}

/** The steps of a user's generations, each under the lease of its job. */
class Steps {
  readonly #db: Database;
  readonly #user: string;
  readonly #jobs = new Map<string, Job>();

  constructor(db: Database, user: string) {
    this.#db = db;
    this.#user = user;
  }

  start(request: object = {}): Promise<Started> {
    return this.#db.start(this.#user, { webhook_url: URL, ...request });
  }

  async claimAll(): Promise<void> {
    const jobs = await this.#db.claim(100, { seconds: 3600, types: ['generate-image'] });
    for (const job of jobs) this.#jobs.set(job.id, job);
  }

  async of<T>({ job_id }: { job_id: string }, name: string, args: object): Promise<T> {
    const job = this.#jobs.get(job_id);
    if (!job) throw new Error(`job ${job_id} was not claimed`);
    return this.#db.service<T>(name, { p_job_id: job.id, p_lease: job.lease, ...args });
  }

  fail(one: Started, retryInSeconds: number | null): Promise<unknown> {
    const error = { p_error_message: 'It failed.', p_error_details: { code: 'provider_error' } };
    return this.of(one, 'fail_job', { ...error, p_retry_in_seconds: retryInSeconds });
  }

  record(one: Started): Promise<unknown> {
    return this.of(one, 'record_prediction', { p_prediction_id: `p-${one.job_id}`, p_wait_seconds: 300 });
  }

  async end(one: Started): Promise<Job> {
    return endPrediction(this.#db, one.job_id, `p-${one.job_id}`);
  }

  async store(one: Started): Promise<void> {
    await this.record(one);
    await store(this.#db, await this.end(one));
  }
}

/** @returns the job that stores the image, leased */
export async function endPrediction(db: Database, job: string, prediction: string): Promise<Job> {
  const { job: download } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job,
    p_prediction_id: prediction,
    p_outcome: SUCCEEDED,
    p_lease_seconds: 3600,
  });
  return download;
}

export async function store(db: Database, { id, lease, generation_id }: Job): Promise<string> {
  const { outcome } = await db.service<{ outcome: string }>('finish_download', {
    p_job_id: id,
    p_lease: lease,
    p_image: {
      storage_path: `u/${generation_id}.webp`,
      public_url: `https://example.com/${generation_id}.webp`,
      width: 1024,
      height: 768,
      format: 'webp',
      file_size: 4321,
    },
  });
  return outcome;
}
