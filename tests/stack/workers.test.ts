import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../dev/stack/ports.ts';
import { type RunningWorkers, startWorkers } from '../../dev/stack/workers/index.ts';

const wranglerToml = fileURLToPath(new URL('fixtures/wrangler.toml', import.meta.url));
const log: string[] = [];
let dir: string;
let workers: RunningWorkers;

const options = async (toml = wranglerToml) => ({
  wranglerToml: toml,
  ports: {
    'start-generation': await freePort(),
    'process-generation': await freePort(),
    'process-jobs': await freePort(),
  },
  cronPort: await freePort(),
  vars: { 'start-generation': { SUPABASE_URL: 'http://127.0.0.1:9', ODD: 'a "b" \\ c\nd é' } },
  dir,
  cron: false,
  log: (line: string) => log.push(line),
});

beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'workers-'));
  workers = await startWorkers(await options());
}, 60_000);

afterAll(async () => {
  await workers?.stop();
  await fs.rm(dir, { recursive: true });
});

const get = async (env: string, at = '/') => (await fetch(workers.urls[env] + at)).text();

test('each worker answers on its own port, modules it imports included', async () => {
  expect(await get('start-generation')).toBe('HELLO');
  expect(await get('process-generation')).toBe('generation');
});

test('variables of the stack win over those of wrangler.toml', async () => {
  expect(JSON.parse(await get('start-generation', '/env'))).toEqual({
    SUPABASE_URL: 'http://127.0.0.1:9',
    ALLOWED_ORIGINS: '*',
    ODD: 'a "b" \\ c\nd é',
  });
});

test('a service binding brings its props, a caller from outside has none', async () => {
  expect(JSON.parse(await get('start-generation', '/wake')).props).toEqual({ caller: 'start-generation' });
  expect(JSON.parse(await get('process-jobs')).props).toEqual({});
});

test('a rate limit counts each key for itself', async () => {
  const ask = async (key: string, times: number) => {
    const answers: string[] = [];
    for (let n = 0; n < times; n += 1) answers.push(await get('start-generation', `/limit/${key}`));
    return answers;
  };
  // The name is the one at Cloudflare; the crate worker refuses any other.
  expect(await ask('a', 4)).toEqual([
    'Ratelimit true',
    'Ratelimit true',
    'Ratelimit false',
    'Ratelimit false',
  ]);
  expect(await ask('b', 1)).toEqual(['Ratelimit true']);
});

test('a scheduled event arrives, and what the worker logs too', async () => {
  const time = new Date('2026-11-24T09:31:00Z');
  expect(await workers.scheduled('process-jobs', '* * * * *', time)).toMatchObject({ outcome: 'ok' });
  expect(JSON.parse(await get('process-jobs')).events).toEqual([{ cron: '* * * * *', at: time.getTime() }]);
  await expect.poll(() => log).toContain(`scheduled at ${time.getTime()}`);
});

test('workerd that dies is started again; Durable Objects keep what they stored', async () => {
  expect(await get('process-jobs', '/count')).toBe('1');
  const { pid } = workers;
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => log, { timeout: 20_000 }).toContain('workerd runs again');
  expect(workers.pid).not.toBe(pid);
  expect(log).toContain('workerd ended (SIGKILL); it is started again');
  expect(await get('process-jobs', '/count')).toBe('2');
}, 30_000);

test.each([
  [
    'a worker that is not built',
    (toml: string) => toml.replace('workers/start.js', 'workers/none.js'),
    'start-generation is not built',
  ],
  ['bad TOML', () => '[env', 'cannot be used'],
  [
    'an environment that is missing',
    (toml: string) => toml.replace('[env.process-jobs]', '[env.other]'),
    'process-jobs',
  ],
  [
    'a binding the stack does not have',
    (toml: string) => `${toml}\n[[env.process-jobs.kv_namespaces]]\nbinding = "KV"\nid = "x"\n`,
    'kv_namespaces',
  ],
])(
  '%s is one clear sentence',
  async (_, change, sentence) => {
    const changed = path.join(path.dirname(wranglerToml), `wrangler-${process.pid}.toml`);
    await fs.writeFile(changed, change(await fs.readFile(wranglerToml, 'utf8')));
    try {
      await expect(startWorkers(await options(changed))).rejects.toThrow(sentence);
    } finally {
      await fs.rm(changed);
    }
  },
  30_000,
);

test('reload() runs what is built now; what cannot be used leaves the old one running', async () => {
  const copy = path.join(dir, 'copy');
  await fs.cp(path.dirname(wranglerToml), copy, { recursive: true });
  const toml = path.join(copy, 'wrangler.toml');
  const shout = path.join(copy, 'workers/shout.js');
  const own = await startWorkers({ ...(await options(toml)), dir: path.join(dir, 'reloaded') });
  const ask = (env: string, at = '/') =>
    fetch(own.urls[env] + at).then(
      (answer) => answer.text(),
      () => 'nobody listens',
    );
  const answers = (text: string) =>
    expect.poll(() => ask('start-generation'), { timeout: 20_000 }).toBe(text);
  try {
    expect(await ask('process-jobs', '/count')).toBe('1');
    await fs.writeFile(shout, 'export const shout = (text) => text + ", new";');
    expect(await ask('start-generation')).toBe('HELLO');
    await own.reload();
    await answers('hello, new');
    expect(await ask('process-jobs', '/count')).toBe('2');

    const content = await fs.readFile(toml, 'utf8');
    await fs.writeFile(toml, '[env');
    await expect(own.reload()).rejects.toThrow('cannot be used');
    expect(await ask('start-generation')).toBe('hello, new');
    await fs.writeFile(toml, content);

    await fs.writeFile(shout, 'throw new Error("at the start");');
    await own.reload();
    await expect
      .poll(() => log, { timeout: 20_000 })
      .toContainEqual(expect.stringContaining('did not start'));
    await fs.writeFile(shout, 'export const shout = (text) => text + ", mended";');
    await own.reload();
    await answers('hello, mended');
  } finally {
    await own.stop();
  }
}, 60_000);
