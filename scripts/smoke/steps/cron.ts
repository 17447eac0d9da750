import { setTimeout as sleep } from 'node:timers/promises';
import { ask, said } from '../http.ts';
import { processJobs } from '../services.ts';
import { type Step, StepFailure } from '../step.ts';
import { accountTrouble, wrongWorker } from './health.ts';

/** As process-jobs judges it itself. */
const MAX_AGE_MS = 3 * 60_000;
const POLL_MS = 2_000;

/** The cron trigger: it runs each minute, and some minutes after a first deployment. */
export const cron: Step = {
  name: 'cron',
  async run(smoke) {
    const { options } = smoke;
    const deadline = Date.now() + options.timeoutMs;
    let told = '';
    for (;;) {
      const answer = await ask(processJobs(options), '/health', { signal: smoke.signal });
      const { body } = answer;
      if (answer.status < 500 && !(body && 'last_sweep_at' in body)) {
        throw wrongWorker(processJobs(options), answer);
      }
      const last = typeof body?.last_sweep_at === 'string' ? Date.parse(body.last_sweep_at) : undefined;
      // By the server's own clock: ours may differ.
      const now = Date.parse(answer.headers.get('date') ?? '') || Date.now();
      const age = last === undefined ? undefined : Math.max(now - last, 0);
      if (age !== undefined && age <= MAX_AGE_MS) {
        if (answer.status === 200) return `the last sweep is ${Math.round(age / 1000)} s old`;
        throw new StepFailure(
          `the cron runs, and process-jobs says: ${body?.detail ?? said(answer)}`,
          accountTrouble(String(body?.provider)) ??
            (body?.budget === 'exhausted'
              ? 'Raise the budget, or wait for the next day or month: docs/operations/operate.md#budget'
              : 'See docs/operations/operate.md#health'),
        );
      }
      if (Date.now() >= deadline) {
        throw new StepFailure(
          age === undefined
            ? 'the cron has never run'
            : `the last sweep is ${Math.round(age / 60_000)} minutes old`,
          'Deploy the trigger again (npx wrangler triggers deploy --config .local/production/process-jobs.json) and give it some minutes. If it runs and fails, npx wrangler tail process-jobs shows a line "configuration:" or "sweep:". docs/operations/runbook/cron-stopped.md',
        );
      }
      const state = age === undefined ? 'no sweep yet' : 'the last sweep is old';
      if (state !== told)
        smoke.progress(`${state}: waiting for the cron, up to ${options.timeoutMs / 1000} s`);
      told = state;
      await sleep(Math.min(POLL_MS, Math.max(deadline - Date.now(), 1)), undefined, {
        signal: smoke.signal,
      }).catch(() => {});
    }
  },
};
