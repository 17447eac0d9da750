import { createClient } from '@supabase/supabase-js';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { pictures, sendSource } from './support/uploads.ts';
import { type Started, TestUser } from './support/user.ts';

/** A user is deleted while an image of theirs is made: nothing of theirs stays, and what it cost is known. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
});
afterEach(async () => {
  await stack.simulator.faults([]);
  await stack.supabase.heal();
});
afterAll(() => stack?.stop());

/** Somebody with an upload of their own, who starts an image. */
async function start(prompt: string): Promise<Started> {
  user = await TestUser.signUp(stack);
  const { png } = await pictures();
  expect((await sendSource(user, png, { 'content-type': 'image/png' })).status).toBe(201);
  return user.start({ prompt });
}

async function deleteUser(): Promise<void> {
  const { supabaseUrl, serviceRoleKey } = stack.addresses;
  const admin = createClient(supabaseUrl, serviceRoleKey, { auth: { persistSession: false } }).auth.admin;
  expect((await admin.deleteUser(user.id)).error).toBeNull();
}

/** With runs of the cron, until the predictions of the job have ended there. */
const endedThere = ({ job_id }: Started) =>
  stack.until('its predictions to end at the provider', async () => {
    await stack.sql`update public.job_queue set scheduled_at = least(scheduled_at, now())
      where job_type = 'cancel-prediction'`;
    await stack.sweep();
    const all = await stack.simulator.predictions(job_id);
    return all.length > 0 && all.every(({ prediction }) => prediction.completed_at) && all;
  });

/** Ten minutes later, when no upload can be under way any more. */
async function expectNothingLeft({ generation_id, job_id }: Started): Promise<void> {
  await stack.until('the files to go', async () => {
    await stack.sql`update private.removed_objects set due_at = now() where due_at > now()`;
    await stack.sweep();
    const files = await stack.sql`select name from storage.objects where position(${user.id} in name) > 0`;
    return files.length === 0;
  });
  const rows = await stack.sql`
    select id::text from auth.users where id = ${user.id}
    union all select id::text from public.profiles where id = ${user.id}
    union all select id::text from public.image_generations where user_id = ${user.id} or id = ${generation_id}
    union all select id::text from public.images where user_id = ${user.id}
    union all select id::text from public.job_queue where id = ${job_id} or created_by = ${user.id}`;
  expect([...rows]).toEqual([]);
}

const ledger = ({ job_id }: Started) =>
  stack.sql<{ status: string | null; model: string; cost_usd: string | null }[]>`
    select status, model, cost_usd from private.predictions where job_id = ${job_id}`;

test('while the model runs: the prediction is cancelled', async () => {
  await stack.simulator.fault('runs', { hold: 'run' });
  const started = await start('runs');
  await stack.job(started.generation_id, 'awaiting its prediction', (job) => job.prediction_id !== null);
  await deleteUser();
  expect((await endedThere(started)).map(({ status }) => status)).toEqual(['canceled']);
  await expectNothingLeft(started);
  expect(await ledger(started)).toMatchObject([{ status: 'canceled' }]);
});

test('while its create is under way: what that creates is cancelled', async () => {
  await stack.simulator.fault('is created', { delay_ms: 1_500, hold: 'run' });
  const started = await start('is created');
  await stack.job(started.generation_id, 'under way', ({ status }) => status === 'processing');
  await deleteUser();
  expect((await endedThere(started)).map(({ status }) => status)).toEqual(['canceled']);
  await expectNothingLeft(started);
  expect(await ledger(started)).toMatchObject([{ status: 'canceled' }]);
});

test('while its image is stored: no file stays, and what was paid is known', async () => {
  await stack.simulator.faults([{ match: { endpoint: 'file' }, fault: { delay_ms: 1_500 } }]);
  await stack.supabase.fault({ path: 'rpc/finish_download' }, { delay_ms: 1 });
  const started = await start('is stored');
  await user.reaches(started.generation_id, 'downloading');
  await deleteUser();
  // The file lies in Storage by now, if nothing kept it out.
  await stack.until('the run to tell of its end', async () => {
    const [rule] = await stack.supabase.played();
    return (rule?.seen ?? 0) > 0;
  });
  await expectNothingLeft(started);
  expect(await ledger(started)).toMatchObject([{ status: 'succeeded', cost_usd: '0.003' }]);
});

test('while Storage is down: no file stays, and what was paid is known', async () => {
  await stack.simulator.fault('waits for Storage', { hold: 'run' });
  const started = await start('waits for Storage');
  await stack.job(started.generation_id, 'awaiting its prediction', (job) => job.prediction_id !== null);
  await stack.supabase.fault({ service: 'storage' }, { status: 503 });
  await stack.simulator.release();
  await stack.job(started.generation_id, 'put off', ({ status }) => status === 'pending', 'download-image');
  await deleteUser();
  await stack.supabase.heal();
  await expectNothingLeft(started);
  expect(await ledger(started)).toMatchObject([{ status: 'succeeded', cost_usd: '0.003' }]);
});

test('before anything is created: nothing is', async () => {
  await stack.sql`update private.provider_pause set until = now() + interval '1 hour', reason = 'throttled'`;
  const started = await start('waits for its turn');
  await deleteUser();
  await stack.sql`update private.provider_pause set until = '-infinity'`;
  await expectNothingLeft(started);
  await stack.processJobs();
  expect(await stack.simulator.predictions(started.job_id)).toEqual([]);
  expect([...(await ledger(started))]).toEqual([]);
});

test('with images that are made: their files go, and what they cost stays known', async () => {
  const started = await start('is made');
  const { images } = await user.completed(started.generation_id);
  const url = images[0]?.url ?? '';
  expect((await fetch(url)).status).toBe(200);
  await deleteUser();
  await expectNothingLeft(started);
  expect((await fetch(url)).ok).toBe(false);
  expect(await ledger(started)).toMatchObject([{ status: 'succeeded', cost_usd: '0.003' }]);
});
