import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { asSuperuser } from './support/realtime-change.ts';
import { type Receiver, startReceiver } from './support/receiver.ts';
import { PAGES, Runbook } from './support/runbook.ts';
import { TestStack } from './support/stack.ts';
import { MODEL, TestUser } from './support/user.ts';

/** Each page of docs/operations/runbook from its cause to its end, with the page's own commands. */

let stack: TestStack;
let runbook: Runbook;
let receiver: Receiver;
let user: TestUser;

beforeAll(async () => {
  receiver = await startReceiver();
  stack = await TestStack.start({ env: { WEBHOOK_ALLOWED_ORIGINS: receiver.origin } });
  await stack.sql`update private.settings set webhook_allowed_origins = array[${receiver.origin}]`;
  runbook = await Runbook.open(stack);
  user = await TestUser.signUp(stack);
  await stack.sweep();
});
afterEach(async () => {
  await stack.simulator.faults([]);
  await stack.simulator.configure({ create_status: null });
  await stack.simulator.release();
  await stack.supabase.heal();
});
afterAll(async () => {
  await runbook?.close();
  await stack?.stop();
  await receiver?.stop();
});

type Row = Record<string, unknown>;
const rows = async (page: string, words: string, values: Record<string, string> = {}) =>
  (await runbook.run(page, words, values)) as Row[];
const health = async () => JSON.parse(String(await runbook.run('cron-stopped', '/health'))) as Row;
const processed = { success: true };
const WELL = { detail: 'The sweep runs.' };
const answered = (text: unknown) => JSON.parse(String(text)) as Row;

test('cron stopped: its work is done by hand, and health is back with the trigger', async () => {
  await stack.sql`update private.last_cron_run set ran_at = now() - interval '10 minutes'`;
  expect(await health()).not.toMatchObject(WELL);
  expect(await rows('cron-stopped', "'last_sweep_at'")).toHaveLength(1);
  await runbook.run('cron-stopped', 'triggers deploy');
  expect(answered(await runbook.run('cron-stopped', 'X POST'))).toMatchObject(processed);
  await stack.sweep();
  expect(await health()).toMatchObject(WELL);
});

test('queue depth: what is ready is seen, and goes when process-jobs runs', async () => {
  const [job] = await stack.sql<{ id: string }[]>`
    select public.enqueue_job('cleanup-storage', '{"bucket": "generated-images", "objects": []}') as id`;
  const [, depth] = [
    await runbook.run('queue-depth', 'queue_status'),
    await rows('queue-depth', 'queue_health'),
  ];
  expect(depth).toBeInstanceOf(Array);
  expect(answered(await runbook.run('queue-depth', 'X POST'))).toMatchObject(processed);
  const [now] = await stack.sql`select status from public.job_queue where id = ${job?.id ?? ''}`;
  expect(now?.status).not.toBe('pending');
});

test('success rate: failures are seen by their code, and taken up again', async () => {
  await stack.simulator.fault('unlucky', { error: 'UNAVAILABLE' });
  const { generation_id } = await user.start({ prompt: 'unlucky' });
  await stack.until('it to fail', async () => {
    await stack.letTimePass(generation_id);
    await stack.processJobs();
    return (await user.get(generation_id)).status === 'failed';
  });
  const codes = (await rows('success-rate', '15 minutes')).map(({ code }) => code);
  expect(codes).toContain((await user.get(generation_id)).error?.code);
  await stack.simulator.faults([]);
  await runbook.run('success-rate', 'requeue_job');
  await stack.processJobs();
  await user.reaches(generation_id, 'completed');
});

test('stuck jobs: one is looked at now, another is given up', async () => {
  await stack.simulator.fault('slow', { hold: 'run' });
  const [first, second] = [
    await user.start({ prompt: 'slow one' }),
    await user.start({ prompt: 'slow two' }),
  ];
  for (const { generation_id } of [first, second])
    await stack.job(generation_id, 'with its prediction', ({ prediction_id }) => prediction_id !== null);
  await stack.sql`update public.job_queue set started_at = now() - interval '20 minutes' where id = ${first.job_id}`;
  const values = { JOB_ID: first.job_id, GENERATION_ID: second.generation_id };
  await runbook.run('stuck-jobs', 'stuck_jobs');
  await stack.simulator.faults([]);
  await runbook.run('stuck-jobs', 'set lease_expires_at', values);
  await runbook.run('stuck-jobs', 'cancel_generation', values);
  await stack.simulator.release();
  await runbook.run('stuck-jobs', 'X POST');
  await user.reaches(first.generation_id, 'completed');
  await user.reaches(second.generation_id, 'cancelled');
  const made = await stack.simulator.predictions(first.job_id);
  expect(made, 'a look created a second prediction').toHaveLength(1);
});

