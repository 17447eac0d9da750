import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Database } from '../database/support.ts';
import { COMMANDS, CURL } from './commands.ts';
import { PAGE } from './exceptions.ts';

/** The original's verification commands, each with its result or a documented difference. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const db = await Database.open();

/** Runs a command as it is written: the schema's name is left out, as in the SQL editor. */
const run = async (name: keyof typeof COMMANDS, job = '') =>
  [...(await db.sql.unsafe(COMMANDS[name]?.sql.replace('{job}', job) ?? ''))] as Record<string, unknown>[];

const refused = (name: keyof typeof COMMANDS) => run(name).catch((error: Error) => error.message);

test('enqueue_job, claim_next_job and complete_job take a job from its start to its end', async () => {
  expect(await run('claim'), 'there is nothing to claim').toEqual([]);
  const [enqueued] = await run('enqueue');
  const id = enqueued?.enqueue_job as string;
  expect(id).toMatch(/^[0-9a-f]{8}-/);
  expect(await run('pending')).toEqual([{ count: '1' }]);
  const [claimed] = await run('claim');
  expect(claimed).toMatchObject({ id, job_type: 'generate-image', status: 'processing', payload: {} });
  expect(Object.keys(claimed ?? {})).toEqual(
    expect.arrayContaining([
      ...['id', 'job_type', 'payload', 'status', 'attempts', 'max_attempts', 'scheduled_at', 'started_at'],
      ...[
        'completed_at',
        'error_message',
        'error_details',
        'created_by',
        'priority',
        'created_at',
        'updated_at',
      ],
    ]),
  );
  await run('complete', id);
  const [job] = await db.sql`select status from public.job_queue where id = ${id}`;
  expect(job?.status).toBe('completed');
  expect(await run('pending')).toEqual([{ count: '0' }]);
});

test('complete_job of a job that does not exist', async () => {
  expect(await refused('completeUnknown')).toMatch(/Job not found/);
});

describe('the views', () => {
  test('queue_health has counts by type and status', async () => {
    const [row] = await run('health');
    expect(row).toMatchObject({ job_type: 'generate-image', status: 'completed', count: '1' });
    expect(Object.keys(row ?? {})).toEqual(
      expect.arrayContaining(['oldest_job', 'newest_job', 'avg_duration_seconds', 'avg_attempts']),
    );
  });

  test('failed_jobs_recent has what failed', async () => {
    const [enqueued] = await run('enqueue');
    const id = enqueued?.enqueue_job as string;
    await db.sql`update public.job_queue set max_attempts = 1 where id = ${id}`;
    await run('claim');
    await db.sql`select complete_job(${id}, 'Out of paint.')`;
    const [row] = await run('failed');
    expect(row).toMatchObject({ id, error_message: 'Out of paint.' });
    expect(Object.keys(row ?? {})).toEqual([
      ...['id', 'job_type', 'payload', 'attempts', 'error_message', 'created_at', 'completed_at'],
    ]);
    expect(await run('tenFailed')).toEqual([row]);
  });

  test('stuck_jobs has what has run for more than ten minutes', async () => {
    expect(await run('stuck')).toEqual([]);
    const [enqueued] = await run('enqueue');
    await run('claim');
    await db.sql`update public.job_queue set started_at = now() - interval '11 minutes'
      where id = ${enqueued?.enqueue_job as string}`;
    const [row] = await run('stuck');
    expect(row).toMatchObject({ id: enqueued?.enqueue_job });
    expect(Number(row?.minutes_stuck)).toBeGreaterThan(10);
  });
});

test('there is no pg_cron job', async () => {
  for (const name of ['cron', 'cronRuns']) expect(await refused(name)).toMatch(/relation "cron\./);
});

test('the page for those who move names each difference', async () => {
  const page = await fs.readFile(path.join(ROOT, PAGE), 'utf8');
  for (const { differs } of [...Object.values(COMMANDS), CURL]) {
    if (differs) expect(page).toContain(differs);
  }
});
