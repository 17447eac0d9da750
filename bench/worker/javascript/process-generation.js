/** process-generation in JavaScript, as far as it is measured: the webhook at the end of a prediction. */
import { Problem, readBody, readJson, serve } from './frame.js';
import { Jobs } from './jobs.js';
import { checkSignature, imageOf } from './replicate.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export default {
  fetch: (request, env, context) => serve(request, env, () => handle(request, env, context)),
};

/** The live channel is not measured against JavaScript: nobody listens. */
export class LiveChannel {
  fetch() {
    return new Response(null, { status: 204 });
  }
}

async function handle(request, env, context) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname !== '/webhooks/replicate' || request.method !== 'POST')
    throw new Problem('not_found', 'There is nothing at this path.');
  const body = await readBody(request, 4 * 1024 * 1024);
  await checkSignature(request, env, body);
  const prediction = readJson(body);
  const jobId = searchParams.get('job');
  const isOurs = typeof prediction.webhook !== 'string' || prediction.webhook.includes(`?job=${jobId}&`);
  if (typeof prediction.id !== 'string' || !UUID.test(jobId) || !isOurs)
    return { status: 200, body: { received: false } };
  // Progress and failures are not among what is measured.
  if (prediction.status !== 'succeeded') return { status: 200, body: { received: true } };
  const jobs = new Jobs(env, context);
  const leased = await finish(jobs, jobId, prediction, env);
  context.waitUntil(jobs.run(leased).catch((error) => console.error(String(error))));
  return { status: 200, body: { received: true } };
}

/** Records the end. @returns the jobs that follow from it, leased */
async function finish(jobs, jobId, prediction, env) {
  const image = imageOf(prediction.output, new URL(env.REPLICATE_API_URL).origin);
  if (!image) throw new Problem('unavailable', 'not among what is measured');
  const { completed_at: completedAt } = prediction;
  const answer = await jobs.call('finish_prediction', {
    p_job_id: jobId,
    p_prediction_id: prediction.id,
    p_outcome: {
      status: 'succeeded',
      output_url: image,
      predict_time: prediction.metrics?.predict_time ?? null,
      completed_at: completedAt ? new Date(completedAt).toISOString() : null,
      provider_status: 'succeeded',
      source: 'webhook',
      call: Math.random(),
    },
    p_lease_seconds: 120,
    p_next: env.WAKE !== 'off' && env.PUBLIC_URL ? 1 : 0,
  });
  return [answer.job, ...(answer.next ?? [])].filter(Boolean);
}
