/** process-jobs in JavaScript, as far as it is measured: a wake-up that hands jobs over, or claims them. */
import { bearer, isSame, Problem, readBody, readJson, serve } from './frame.js';
import { Jobs } from './jobs.js';

const IMAGES = ['cancel-prediction', 'download-image', 'generate-image'];

export default {
  fetch: (request, env, context) => serve(request, env, () => handle(request, env, context)),
};

function checkCaller(request, env, context) {
  if (context.props?.caller) return;
  const keys = env.SUPABASE_SERVICE_ROLE_KEY.split(/\s+/);
  const given = [request.headers.get('apikey'), bearer(request)].filter(Boolean);
  if (!given.some((one) => keys.some((key) => isSame(one, key))))
    throw new Problem('unauthorized', 'This path needs the service key.');
}

async function handle(request, env, context) {
  const { pathname } = new URL(request.url);
  if (pathname !== '/process-jobs' || request.method !== 'POST')
    throw new Problem('not_found', 'There is nothing at this path.');
  const startedAt = Date.now();
  checkCaller(request, env, context);
  const body = await readBody(request, 4 * 1024 * 1024);
  const handedOver = body.length > 0 ? readJson(body) : {};
  const most = Number(env.MAX_JOBS_PER_INVOCATION || 20);
  const budget = most - Math.floor(most / 6);
  const parallel = Number(env.MAX_PARALLEL_JOBS || 3);
  const jobs = new Jobs(env, context);
  const done = { claimed: 0, processed: 0, errors: 0 };
  const run = async (leased) => {
    const came = await jobs.run(leased);
    for (const name of Object.keys(done)) done[name] += came[name];
  };
  let more = true;
  if (handedOver.jobs?.length > 0) {
    await run(handedOver.jobs);
    more = handedOver.more || done.errors > 0;
  }
  while (more && done.claimed < budget) {
    const limit = Math.min(parallel, budget - done.claimed);
    const args = { p_limit: limit, p_lease_seconds: 60, p_job_types: IMAGES };
    const leased = await jobs.call('claim_jobs', args);
    await run(leased);
    more = leased.length === limit;
  }
  const report = { success: true, ...done, rescued: 0, duration_ms: Date.now() - startedAt };
  const headers = more && done.claimed >= budget ? { 'x-jobs-left': 'true' } : {};
  return { status: 200, body: report, headers };
}
