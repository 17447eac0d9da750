import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

const { scripts } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
/** Writes a file and takes no options; and vitest's own. */
const WITHOUT_HELP = ['client:types', 'test:scale'];
/** Of Rust: to ask them, they would have to be compiled. */
const XTASKS = Object.keys(scripts).filter((name) => scripts[name].startsWith('exec cargo xtask '));
const COMMANDS = Object.keys(scripts).filter((name) => ![...WITHOUT_HELP, ...XTASKS].includes(name));

test.each(COMMANDS)('npm run %s -- --help tells what it does, and does nothing', async (name) => {
  const [, file = '', ...args] = scripts[name].replace(/^exec /, '').split(' ');
  const { stdout } = await run(process.execPath, [file, ...args, '--help'], { cwd: ROOT, timeout: 20_000 });
  const own = { start: 'npm start', test: 'npm test', 'bench:queue': file, 'bench:path': file }[name];
  expect(stdout).toContain(own ?? `npm run ${name}`);
  expect(stdout.split('\n').length).toBeGreaterThan(2);
});

test('the help of cargo xtask names what npm run calls', () => {
  const source = fs.readFileSync(path.join(ROOT, 'xtask/src/main.rs'), 'utf8');
  expect(XTASKS.length).toBeGreaterThan(2);
  expect(XTASKS.filter((name) => !source.includes(`(npm run ${name})`))).toEqual([]);
});

test('docs/reference/commands.md names every command', () => {
  const page = fs.readFileSync(path.join(ROOT, 'docs/reference/commands.md'), 'utf8');
  const missing = Object.keys(scripts).filter(
    (name) => !new RegExp(`\`npm (run (-s )?)?${name}[\` ]`).test(page),
  );
  expect(missing).toEqual([]);
});
