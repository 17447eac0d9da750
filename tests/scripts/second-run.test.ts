import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runTests } from '../../scripts/second-run.mjs';

let dir: string;
beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'second-run-'));
});
afterEach(() => fs.rm(dir, { recursive: true, force: true }));

/** vitest itself on tests of this folder; gives the exit code and the files of each run. */
async function play(tests: Record<string, string>): Promise<{ code: number; runs: string[][] }> {
  for (const [name, body] of Object.entries(tests)) {
    const text = `import fs from 'node:fs';\ntest('one', () => {${body}});\n`;
    await fs.writeFile(path.join(dir, `${name}.test.mjs`), text);
  }
  const runs: string[][] = [];
  const run = async (command: string, args: string[]) => {
    runs.push(args.filter((arg) => arg.endsWith('.test.mjs')).map((file) => path.basename(file)));
    const child = spawn(command, [...args, '--globals', '--root', dir], {
      stdio: 'ignore',
    });
    const [code] = await once(child, 'close');
    return code as number;
  };
  return { code: await runTests([], {}, run), runs };
}

const FAILS_ONCE = (mark: string) =>
  `if (!fs.existsSync('${mark}')) { fs.writeFileSync('${mark}', ''); expect(1).toBe(2); }`;

test('what fails once passes alone, and nothing else runs again', async () => {
  const { code, runs } = await play({ steady: '', once: FAILS_ONCE(path.join(dir, 'mark')) });
  expect(code).toBe(0);
  expect(runs).toEqual([[], ['once.test.mjs']]);
});

test('what fails twice fails', async () => {
  const { code, runs } = await play({ steady: '', broken: 'expect(1).toBe(2);' });
  expect(code).not.toBe(0);
  expect(runs).toEqual([[], ['broken.test.mjs']]);
});

test('many failures have one reason: they do not run again', async () => {
  const { code, runs } = await play(
    Object.fromEntries([1, 2, 3, 4].map((n) => [`once${n}`, FAILS_ONCE(path.join(dir, `mark${n}`))])),
  );
  expect(code).not.toBe(0);
  expect(runs).toHaveLength(1);
});
