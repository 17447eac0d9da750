/** Leased jobs, run beside each other: make an image, bring one into Storage. */
import { mapParams } from './catalogue.js';
import { createPrediction, isFetched } from './replicate.js';
import { parseParams } from './start-request.js';
import { storeImage } from './storage.js';
import { publisher, rpc, settings } from './supabase.js';

const WEBHOOK_PATH = '/webhooks/replicate';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What the jobs of one invocation work with. */
export class Jobs {
  #env;
  #supabase;
  #publish;

  constructor(env, context) {
    this.#env = env;
    this.#supabase = settings(env, 'SUPABASE_SERVICE_ROLE_KEY');
    this.#publish = publisher(env, context);
  }

  call(name, args) {
    return rpc(this.#supabase, undefined, name, args, { publish: this.#publish });
  }

  /** @returns how many went forward and how many failed */
  async run(jobs) {
    const ends = await Promise.allSettled(jobs.map((job) => this.#begin(job)));
    const created = ends.flatMap(({ value }) => (value?.prediction ? [value] : []));
    if (created.length > 0) await this.#record(created);
    for (const [index, { reason }] of ends.entries())
      if (reason) console.warn(JSON.stringify({ what: 'job', job_id: jobs[index].id, detail: `${reason}` }));
    const errors = ends.filter(({ status }) => status === 'rejected').length;
    return { claimed: jobs.length, processed: jobs.length - errors, errors };
  }

  async #begin(job) {
    if (job.job_type === 'generate-image') return this.#create(job);
    if (job.job_type === 'download-image') return this.#download(job);
    throw new Error(`no such job: ${job.job_type}`);
  }

  async #create(job) {
    if (job.prediction_id || job.rescued || job.outcome_unknown)
      throw new Error('not among what is measured');
    const mapped = mapParams(parseParams(job.payload));
    const callback = this.#env.REPLICATE_WEBHOOK_SECRET && this.#env.PUBLIC_URL;
    const query = `?job=${job.id}&lease=${job.lease}&attempts=${job.attempts}`;
    const webhook = callback ? `${callback}${WEBHOOK_PATH}${query}` : undefined;
    const prediction = await createPrediction(this.#env, mapped, webhook);
    const [width, height] = mapped.output;
    const { adjustments } = mapped;
    const details = { source: 'created', model_id: job.payload.model_id, width, height, adjustments };
    return { job, prediction, details };
  }

  async #record(created) {
    const wait = { p_wait_seconds: this.#env.PUBLIC_URL ? 120 : 5 };
    const [first] = created;
    if (created.length === 1) {
      const { job, prediction, details } = first;
      const named = { p_job_id: job.id, p_lease: job.lease, p_prediction_id: prediction.id };
      const answer = await this.call('record_prediction', { ...named, ...wait, p_details: details });
      if (answer.outcome !== 'recorded') throw new Error(`record_prediction: ${answer.outcome}`);
      return;
    }
    const predictions = created.map(({ job, prediction, details }) => ({
      job_id: job.id,
      lease: job.lease,
      prediction_id: prediction.id,
      details,
    }));
    const { answers } = await this.call('record_predictions', { p_predictions: predictions, ...wait });
    if (answers.some(({ outcome }) => outcome !== 'recorded'))
      throw new Error('record_predictions: not recorded');
  }

  async #download(job) {
    const { output_url: url, user_id: user, generation_id: generation } = job.payload;
    if (!isFetched(url, new URL(this.#env.REPLICATE_API_URL).origin) || !UUID.test(user))
      throw new Error('the image’s address could not be used');
    const image = await storeImage(this.#supabase, url, user, generation);
    const [width, height] = image.size ?? [job.payload.width ?? null, job.payload.height ?? null];
    const { outcome } = await this.call('finish_download', {
      p_job_id: job.id,
      p_lease: job.lease,
      p_image: {
        storage_path: image.path,
        public_url: image.publicUrl,
        filename: image.path.split('/').pop(),
        file_size: image.bytes,
        width,
        height,
        format: image.format,
      },
    });
    if (outcome !== 'completed') throw new Error(`finish_download: ${outcome}`);
  }
}
