import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { project } from './project.ts';
import { snapshot } from './snapshot.ts';

// The commands of docs/guides/move-from-the-original.md, as they are written there.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = fs.readFileSync(path.join(ROOT, 'docs/guides/move-from-the-original.md'), 'utf8');
const COMMANDS = [...PAGE.matchAll(/^ *```sh\n(.*?)^ *```/gms)].flatMap(([, block = '']) =>
  block
    .trim()
    .split('\n')
    .map((line) => line.trim()),
);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'picture-queue-page-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** In a shell, with INIT_CWD as npm sets it to where it was called. */
async function shell(command: string, databaseUrl: string): Promise<string> {
  const env = { ...process.env, DATABASE_URL: databaseUrl };
  const line = command.replace('npm run ', `npm run --silent --prefix '${ROOT}' `);
  const { stdout } = await promisify(execFile)('sh', ['-c', line], { cwd: folder, env });
  return stdout;
}

test('they are five, after one that names the database', () => {
  expect(COMMANDS).toEqual([
    expect.stringMatching(/^export DATABASE_URL='postgresql:\/\/postgres:PASSWORD@/),
    'npm run move -- --dry-run',
    'npm run move -- --apply',
    'npm run move -- --undo',
    'npm run move -- --undo --put-changes-aside',
    'npm run move -- --finish',
  ]);
});

test('each does what the page says', async () => {
  const { url, sql, old } = await project('drop view public.multi_batches');
  const report = (action: string) => fs.readFileSync(path.join(folder, `move-${action}.md`), 'utf8');
  const [, look = '', apply = '', undo = '', aside = '', finish = ''] = COMMANDS;
  const before = await snapshot(sql);
  expect(await shell(look, url)).toContain('Nothing was changed.');
  expect(report('dry-run')).toContain('what would be done');
  expect(await snapshot(sql)).toEqual(before);
  expect(await shell(apply, url)).toContain('The rows are moved.');
  expect(await shell(undo, url)).toContain('Everything is as it was');
  expect(await snapshot(sql)).toEqual(before);
  await shell(apply, url);
  await sql`update public.images set is_favorite = true where id = ${old.named.newer ?? null}`;
  const refused = await shell(undo, url).catch((thrown) => thrown);
  expect(refused.stderr).toContain('public.images: 1 changed');
  expect(await shell(aside, url)).toContain('1 rows that were written since are kept');
  expect(report('undo')).toContain('| public.images | changed | 1 |');
  expect(await sql`select row_data ->> 'is_favorite' as is_favorite from picture_queue_undone.rows`).toEqual([
    { is_favorite: 'true' },
  ]);
  await shell(apply, url);
  expect(report('apply')).toContain('what was done');
  expect(await shell(finish, url)).toContain('The move is finished.');
  expect(report('finish')).toContain('- table `image_generations`');
});

test('so does each statement', async () => {
  const { sql, run } = await project();
  const [rename = '', off = '', on = '', ...more] = [...PAGE.matchAll(/^```sql\n(.*?)^```/gms)].map(
    ([, text = '']) => text,
  );
  expect(more).toEqual([]);
  const published = async (at: string) =>
    (await sql`select count(*)::int as n from public.images where starts_with(public_url, ${at})`)[0]?.n;
  const count = await published('https://old.supabase.co/');
  expect(count).toBeGreaterThan(5);
  await sql.unsafe(rename.replaceAll('OLD', 'old').replaceAll('NEW', 'new'));
  expect([await published('https://old.supabase.co/'), await published('https://new.supabase.co/')]).toEqual([
    0,
    count,
  ]);
  await run('apply');
  // One image is not carried, and one had no address.
  expect(await published('https://new.supabase.co/')).toBe(count);
  const since = async () => (await sql`select objects_since::text as at from private.storage_scan`)[0]?.at;
  await sql.unsafe(off);
  expect(await since()).toBe('infinity');
  await sql.unsafe(on);
  expect(Date.parse(await since())).toBeLessThanOrEqual(Date.now());
});

test('a mistake is told in a sentence, and the exit code says so', async () => {
  const { url } = await project('drop table public.image_generations cascade');
  const error = await shell('npm run move -- --apply', url).catch((thrown) => thrown);
  expect(error.code).toBe(1);
  expect(error.stderr).toMatch(/^✖ This database has no table public\.image_generations/);
  const unknown = await shell('npm run move -- --everything', url).catch((thrown) => thrown);
  expect(unknown.stderr).toContain('npm run move -- --help tells the options');
});
