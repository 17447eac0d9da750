import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { apply } from '../../scripts/move/apply.ts';
import { situationOf } from '../../scripts/move/findings.ts';
import { parseOptions } from '../../scripts/move/options.ts';
import { MIGRATIONS } from '../stack/testing.ts';
import { project } from './project.ts';

test('a migration that builds an index beside the traffic is moved like any other', async () => {
  const { url, sql } = await project();
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-index-'));
  await fs.cp(MIGRATIONS, folder, { recursive: true });
  const file = '20991231000000_index.sql';
  await fs.writeFile(
    path.join(folder, file),
    'create index concurrently images_moved on public.images (created_at);\n',
  );
  const options = parseOptions(['--database-url', url, '--apply'], {});
  if (!options) throw new Error('the help was not asked for');
  await apply(sql, await situationOf(sql), options, undefined, folder);
  const [index] =
    await sql`select indisvalid from pg_index where indexrelid = 'public.images_moved'::regclass`;
  expect(index?.indisvalid).toBe(true);
  await fs.rm(folder, { recursive: true });
});
