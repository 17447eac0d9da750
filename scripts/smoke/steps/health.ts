import { type Answer, ask, type Service, said } from '../http.ts';
import { processGeneration, processJobs, startGeneration } from '../services.ts';
import { type Smoke, type Step, StepFailure } from '../step.ts';

/** The three Workers: each answers, is the one it should be, and has its variables. */
export const health: Step = {
  name: 'health',
  async run(smoke) {
    const { options } = smoke;
    const { startGenerationUrl: one, processJobsUrl: two, processGenerationUrl: three } = options;
    if (new Set([one, two, three]).size < 3) {
      throw new StepFailure(
        'two of the three URLs are the same',
        'Each Worker has an address of its own: start-generation.…, process-jobs.… and process-generation.….',
      );
    }
    await simple(smoke, startGeneration(options));
    await simple(smoke, processGeneration(options));
    await jobs(smoke);
    await config(smoke);
    return 'the three Workers answer';
  },
};

const get = (smoke: Smoke, service: Service, path: string): Promise<Answer> =>
  ask(service, path, { signal: smoke.signal });

async function simple(smoke: Smoke, service: Service): Promise<void> {
  const answer = await get(smoke, service, '/health');
  if (answer.status === 200 && answer.body?.status === 'ok' && !('last_sweep_at' in answer.body)) return;
  throw wrongWorker(service, answer);
}

/** What answers there is not what should. */
export function wrongWorker(service: Service, answer: Answer): StepFailure {
  const told = answer.status === 200 && answer.body ? ', as another Worker does' : '';
  return new StepFailure(
    `${service.name} answered ${said(answer)}${told}`,
    `Is ${service.from} its address? If so, deploy it again: npm run setup`,
  );
}

async function jobs(smoke: Smoke): Promise<void> {
  const service = processJobs(smoke.options);
  const answer = await get(smoke, service, '/health');
  const { body } = answer;
  // 503 here is also what the cron's first minutes look like; the step "cron" judges that.
  if (body && 'last_sweep_at' in body) {
    const account = accountTrouble(String(body.provider));
    if (account) throw new StepFailure(String(body.detail), account);
    return;
  }
  if (answer.status >= 500) {
    throw new StepFailure(
      `process-jobs answered ${said(answer)}`,
      'It lacks a variable, or the database refuses its key. It needs SUPABASE_URL, and the secrets SUPABASE_SERVICE_ROLE_KEY and REPLICATE_API_TOKEN; npx wrangler tail process-jobs names what is wrong in a line "configuration:".',
    );
  }
  throw wrongWorker(service, answer);
}

/** What to do where Replicate refuses the account, by process-jobs' word for it. */
export function accountTrouble(provider: string): string | undefined {
  const fixes: Record<string, string> = {
    no_credit:
      'Add credit at https://replicate.com/account/billing; the queue goes on by itself. docs/operations/runbook/provider-refuses.md',
    bad_token: 'Put a valid REPLICATE_API_TOKEN into .env.production, then npm run setup.',
    refused: 'Replicate answers 403: look at the account at https://replicate.com/account.',
  };
  return fixes[provider];
}

/** The public Worker speaks for the same project, and lets the app's pages call it. */
async function config(smoke: Smoke): Promise<void> {
  const { options } = smoke;
  const service = startGeneration(options);
  const answer = await get(smoke, service, '/config');
  if (answer.status === 404) throw wrongWorker(service, answer);
  if (answer.status !== 200) {
    throw new StepFailure(
      `start-generation answered ${said(answer)} to GET /config`,
      'It lacks SUPABASE_URL or the publishable key, SUPABASE_ANON_KEY: put them into .env.production, then npm run setup.',
    );
  }
  const url = String(answer.body?.supabase_url).replace(/\/+$/, '');
  if (url !== options.supabaseUrl) {
    throw new StepFailure(
      `start-generation works with the project at ${url}, not with ${options.supabaseUrl}`,
      'Set the same SUPABASE_URL here and in .env.production, then npm run setup.',
    );
  }
  if (options.origin === undefined) return;
  const preflight = await ask(service, '/start-generation', {
    method: 'OPTIONS',
    headers: {
      origin: options.origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, apikey, content-type, x-client-info',
    },
    signal: smoke.signal,
  });
  const allowed = preflight.headers.get('access-control-allow-origin');
  if (allowed === '*' || allowed === options.origin) return;
  throw new StepFailure(
    `a page of ${options.origin} may not call start-generation`,
    `Add it to ALLOWED_ORIGINS in .env.production, then npm run setup.`,
  );
}