test('outputs at risk: what Storage refused is stored as soon as it answers', async () => {
  await stack.supabase.fault({ method: 'POST', path: 'object/generated-images' }, { status: 503 });
  const { generation_id } = await user.start({ prompt: 'not stored' });
  await user.reaches(generation_id, 'downloading');
  await stack.job(generation_id, 'put off', ({ status }) => status === 'pending', 'download-image');
  const seen = await rows('outputs-at-risk', "job_type = 'download-image' and status in");
  expect(seen.length).toBeGreaterThan(0);
  await stack.supabase.heal();
  await runbook.run('outputs-at-risk', 'set scheduled_at = now()');
  await runbook.run('outputs-at-risk', 'X POST');
  await user.reaches(generation_id, 'completed');
});

test('budget: who has spent it is seen, and a higher one lets the next start in', async () => {
  await stack.sql`update private.settings set budget_per_day_usd = 0 where only_row`;
  expect((await user.call('POST', '/start-generation', { prompt: 'x', model_id: MODEL })).status).toBe(503);
  const spent = await rows('budget', 'budget_periods');
  expect(spent.map(({ user_id }) => user_id)).toContain(user.id);
  await runbook.run('budget', 'budget_per_month_usd = 800');
  await user.start({ prompt: 'let in' });
  await stack.sql`update private.settings
    set budget_per_day_usd = null, budget_per_month_usd = null where only_row`;
});

test.each([
  ['provider-refuses', 401, 'admin_resume'],
  ['provider-outage', 503, 'set until = now()'],
] as const)('%s: nothing is lost, and one call goes on at once', async (page, status, resume) => {
  await stack.simulator.configure({ create_status: status });
  const started = await user.start({ prompt: 'waits for the provider' });
  await stack.until('the pause', async () => {
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
    const [pause] = await stack.sql`select until > now() as is_on from private.provider_pause`;
    return pause?.is_on === true;
  });
  await runbook.run(page, 'select until');
  await stack.simulator.configure({ create_status: null });
  if (page === 'provider-outage') expect(await runbook.run(page, 'v1/predictions')).toBe('200');
  await runbook.run(page, resume);
  await stack.letTimePass(started.generation_id);
  await runbook.run(page, 'X POST');
  await stack.until('it to be made', async () => {
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
    return (await user.get(started.generation_id)).status === 'completed';
  });
});

test('model refused: it is tried at once, or taken out of service', async () => {
  await stack.sql`insert into private.refused_models (model, status, since, until)
    values (${MODEL}, 404, now(), now() + interval '10 minutes')`;
  expect((await rows('model-refused', 'select * from'))[0]).toMatchObject({ model: MODEL });
  await runbook.run('model-refused', 'delete from', { MODEL });
  await user.start({ prompt: 'the model is back' });
  await runbook.run('model-refused', 'is_active = false', { MODEL });
  const { status } = await user.call('POST', '/start-generation', { prompt: 'gone', model_id: MODEL });
  expect(status).toBe(404);
  await stack.sql`update public.models set is_active = true where replicate_id = ${MODEL}`;
});

test('webhooks failing: the host is named, and told when it is back', async () => {
  receiver.reply('/broken', { status: 500 });
  const { generation_id } = await user.start({ prompt: 'told', webhook_url: `${receiver.origin}/broken` });
  await user.reaches(generation_id, 'completed');
  await stack.until('the first delivery to have failed', async () => {
    const [row] = await stack.sql`select jsonb_array_length(attempts) as n from private.webhook_deliveries
      where generation_id = ${generation_id}`;
    return row?.n > 0;
  });
  const hosts = await rows('webhooks-failing', 'webhook_deliveries');
  expect(hosts).toContainEqual(
    expect.objectContaining({ host: new URL(receiver.origin).host, answered: '500' }),
  );
  await runbook.run('webhooks-failing', 'set scheduled_at = now()');
  await runbook.run('webhooks-failing', 'X POST');
  await stack.until('the second delivery', async () => receiver.at('/broken').length === 2);
});

