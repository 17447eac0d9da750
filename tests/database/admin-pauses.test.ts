import { beforeEach, expect, test } from 'vitest';
import { Admin } from './admin-support.ts';
import { stopped } from './stopped.ts';
import { Database, MODEL } from './support.ts';

// What a pause leaves alone, and what it may not wait for.
const db = await Database.open();
const admin = await Admin.open(db);
const p_reason = 'because';
beforeEach(() => db.clear());

test('a paused queue ends what was begun: what is made is stored, stopped, told', async () => {
  const ending = ['cancel-prediction', 'download-image', 'process-webhook'];
  await admin.call('admin_pause', { p_what: 'queue', p_reason });
  for (const p_job_type of [...ending, 'work'])
    await db.service('enqueue_job', { p_job_type, p_payload: {} });
  const types = (await db.claim(10)).map((job) => job.job_type);
  expect(types.sort()).toEqual(ending);
  await admin.call('admin_resume', { p_what: 'queue', p_reason });
  expect((await db.claim(10)).map((job) => job.job_type)).toEqual(['work']);
});

test('a claim that puts off a paused model’s images waits for nobody’s slot', async () => {
  const users = await Promise.all([0, 1, 2].map(() => db.createUser()));
  const [first, second, third] = users.sort() as [string, string, string];
  const enqueue = (ids: string[]) =>
    db.service('enqueue_jobs', {
      p_jobs: ids.map((user_id) => ({
        job_type: 'generate-image',
        payload: { user_id, model_id: MODEL, prompt: 'x' },
      })),
    });
  await enqueue([third]);
  await enqueue([first]);
  await admin.call('admin_pause', { p_what: 'model', p_name: MODEL, p_reason });
  const jobs = JSON.stringify([{ job_type: 'generate-image', payload: { user_id: second } }]);
  // Somebody holds the second user's slots; the start of all three has the first one's, and waits.
  await stopped(db, (sql) => sql`select public.enqueue_jobs(${jobs}::text::jsonb)`, [
    () => enqueue([first, second, third]),
    () => db.claim(1),
  ]);
  await admin.call('admin_resume', { p_what: 'model', p_name: MODEL, p_reason });
});
