import { ask, said } from '../http.ts';
import { keyHeaders, processGeneration, supabase } from '../services.ts';
import { type Smoke, type Step, StepFailure } from '../step.ts';

/** Replicate's way back to us: it must be open, closed to others, and have been used. */
export const webhook: Step = {
  name: 'webhook',
  async run(smoke) {
    const { options } = smoke;
    const service = processGeneration(options);
    const unsigned = await ask(service, '/webhooks/replicate', {
      method: 'POST',
      body: {},
      signal: smoke.signal,
    });
    if (unsigned.status === 401 && /not accepted here/i.test(unsigned.text)) {
      throw new StepFailure(
        'process-generation takes no webhooks: its REPLICATE_WEBHOOK_SECRET is missing or malformed',
        'Take the line REPLICATE_WEBHOOK_SECRET out of .env.production, then npm run setup, which reads it from Replicate (docs/operations/deploy.md#settings).',
      );
    }
    if (unsigned.status !== 401) {
      throw new StepFailure(
        `an unsigned webhook was answered ${said(unsigned)}`,
        `It must be 401. Is ${service.from} the address of process-generation?`,
      );
    }
    const way = smoke.image ? await wayOf(smoke, smoke.image.jobId) : 'no image was made to tell more';
    return `an unsigned webhook is refused; ${way}`;
  },
};

/** How the end of the image's prediction was learned. */
async function wayOf(smoke: Smoke, jobId: string): Promise<string> {
  const { options } = smoke;
  const answer = await ask(
    supabase(options),
    `/rest/v1/job_queue?id=eq.${jobId}&select=lease,attempts,error_details`,
    { headers: keyHeaders(options.serviceKey), signal: smoke.signal },
  );
  const [job] = Array.isArray(answer.body) ? answer.body : [];
  if (typeof job?.lease !== 'number') {
    throw new StepFailure(
      `the image's job could not be read: ${said(answer)}`,
      'Is every migration applied? npm run setup says so, and applies what is missing.',
    );
  }
  if (job.error_details?.length > 0) return 'the image needed a second attempt, so it does not tell more';
  // A claim grants a lease: one to create the prediction, another only where the sweep has looked at it.
  if (job.lease <= 1) return "Replicate's webhook brought the image's end";
  throw new StepFailure(
    "the image's end was found by the sweep: no webhook came, and images are up to minutes late",
    `Set PUBLIC_URL to ${options.processGenerationUrl} in .env.production, and REPLICATE_WEBHOOK_SECRET, then npm run setup. If they are there: is it another account's secret? docs/operations/troubleshooting.md#images-come-minutes-late`,
  );
}
