import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Installation } from '../install/installation.ts';
import { TestStack } from './support/stack.ts';

// npm run setup with the real smoke test at its end, against the local stack in the place of what was deployed: an
// image is owed until one was made.

const MINUTES = 60_000;
let stack: TestStack;
let one: Installation;

beforeAll(async () => {
  stack = await TestStack.start();
  one = await Installation.start();
}, 5 * MINUTES);
afterAll(async () => {
  await one?.stop();
  await stack?.stop();
});

async function setup(...args: string[]) {
  const { startGenerationUrl, processJobsUrl, processGenerationUrl } = stack.addresses;
  let hasEnded = false;
  const running = one
    .run('setup', ['--no-database', ...args], {
      SUPABASE_DB_URL: one.settings().SUPABASE_DB_URL ?? '',
      SUPABASE_URL: stack.addresses.supabaseUrl,
      SUPABASE_ANON_KEY: stack.addresses.anonKey,
      SUPABASE_SERVICE_ROLE_KEY: stack.addresses.serviceRoleKey,
      START_GENERATION_URL: startGenerationUrl,
      PROCESS_JOBS_URL: processJobsUrl,
      PROCESS_GENERATION_URL: processGenerationUrl,
      PUBLIC_URL: processGenerationUrl,
      REPLICATE_API_TOKEN: one.replicate.token,
      REPLICATE_API_URL: one.replicate.url,
    })
    .finally(() => {
      hasEnded = true;
    });
  // In the place of the cron, whose last run the smoke test looks for.
  while (!hasEnded) {
    await stack.sweep();
    await Promise.race([running, sleep(5000)]);
  }
  return running;
}

/** Whether Replicate makes an image for the smoke test now. */
async function isRunning(): Promise<boolean> {
  const rows = await stack.sql`
    select 1 from public.job_queue where status = 'processing' and prediction_id is not null`;
  return rows.length > 0;
}

test('an image that was not made is owed by the next run, after a kill too, and one that was made is not', {
  timeout: 20 * MINUTES,
}, async () => {
  await stack.simulator.fault('fox', { error: 'E005' });
  const failed = await setup();
  expect(failed.code, failed.output).toBe(1);
  expect(failed.output).toContain('smoke test: the smoke test did not pass');

  await stack.simulator.faults([]);
  await stack.simulator.fault('fox', { hold: 'run' });
  let hasEnded = false;
  const killed = setup().finally(() => {
    hasEnded = true;
  });
  // As long as the run takes: how soon it comes to its image is the machine's affair.
  while (!hasEnded && !(await isRunning())) await sleep(100);
  expect(hasEnded, 'it was to wait for its image, which is held').toBe(false);
  one.kill();
  expect((await killed).code).not.toBe(0);
  await stack.simulator.release();
  await stack.simulator.faults([]);

  const without = await setup('--no-image');
  expect(without.code, without.output).toBe(0);
  expect(without.output).toContain('passed, without an image, as you asked');
  const passed = await setup();
  expect(passed.code, passed.output).toBe(0);
  expect(passed.output.match(/: unchanged/g)).toHaveLength(4);
  expect(passed.output).toContain('smoke test: passed, with an image');
  const again = await setup();
  expect(again.code, again.output).toBe(0);
  expect(again.output).toContain('without an image, which these Workers have made before');
});
