import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test, vi } from 'vitest';
import { project } from './project.ts';
import { snapshot } from './snapshot.ts';

// The command itself, killed in the midst of each step, while its statement waits for a table that somebody else uses.
// It is run again at once: the server may not have noticed yet.

const MAIN = fileURLToPath(new URL('../../scripts/move/main.ts', import.meta.url));
const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-killed-'));
afterAll(() => fs.rm(folder, { recursive: true, force: true }));
// Nothing of the app's is left aside: a finish asks for nothing.
const { url, sql, run } = await project('drop view public.multi_batches');
const before = await snapshot(sql);

/** Runs the command until it waits for a lock, or has said a text; kills it then, and answers what it has said. */
async function killed(action: 'apply' | 'undo' | 'finish', text?: string): Promise<string> {
  const report = path.join(folder, 'report.md');
  const child = spawn(process.execPath, [MAIN, '--database-url', url, `--${action}`, '--report', report]);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  await vi.waitFor(
    async () => {
      if (text !== undefined) return expect(said).toContain(text);
      const waiting = await sql`select from pg_stat_activity
        where datname = current_database() and application_name = 'picture-queue move' and wait_event_type = 'Lock'`;
      expect(waiting.length, said).toBe(1);
    },
    { timeout: 120_000, interval: 20 },
  );
  child.kill('SIGKILL');
  await ended;
  return said;
}

/** Holds a lock until the command waits for it and is killed. */
const cut = (action: 'apply' | 'undo' | 'finish', lock: string) =>
  sql.begin(async (inner) => {
    await inner.unsafe(`lock table ${lock} mode`);
    return killed(action);
  });

test('it is taken up by the next run, wherever it was killed', async () => {
  // Each lock is one that the steps before do not ask for.
  await cut('apply', 'public.images in access share');
  expect(await snapshot(sql)).toEqual(before);
  expect(await cut('apply', 'storage.buckets in share')).toContain('✓ aside');
  expect(await cut('apply', 'original.images in access exclusive')).toContain('✓ push');
  expect(await cut('apply', 'public.image_tags in access share')).toContain('✓ copy');
  await killed('apply', '✓ repoint');
  await run('apply');
  await cut('undo', 'public.images in access share');
  await run('undo');
  expect(await snapshot(sql)).toEqual(before);
});

test('so is the finish', async () => {
  await run('apply');
  await cut('finish', 'original.images in access share');
  await run('finish');
  expect(await sql`select to_regnamespace('original') as original`).toEqual([{ original: null }]);
});
