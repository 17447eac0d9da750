import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, ask, open, said } from '../http.ts';
import { listen } from '../live.ts';
import { formatOf } from '../png.ts';
import { bearer, processJobs, startGeneration } from '../services.ts';
import { need, type Smoke, type Step, StepFailure, StepSkipped } from '../step.ts';
import { accountTrouble } from './health.ts';
import { removeAtTheEnd, start } from './start.ts';

const POLL_MS = 1_000;
/** Nothing has happened for so long: is there a reason that can be told? */
const SUSPICIOUS_MS = 10_000;

interface Generation {
  status: string;
  error: { code: string; message: string } | null;
  images: { url: string }[];
  cost_usd: number | null;
}

/** An image, from the start to its public URL. Listeners are there before it begins. */
export const image: Step = {
  name: 'image',
  async run(smoke) {
    const { token } = need(smoke.user, 'sign-in');
    const model = need(smoke.model, 'models');
    smoke.listeners = await listen(smoke, token);
    if (!smoke.options.image) throw new StepSkipped('--no-image', false);
    const begun = Date.now();
    const started = await start(smoke, token, {
      model_id: model.id,
      prompt: 'a small red fox in the snow',
      idempotency_key: randomUUID(),
    });
    const { generation_id: generationId, job_id: jobId } = started;
    removeAtTheEnd(smoke, token, generationId);
    const generation = await completed(smoke, token, generationId);
    const seconds = ((Date.now() - begun) / 1000).toFixed(1);
    const url = generation.images[0]?.url;
    if (url === undefined) {
      throw new StepFailure(
        'the generation completed without an image',
        'This is a defect: please report it.',
      );
    }
    const file = await fetchImage(smoke, url);
    smoke.image = { generationId, jobId, url };
    const price = generation.cost_usd === null ? 'cost not known' : `${generation.cost_usd} US dollars`;
    return `completed after ${seconds} s, ${file}, ${price}: ${url}`;
  },
};

async function completed(smoke: Smoke, token: string, id: string): Promise<Generation> {
  const { options } = smoke;
  let last: Generation | undefined;
  let since = Date.now();
  for (const deadline = Date.now() + options.timeoutMs; Date.now() < deadline; await sleep(POLL_MS)) {
    const answer = await ask(startGeneration(options), `/generations/${id}`, {
      headers: bearer(token),
      signal: smoke.signal,
    });
    if (answer.status === 429 || answer.status >= 500) continue; // it may pass
    if (answer.status !== 200) throw lost(answer);
    const now = answer.body as unknown as Generation;
    if (now.status !== last?.status) {
      smoke.progress(`the image is ${now.status}`);
      since = Date.now();
    }
    last = now;
    if (now.status === 'completed') return now;
    if (now.status === 'failed' || now.status === 'cancelled') {
      throw new StepFailure(
        `the generation is ${now.status}: ${now.error?.code ?? 'no code'}, ${now.error?.message ?? 'no sentence'}`,
        `What the provider said: select error_details from job_queue where generation_id = '${id}'; and npx wrangler tail process-jobs. Another model: --model OWNER/NAME`,
      );
    }
    if (Date.now() - since > SUSPICIOUS_MS) await checkAccount(smoke);
  }
  throw late(last?.status ?? 'unknown', options.timeoutMs / 1000);
}

const lost = (answer: Answer) =>
  new StepFailure(
    `GET /generations/{id} answered ${said(answer)}`,
    'Look at: npx wrangler tail start-generation',
  );

/** Replicate may refuse the account; then it is of no use to wait. */
async function checkAccount(smoke: Smoke): Promise<void> {
  const { body } = await ask(processJobs(smoke.options), '/health', { signal: smoke.signal });
  const fix = accountTrouble(String(body?.provider));
  if (fix) throw new StepFailure(String(body?.detail), fix);
}

function late(status: string, seconds: number): StepFailure {
  const detail = `the image is still ${status} after ${seconds} s`;
  if (status === 'queued') {
    return new StepFailure(
      detail,
      'process-jobs does not take it up: is [[env.start-generation.services]] in wrangler.toml, and does its cron trigger run? npx wrangler tail process-jobs',
    );
  }
  return new StepFailure(
    detail,
    'Either the model is slow (--timeout, --model), or no webhook comes and no cron runs: docs/operations/troubleshooting.md#images-come-minutes-late. An image that stays at "downloading" waits for Storage: docs/operations/runbook/region-outage.md',
  );
}

/** Fetches the image as anybody would, and looks at its first bytes. */
async function fetchImage(smoke: Smoke, url: string): Promise<string> {
  const service = { name: 'Storage', url, from: 'SUPABASE_URL' };
  const answer = await open(service, '', { signal: smoke.signal });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (answer.status !== 200) {
    throw new StepFailure(
      `the image's public URL answered ${answer.status}`,
      'The bucket generated-images must be public: the migrations make it so. Did somebody change it in the dashboard?',
    );
  }
  const format = formatOf(bytes);
  if (format === undefined) {
    throw new StepFailure(
      `what lies under the image's URL is no image (${bytes.length} bytes)`,
      `Fetch ${url} and look: something between may answer in Storage's place.`,
    );
  }
  return `${format} of ${bytes.length} bytes`;
}
