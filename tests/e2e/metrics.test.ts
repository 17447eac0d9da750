import fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseOpenMetrics } from './support/openmetrics.ts';
import { TestStack } from './support/stack.ts';
import { call, TestUser } from './support/user.ts';

/** GET /metrics of process-jobs, read as a scraper reads it. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start({ args: ['--wake', 'off'] });
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const url = () => `${stack.addresses.processJobsUrl}/metrics`;

async function scrape() {
  const answer = await fetch(url(), {
    headers: { authorization: `Bearer ${stack.addresses.serviceRoleKey}` },
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe(
    'application/openmetrics-text; version=1.0.0; charset=utf-8',
  );
  const families = parseOpenMetrics(await answer.text());
  const value = (name: string, labels: Record<string, string> = {}) =>
    families
      .get(`picture_queue_${name}`)
      ?.samples.find((sample) => Object.entries(labels).every(([key, is]) => sample.labels[key] === is))
      ?.value;
  return { families, value };
}

test('an empty queue, before the first sweep', async () => {
  const { families, value } = await scrape();
  expect(value('blocked_jobs')).toBe(0);
  expect(value('outputs_at_risk')).toBe(0);
  expect(families.has('picture_queue_last_sweep_timestamp_seconds')).toBe(false);
});

test('jobs, waits, failures and the sweep', async () => {
  const waiting = await user.start({ prompt: 'waits', scheduled_at: new Date(Date.now() + 3_600_000) });
  const made = await user.start({ prompt: 'made' });
  await stack.simulator.fault('unusable', { file: 'not_image' });
  const failed = await user.start({ prompt: 'unusable' });
  await stack.sweep();
  await user.completed(made.generation_id);
  expect((await user.ended(failed.generation_id)).status).toBe('failed');

  const { families, value } = await scrape();
  const image = { type: 'generate-image' };
  expect(value('jobs', { ...image, status: 'completed' })).toBe(2);
  expect(value('jobs', { ...image, status: 'pending' })).toBe(1);
  expect(value('jobs', { type: 'download-image', status: 'failed' })).toBe(1);
  expect(value('scheduled_jobs')).toBe(1);
  expect(value('failed_jobs', { type: 'download-image', code: 'output_unusable' })).toBe(1);
  expect(value('enqueued_jobs')).toBe(5);
  expect(value('oldest_job_age_seconds', { ...image, status: 'pending' })).toBeLessThan(60);
  expect(Math.abs((value('last_sweep_timestamp_seconds') ?? 0) - Date.now() / 1000)).toBeLessThan(60);
  for (const quantile of ['0.5', '0.95', '0.99']) {
    expect(value('wait_seconds', { ...image, quantile })).toBeLessThan(60);
    expect(value('run_seconds', { ...image, quantile })).toBeLessThan(60);
  }
  expect(families.get('picture_queue_enqueued_jobs')?.type).toBe('counter');
  await user.call('POST', `/generations/${waiting.generation_id}/cancel`);
});

test('an image that waits to be stored for half an hour is at risk', async () => {
  await stack.simulator.fault('late', { file: 'server_error' });
  const { generation_id } = await user.start({ prompt: 'late' });
  await stack.processJobs();
  await stack.job(generation_id, 'to be retried', (job) => job.status === 'pending', 'download-image');
  expect((await scrape()).value('outputs_at_risk')).toBe(0);
  // The hour that Replicate keeps it, and five minutes for clocks that differ.
  await stack.sql`update public.job_queue set retry_until = retry_until - interval '31 minutes'
    where generation_id = ${generation_id} and job_type = 'download-image'`;
  expect((await scrape()).value('outputs_at_risk')).toBe(1);
});

test('the rules for Prometheus and the dashboard name what there is', async () => {
  // So that each family has a sample.
  await stack.sql`update private.settings set budget_per_day_usd = 1, budget_per_month_usd = 1 where only_row`;
  await stack.sql`insert into private.refused_models (model, since, until, status)
    values ('a/b', now(), now() + interval '1 minute', 404)`;
  await stack.sql`insert into public.job_queue (job_type, status, completed_at) values ('generate-image', 'failed', now())`;
  await stack.sql`insert into public.job_queue (job_type, retry_until, scheduled_at)
    values ('download-image', now() + interval '1 hour', now() + interval '1 hour')`;
  await stack.sweep();
  const { families, value } = await scrape();
  expect(value('alerts', { rule: 'model_refused', severity: 'warning' })).toBe(1);
  const known = [...families.values()].map(({ name, type }) => (type === 'counter' ? `${name}_total` : name));
  for (const file of ['prometheus-rules.yml', 'grafana-dashboard.json']) {
    const text = fs.readFileSync(new URL(`../../docs/operations/${file}`, import.meta.url), 'utf8');
    const named = [...new Set(text.match(/picture_queue_\w+/g))];
    expect(named.length, file).toBeGreaterThan(8);
    expect(
      named.filter((name) => !known.includes(name)),
      `${file} names metrics that there are not`,
    ).toEqual([]);
  }
  const panels = fs.readFileSync(
    new URL('../../docs/operations/grafana-dashboard.json', import.meta.url),
    'utf8',
  );
  expect(
    known.filter((name) => !panels.includes(name)),
    'the dashboard leaves these out',
  ).toEqual([]);
});

describe('who may read them', () => {
  test.each<[string, () => Record<string, string>]>([
    ['nobody', () => ({})],
    ['a user', () => ({ authorization: `Bearer ${user.token}` })],
    ['the anon key', () => ({ apikey: stack.addresses.anonKey })],
  ])('not %s', async (_, headers) => {
    const answer = await call('GET', url(), { headers: headers() });
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect(JSON.stringify(answer.body)).not.toContain('picture_queue');
  });

  test('and only by GET', async () => {
    const answer = await call('POST', url(), {
      headers: { authorization: `Bearer ${stack.addresses.serviceRoleKey}` },
    });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET']);
  });
});
