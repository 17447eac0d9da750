import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

/** docs/operations/logs.md explains each line that the Workers write, and none that they do not. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TESTS = /(^|\/)(tests?|[a-z_]+_tests)\.rs$|\/tests?\//;
/** Where a line's text stands: what is written, what is kept to be written, and what a sweep could not do. */
const WRITTEN = [
  /\bconsole_(?:log|warn|error)!\(\s*"((?:[^"\\]|\\.)*)"/g,
  /\.(?:warn|alert)\(\s*"([^"]*)"/g,
  /\blet (?:what|\(what, \w+\)) = \(?"([^"]*)"/g,
  /\bfailures\.push\(format!\("([^"]*)"/g,
];

/** The text of a line without what is put into it: `x was not y: {error}` is `x was not y`. */
const fixed = (text: string) => text.replaceAll(/\{\w*\}/g, '').replace(/[: ]+$/, '');

function written(): { file: string; text: string }[] {
  const files = ['shared/src', 'functions'].flatMap((folder) =>
    fs.globSync(`${folder}/**/*.rs`, { cwd: ROOT, exclude: ['**/build/**', '**/target/**'] }),
  );
  return files.flatMap((name) => {
    const file = name.split(path.sep).join('/');
    if (TESTS.test(file)) return [];
    const [code = ''] = fs.readFileSync(path.join(ROOT, file), 'utf8').split('#[cfg(test)]\nmod tests {');
    const texts = WRITTEN.flatMap((form) => [...code.matchAll(form)].map(([, text = '']) => fixed(text)));
    return texts.filter((text) => text !== '').map((text) => ({ file, text }));
  });
}

/** The names in the first cell of each row. */
function explained(): string[] {
  const page = fs.readFileSync(path.join(ROOT, 'docs/operations/logs.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `') && !line.startsWith('| `what`'));
  const cells = rows.map((row) => row.split(' | ')[0]?.replace(/ of a `.*/, '') ?? '');
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
}

const LINES = written();
const NAMES = explained();

test('each line that is written is explained', () => {
  expect(LINES.length).toBeGreaterThan(40);
  // `configuration: …` is any line that begins so.
  const isMeant = (name: string, text: string) =>
    name.includes(text) || (name.endsWith(': …') && text.startsWith(name.slice(0, -1)));
  const missing = LINES.filter(({ text }) => !NAMES.some((name) => isMeant(name, text)));
  expect(missing).toEqual([]);
});

test('each line that is explained is written', () => {
  const names = NAMES.filter((name) => !name.startsWith('{'));
  expect(names.length).toBeGreaterThan(35);
  const gone = names.filter((name) => !LINES.some(({ text }) => name.includes(text)));
  expect(gone).toEqual([]);
});

/** What the JavaScript half of the Workers writes, in a process of its own: it changes that one's console. */
async function writes(code: string): Promise<{ log: Record<string, unknown>[]; points: unknown[] }> {
  const host = new URL('../../functions/edge/src/host.mjs', import.meta.url);
  const program = `
    const points = [];
    const env = { EVENTS: { writeDataPoint: (point) => points.push(point) } };
    const { note } = await import(${JSON.stringify(host)});
    ${code}
    process.stdout.write(JSON.stringify(points));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    program,
  ]);
  const [points = '', ...lines] = stdout.split('\n').reverse();
  const log = [...lines, ...stderr.split('\n')].filter((line) => line !== '').map((line) => JSON.parse(line));
  return { log, points: JSON.parse(points) };
}

const SWEEP = '{"level":"info","report":{"claimed":3,"duration_ms":12,"success":true},"what":"sweep"}';
const START = '{"batch_id":null,"generation_id":"g","level":"info","traceparent":null,"what":"start"}';

test('a line is a data point as well, where the binding is', async () => {
  const { log, points } = await writes(`note(env, ${JSON.stringify(`${START}\n${SWEEP}`)});`);
  expect(log).toHaveLength(2);
  expect(points).toEqual([
    { indexes: ['start'], blobs: ['start', 'info', '', 'g', ''], doubles: [] },
    { indexes: ['sweep'], blobs: ['sweep', 'info', 'true'], doubles: [3, 12] },
  ]);
});

test('without the binding, or with one that fails, the line is in the log', async () => {
  const { log } = await writes(`
    note({}, ${JSON.stringify(SWEEP)});
    note({ EVENTS: { writeDataPoint: () => { throw new Error('over the limit'); } } }, ${JSON.stringify(SWEEP)});`);
  expect(log).toEqual([JSON.parse(SWEEP), JSON.parse(SWEEP)]);
});

test('what Rust writes as a text is a line of JSON, too', async () => {
  const { log } = await writes(`
    console.warn('process-jobs was not woken: status 500: why');
    console.error('the live channel does not answer pings');
    console.error('panicked at src/x.rs\\nStack: y');
    console.error('{"level":"error","what":"x"}');`);
  expect(log).toEqual([
    { level: 'warn', what: 'process-jobs was not woken', detail: 'status 500: why' },
    { level: 'error', what: 'the live channel does not answer pings' },
    { level: 'error', what: 'panicked at src/x.rs\nStack', detail: 'y' },
    { level: 'error', what: 'x' },
  ]);
});
