import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { apply } from '../../scripts/move/apply.ts';
import { situationOf } from '../../scripts/move/findings.ts';
import { parseOptions } from '../../scripts/move/options.ts';
import { project } from './project.ts';
import { snapshot } from './snapshot.ts';

// The real Supabase CLI before, in the midst of and after a move. npm has a program of it for most machines; where it
// has none, the package says so when it is started.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const program = path.join(ROOT, 'node_modules/.bin/supabase');
const version = await promisify(execFile)(program, ['--version']).then(
  ({ stdout }) => stdout.trim(),
  () => undefined,
);
const home = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-cli-'));
afterAll(() => fs.rm(home, { recursive: true, force: true }));

const env = { ...process.env, HOME: home, SUPABASE_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };

/** `supabase db push`, as the page has it, to a server without TLS; answers all that it writes. */
async function push(url: string, ...more: string[]): Promise<string> {
  const args = ['db', 'push', `--remote=${url}?sslmode=disable`, '--workdir', ROOT, '--yes', ...more];
  const { stdout, stderr } = await promisify(execFile)(program, args, { env }).catch((error) => error);
  return `${stdout}${stderr}`;
}

describe.runIf(version)('the Supabase CLI', () => {
  test('refuses to push into the old project, and finds all pushed after the move', async () => {
    const { url, run } = await project();
    expect(await push(url)).toContain('Remote migration versions not found in local migrations directory');
    await run('apply');
    expect(await push(url)).toContain('Remote database is up to date');
  });

  test('has the commands that the page names', async () => {
    const page = await fs.readFile(path.join(ROOT, 'docs/guides/move-from-the-original.md'), 'utf8');
    const named = [...page.matchAll(/`(?:npx )?supabase ([^`]+)`/g)].map(([, command = '']) => command);
    expect(named).toEqual([
      'functions delete process-jobs --remote=PROJECT',
      'db push --remote="$DATABASE_URL" --yes',
    ]);
    for (const command of named) {
      const words = command.split(' ');
      const { stdout } = await promisify(execFile)(program, [...words.slice(0, 2), '--help'], { env });
      expect(stdout).toContain(`supabase ${words.slice(0, 2).join(' ')} [flags]`);
      for (const [flag] of command.matchAll(/--[a-z-]+/g)) expect(stdout).toContain(flag);
    }
  });

  test('pushes what a cut move has not pushed, and the move goes on', async () => {
    const { url, sql, run } = await project();
    const before = await snapshot(sql);
    const broken = path.join(home, 'migrations');
    await fs.mkdir(broken);
    await fs.writeFile(path.join(broken, '20261124000100_broken.sql'), 'select 1 / 0');
    const options = parseOptions(['--database-url', url, '--apply'], {});
    if (!options) throw new Error('the help was not asked for');
    await expect(apply(sql, await situationOf(sql), options, undefined, broken)).rejects.toThrow(
      'division by zero',
    );
    expect(await push(url)).toContain('Applying migration 20261124001100_api.sql');
    await run('apply');
    expect(await push(url)).toContain('Remote database is up to date');
    await run('undo');
    expect(await snapshot(sql)).toEqual(before);
  });
});

test('npm has it for this machine, or has no program of it', async () => {
  const { devDependencies } = JSON.parse(await fs.readFile(path.join(ROOT, 'package.json'), 'utf8'));
  const { glibcVersionRuntime } = (process.report.getReport() as { header: Record<string, unknown> }).header;
  const isCertain =
    process.platform === 'linux' && process.arch === 'x64' && glibcVersionRuntime !== undefined;
  expect(version).toBe(isCertain || version ? devDependencies.supabase : undefined);
});