test('realtime unread: the column is named, ends are told by hand, and the look answers again', async () => {
  const change = await asSuperuser(stack);
  try {
    await change.rename('created_at', 'came_at');
    await stack.sweep();
    const [{ detail } = {}] = await rows('realtime-unread', "'detail'");
    expect(detail).toMatch(/could not be read \(column .*created_at/);
    const columns = (await rows('realtime-unread', 'pg_attribute')).map(({ column_name }) => column_name);
    expect(columns).toContain('came_at');
    expect(columns).not.toContain('created_at');
    await expect(runbook.run('realtime-unread', 'select tell_late')).rejects.toThrow(/created_at/);
    await runbook.run('realtime-unread', 'set progress = progress');
    await runbook.run('realtime-unread', 'p_is_on => false');
    await stack.sweep();
    expect(await rows('realtime-unread', "'detail'"), 'a rule that is off').toEqual([{ detail: null }]);
    await runbook.run('realtime-unread', 'p_is_on => true');
    await change.undo();
    expect(await rows('realtime-unread', 'select tell_late')).toEqual([
      { tell_late_subscribers: expect.any(Number) },
    ]);
    await stack.sweep();
  } finally {
    await change.end();
  }
});

test('spending stop: no start, no create, nothing runs on; and all goes on', async () => {
  await stack.simulator.fault('dear', { hold: 'run' });
  const running = await user.start({ prompt: 'dear' });
  await stack.job(
    running.generation_id,
    'with its prediction',
    ({ prediction_id }) => prediction_id !== null,
  );
  await runbook.run('spending-stop', 'budget_per_day_usd = 0');
  expect((await user.call('POST', '/start-generation', { prompt: 'x', model_id: MODEL })).body).toMatchObject(
    {
      code: 'budget_exhausted',
    },
  );
  await runbook.run('spending-stop', 'admin_pause');
  expect(await stack.sql`select action, reason from private.audit_log order by id desc limit 1`).toEqual([
    { action: 'pause', reason: 'spending is stopped' },
  ]);
  const before = (await stack.simulator.stats()).predictions;
  await runbook.run('spending-stop', 'cancel_generation');
  await runbook.run('spending-stop', 'X POST');
  await user.reaches(running.generation_id, 'cancelled');
  await stack.until('its prediction to be stopped', async () => {
    await stack.processJobs();
    const [one] = await stack.simulator.predictions(running.job_id);
    return one?.status === 'canceled';
  });
  expect((await stack.simulator.stats()).predictions).toBe(before);
  await runbook.run('spending-stop', 'budget_per_day_usd = null');
  const next = await user.start({ prompt: 'goes on' });
  await user.reaches(next.generation_id, 'completed');
});

test('export and delete a user: everything is in the folder, and then nowhere', async () => {
  const leaving = await TestUser.signUp(stack);
  const { generation_id } = await leaving.start({ prompt: 'theirs alone' });
  await leaving.reaches(generation_id, 'completed');
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'export-'));
  const out = path.join(folder, 'theirs');
  const values = { USER_ID: leaving.id, OUT: out };
  await runbook.run('export-user', undefined, values);
  const read = (name: string) => fs.readFile(path.join(out, name), 'utf8');
  expect(JSON.parse(await read('user.json'))).toMatchObject({ account: { id: leaving.id } });
  expect(JSON.parse(await read('generations.jsonl'))).toMatchObject({
    id: generation_id,
    prompt: 'theirs alone',
  });
  expect(await read('files.tsv')).toMatch(new RegExp(`^generated-images\t${leaving.id}/${generation_id}`));
  expect(await read('user.json')).not.toMatch(/encrypted_password|secret/);
  await fs.rm(folder, { recursive: true });

  const [there] = await rows('delete-user', 'as generations,\n  (select count(*) from images', values);
  expect(there).toMatchObject({ generations: '1', images: '1', files: '1' });
  expect(await runbook.run('delete-user', 'admin/users', values)).toBe('200');
  await stack.until('nothing to be left', async () => {
    await stack.sweep();
    const [left] = await rows('delete-user', 'as accounts', values);
    return Object.values(left ?? {}).every((count) => count === '0');
  });
});

test('moderation: a word is refused with the operator’s sentence, and let in again', async () => {
  const values = { WORD: 'grenade', USER_ID: user.id };
  await runbook.run('moderation', 'insert into', values);
  const refused = await user.call('POST', '/start-generation', { prompt: 'two Grenades', model_id: MODEL });
  expect(refused).toMatchObject({ status: 422, body: { code: 'content_flagged' } });
  await runbook.run('moderation', 'delete from', values);
  await user.start({ prompt: 'two grenades' });
  expect(await rows('moderation', 'from image_generations', values)).toContainEqual(
    expect.objectContaining({ prompt: 'two grenades' }),
  );
  expect(await runbook.run('moderation', 'npm run setup')).toMatch(/Nothing was changed/);
});

test.each(['region-outage', 'upgrade', 'roll-back', 'key-leak'])('%s: its commands answer', async (page) => {
  await runbook.run(page);
});

test('rotate secrets: the command shows what changes, and a key that is out is refused', async () => {
  expect(await runbook.run('rotate-secrets', 'npm run setup')).toMatch(/Nothing was changed/);
  await runbook.run('rotate-secrets', '/health');
  expect(await runbook.run('rotate-secrets', 'webhooks/default/secret')).toBe('200');
  expect(await runbook.run('rotate-secrets', 'OLD_KEY', { OLD_KEY: 'sb_secret_of_before' })).toBe('401');
});

test('every command of every page was run', () => {
  expect(PAGES.length).toBeGreaterThan(15);
  expect(runbook.left().map(({ page, code }) => `${page}: ${code.split('\n')[0]}`)).toEqual([]);
});
