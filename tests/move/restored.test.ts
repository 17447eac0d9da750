import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { createDatabase } from '../stack/testing.ts';
import { project, runner } from './project.ts';
import { canDump, snapshot } from './snapshot.ts';

// A move knows what is there by its ids. A dump and restore gives new ones, an upgrade of the server to some.

const BACKUP = 'only the backup from before it brings the old state back';
const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-restored-'));
afterAll(() => fs.rm(folder, { recursive: true, force: true }));

test.runIf(canDump)('a database that was restored since is not taken back', async () => {
  const { superuserUrl, run } = await project();
  await run('apply');
  const copy = await createDatabase('template0');
  const file = path.join(folder, 'dump.sql');
  const program = (name: string) => path.join(process.env.POSTGRES_BIN ?? '', name);
  await promisify(execFile)(program('pg_dump'), ['--dbname', superuserUrl, '--file', file]);
  await promisify(execFile)(program('psql'), ['--quiet', '--file', file, copy.superuserUrl], {
    maxBuffer: 1 << 26,
  });
  await expect(runner(copy.url).run('undo')).rejects.toThrow(BACKUP);
  await expect(runner(copy.url).run('undo', '--put-changes-aside')).rejects.toThrow(BACKUP);
  await runner(copy.url).run('finish', '--drop-left-aside');
});

test('one in which an object has another id since is not taken back', async () => {
  const { sql, run } = await project();
  await run('apply');
  const [policy] =
    await sql`select polname as name, pg_get_expr(polqual, polrelid) as expression from pg_policy
    where polrelid = 'public.profiles'::regclass or polrelid = 'public.images'::regclass order by polname limit 1`;
  await sql.unsafe(`drop policy "${policy?.name}" on public.images;
    create policy "${policy?.name}" on public.images using (${policy?.expression})`);
  const there = await snapshot(sql);
  await expect(run('undo')).rejects.toThrow(BACKUP);
  await sql`drop policy ${sql(policy?.name)} on public.images`;
  await run('undo');
  expect(there).not.toEqual(await snapshot(sql));
  await run('apply');
  await sql`update picture_queue_move.moved set id = 1 where name = 'images'`;
  await expect(run('undo')).rejects.toThrow('table original.images');
});
