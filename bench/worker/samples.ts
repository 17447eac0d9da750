/** What goes over the wire: requests of users, rows of the database, predictions. */
import { randomUUID } from 'node:crypto';

export const MODEL = 'black-forest-labs/flux-schnell';

const PROMPT = 'a lighthouse at dawn, its beam over a calm sea, painted in oil on old paper';

/** The body of `POST /start-generation`. */
export const START = JSON.stringify({
  prompt: PROMPT,
  model_id: MODEL,
  width: 1344,
  height: 768,
  num_inference_steps: 4,
  seed: 42,
});

const TIME = '2026-11-24T12:00:00.123456+00:00';

/** A leased job as the queue hands it out, with the columns of `public.job_queue`. */
function job(id: string, type: string, payload: Record<string, unknown>, user: string) {
  return {
    id,
    job_type: type,
    payload,
    status: 'processing',
    attempts: 0,
    max_attempts: 3,
    scheduled_at: TIME,
    started_at: TIME,
    completed_at: null,
    error_message: null,
    error_details: null,
    user_id: user,
    priority: 0,
    created_at: TIME,
    updated_at: TIME,
    lease: 1,
    lease_expires_at: TIME,
    result: null,
    prediction_id: null,
    outcome_unknown: false,
    rescued: false,
    generation_id: payload.generation_id,
    expires_at: null,
    retry_until: null,
    fair_key: user,
    held: false,
    slot: 1,
    seq: 1,
  };
}

export type Job = ReturnType<typeof job>;

export function generateJob(id: string = randomUUID()): Job {
  const user = randomUUID();
  const payload = {
    user_id: user,
    model_id: MODEL,
    width: 1344,
    height: 768,
    num_inference_steps: 4,
    operation: 'generate',
    prompt: PROMPT,
    seed: 42,
    generation_id: randomUUID(),
  };
  return job(id, 'generate-image', payload, user);
}

export function downloadJob(id: string, url: unknown, predictionId: unknown): Job {
  const user = randomUUID();
  const payload = {
    user_id: user,
    generation_id: randomUUID(),
    output_url: url,
    prediction_id: predictionId,
    width: 1344,
    height: 768,
  };
  return job(id, 'download-image', payload, user);
}

/** What `start_generation` answers. */
export function startedRow(next: boolean) {
  const leased = generateJob();
  const one = {
    generation_id: leased.generation_id,
    job_id: leased.id,
    queue_position: 1,
    estimated_seconds: 5,
  };
  return {
    ...one,
    status: 'queued',
    batch_id: null,
    replayed: false,
    generations: [one],
    ...(next ? { next: [leased] } : {}),
  };
}

/** What `get_generation` answers. */
export function generationRow(id: unknown) {
  return {
    id,
    batch_id: null,
    status: 'completed',
    progress: 100,
    queue_position: null,
    estimated_seconds: null,
    model_id: MODEL,
    operation: 'generate',
    prompt: PROMPT,
    negative_prompt: null,
    seed: 42,
    width: 1344,
    height: 768,
    adjustments: [],
    cost_usd: 0.003,
    error: null,
    images: [
      {
        id: randomUUID(),
        url: `https://project.supabase.co/storage/v1/object/public/generated-images/${id}.webp`,
        format: 'webp',
        width: 1344,
        height: 768,
        bytes: 92_410,
      },
    ],
    created_at: TIME,
    started_at: TIME,
    completed_at: TIME,
  };
}

/** A prediction as Replicate tells of it: at its creation, or with the file at its end. */
export function prediction(origin: string, webhook: unknown, file?: string) {
  const id = randomUUID().replaceAll('-', '').slice(0, 26);
  const address = `${origin}/v1/predictions/${id}`;
  return {
    id,
    model: MODEL,
    version: 'hidden',
    input: { prompt: PROMPT, aspect_ratio: '16:9', num_outputs: 1, num_inference_steps: 4, seed: 42 },
    logs: file
      ? 'running quantized prediction\nUsing seed: 42\n 25%\n 50%\n 75%\n100%\nTotal safe images: 1 out of 1\n'
      : '',
    output: file ? [file] : null,
    data_removed: false,
    error: null,
    source: 'api',
    status: file ? 'succeeded' : 'starting',
    created_at: '2026-11-24T12:00:00.2Z',
    started_at: file ? '2026-11-24T12:00:00.3Z' : null,
    completed_at: file ? '2026-11-24T12:00:01.1Z' : null,
    metrics: file ? { image_count: 1, predict_time: 0.8, total_time: 0.9 } : {},
    urls: { cancel: `${address}/cancel`, get: address, web: `https://replicate.com/p/${id}` },
    webhook,
    webhook_events_filter: ['start', 'logs', 'completed'],
  };
}

/** A change of a generation as one Worker hands it to the live channel. */
export function change(user: string, seq: number) {
  return {
    type: 'generation',
    user_id: user,
    generation_id: '0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11',
    batch_id: null,
    status: 'processing',
    progress: 10 + (seq % 80),
    queue_position: null,
    estimated_seconds: 3,
    seq,
  };
}
