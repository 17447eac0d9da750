import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import {
  complaints,
  MANIFEST,
  manifestOf,
  readFolder,
  readManifest,
} from '../../scripts/migrations/released.ts';

const SUPABASE = fileURLToPath(new URL('../../supabase', import.meta.url));

test('every released migration is what it was: a change goes into a new one', async () => {
  const released = await readManifest(SUPABASE);
  expect(released.size).toBeGreaterThan(0);
  expect(complaints(released, await readFolder(SUPABASE))).toEqual([]);
});

let supabase: string;

beforeEach(async () => {
  supabase = await fs.mkdtemp(path.join(os.tmpdir(), 'released-'));
  await fs.mkdir(path.join(supabase, 'migrations'));
  await write('1_first.sql', 'select 1;');
  await write('3_third.sql', 'select 3;');
  await fs.writeFile(path.join(supabase, MANIFEST), manifestOf(await readFolder(supabase)));
  return () => fs.rm(supabase, { recursive: true });
});

const write = (file: string, sql: string) => fs.writeFile(path.join(supabase, 'migrations', file), sql);
const said = async () => complaints(await readManifest(supabase), await readFolder(supabase));

test('what is noted is what sha256sum checks', async () => {
  const [command, ...args] = process.platform === 'darwin' ? ['shasum', '-a', '256'] : ['sha256sum'];
  const checked = execFileSync(command, [...args, '-c', MANIFEST], { cwd: supabase, encoding: 'utf8' });
  expect(checked).toBe('migrations/1_first.sql: OK\nmigrations/3_third.sql: OK\n');
});

test('a new one behind the others is welcome', async () => {
  await write('4_fourth.sql', 'select 4;');
  expect(await said()).toEqual([]);
});

test('one that was changed, one that is gone and one that comes too early are named', async () => {
  await write('1_first.sql', 'select 2;');
  await fs.rm(path.join(supabase, 'migrations/3_third.sql'));
  await write('2_second.sql', 'select 2;');
  expect(await said()).toEqual([
    '1_first.sql was changed. It is released, and databases have run it: migrations only go forward. Restore it (git checkout), and put the change into a new migration.',
    '3_third.sql has disappeared. It is released, and databases have run it: migrations only go forward. Restore it (git checkout), and undo what it does in a new migration.',
    '2_second.sql is new and comes before 3_third.sql, which is released: give it a higher number, or databases that have that one will not take it.',
  ]);
});

test('a manifest that somebody has edited is not taken for less', async () => {
  await fs.appendFile(path.join(supabase, MANIFEST), 'something else\n');
  await expect(said()).rejects.toThrow('has a line that is none of its own: something else');
});
