import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import { isAlive } from '../../dev/stack/processes.ts';
import type { StackAddresses } from '../../dev/stack/stack.ts';

const MAIN = fileURLToPath(new URL('fixtures/main.ts', import.meta.url));
const KEYS = [
  'supabaseUrl',
  'anonKey',
  'serviceRoleKey',
  'jwtSecret',
  'databaseUrl',
  'startGenerationUrl',
  'processGenerationUrl',
  'processJobsUrl',
  'replicateUrl',
  'replicateApiToken',
  'replicateWebhookSecret',
  'publishableKey',
  'secretKey',
];

interface StackProcess {
  child: ChildProcess;
  addresses: StackAddresses;
  stdout: () => string;
  stderr: () => string;
  processes: () => Promise<Record<string, number>>;
}

let dir: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'stack-'));
  await fs.chmod(dir, 0o755); // as root Postgres runs as another user
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGTERM');
    await ended(child);
  }
  await fs.rm(dir, { recursive: true, force: true });
});

function spawnStack(args: string[], env: Record<string, string> = {}) {
  const { SUPABASE_URL: _, REPLICATE_API_TOKEN: __, ...inherited } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...inherited, ...env } });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return { child, stdout: () => stdout, stderr: () => stderr };
}

async function startStack(
  args: string[] = [],
  env?: Record<string, string>,
  at = dir,
): Promise<StackProcess> {
  const stack = spawnStack(['--dir', at, '--no-cron', ...args], env);
  const addresses = await new Promise<StackAddresses>((resolve, reject) => {
    stack.child.stdout.on('data', () => stack.stdout().includes('\n') && resolve(JSON.parse(stack.stdout())));
    stack.child.once('exit', (code) => reject(new Error(`the stack ended with ${code}: ${stack.stderr()}`)));
  });
  const processes = async () => JSON.parse(await fs.readFile(path.join(at, 'processes.json'), 'utf8'));
  return { ...stack, addresses, processes };
}

const ended = (child: ChildProcess) =>
  child.exitCode === null && child.signalCode === null
    ? new Promise<number | null>((resolve) => child.once('exit', resolve))
    : child.exitCode;

const write = async ({ databaseUrl }: StackAddresses, entry: string) => {
  const sql = client(databaseUrl);
  await sql`insert into public.audit values (${entry})`;
  await sql.end();
};
const entries = async ({ databaseUrl }: StackAddresses) => {
  const sql = client(databaseUrl);
  const rows = await sql<{ entry: string }[]>`select entry from public.audit order by entry`;
  await sql.end();
  return rows.map(({ entry }) => entry);
};

test('one line of JSON, everything answers, SIGTERM leaves no process behind', async () => {
  const stack = await startStack();
  const { addresses } = stack;
  expect(Object.keys(addresses)).toEqual(KEYS);
  expect(Object.values(addresses).every((value) => value !== '')).toBe(true);
  const rpc = await fetch(`${addresses.supabaseUrl}/rest/v1/rpc/add`, {
    method: 'POST',
    headers: { apikey: addresses.anonKey },
    body: '{"a": 1}',
  });
  expect(await rpc.text()).toBe('11');
  expect(await (await fetch(`${addresses.startGenerationUrl}/upstream`)).json()).toEqual({ keys: [] });
  const replicate = await fetch(`${addresses.replicateUrl}/v1/predictions`, {
    headers: { authorization: `Bearer ${addresses.replicateApiToken}` },
  });
  expect(replicate.status).toBe(200);
  const pids = Object.values(await stack.processes());
  expect(pids).toHaveLength(4);
  stack.child.kill('SIGTERM');
  expect(await ended(stack.child)).toBe(0);
  expect(pids.filter(isAlive)).toEqual([]);
  expect(stack.stdout().trim().split('\n')).toHaveLength(1);
}, 60_000);

test('SIGTERM ends a stack whose log nobody reads any more', async () => {
  const stack = await startStack();
  const pids = Object.values(await stack.processes());
  stack.child.stderr?.destroy();
  stack.child.kill('SIGTERM');
  expect(await Promise.race([ended(stack.child), sleep(20_000)])).toBe(0);
  expect(pids.filter(isAlive)).toEqual([]);
}, 60_000);

test('SIGKILL and a new start on the same directory lose nothing', async () => {
  const first = await startStack();
  await write(first.addresses, 'before the kill');
  const pids = Object.values(await first.processes());
  first.child.kill('SIGKILL');
  const second = await startStack(); // at once: what is left of the first is in its way
  expect(second.addresses).toEqual(first.addresses);
  expect(await entries(second.addresses)).toEqual(['before the kill']);
  expect(pids.filter(isAlive)).toEqual([]);
}, 60_000);

test('SIGKILL leaves no process behind', async () => {
  const stack = await startStack();
  const pids = Object.values(await stack.processes());
  stack.child.kill('SIGKILL');
  await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([]);
}, 60_000);

test('Postgres killed under the stack comes back with what was committed', async () => {
  const stack = await startStack();
  await write(stack.addresses, 'committed');
  process.kill((await stack.processes()).postgres ?? 0, 'SIGKILL');
  const call = async () => {
    const answer = await fetch(`${stack.addresses.supabaseUrl}/rest/v1/audit?select=entry`, {
      headers: { apikey: stack.addresses.serviceRoleKey },
    });
    return answer.json();
  };
  await expect.poll(() => stack.stderr(), { timeout: 20_000 }).toContain('Postgres runs again');
  await expect
    .poll(call, { timeout: 20_000 })
    .toEqual([{ entry: 'committed' }])
    .catch((error: Error) => {
      throw new Error(`the stack said:\n${stack.stderr()}`, { cause: error });
    });
}, 60_000);

test('two stacks run side by side; --fresh empties one', async () => {
  const other = path.join(dir, 'other');
  const first = await startStack();
  const second = await startStack([], {}, other);
  await write(first.addresses, 'first');
  await write(second.addresses, 'second');
  expect([await entries(first.addresses), await entries(second.addresses)]).toEqual([['first'], ['second']]);
  expect(second.addresses.jwtSecret).not.toBe(first.addresses.jwtSecret);
  second.child.kill('SIGINT');
  expect(await ended(second.child)).toBe(0);
  const fresh = await startStack(['--fresh'], {}, other);
  expect(await entries(fresh.addresses)).toEqual([]);
  expect(await entries(first.addresses)).toEqual(['first']);
}, 90_000);

test('a second stack on the same directory and a taken port are refused in one sentence', async () => {
  const { addresses } = await startStack();
  const refusal = async (args: string[]) => {
    const stack = spawnStack(args);
    expect(await ended(stack.child)).toBe(1);
    expect(stack.stdout()).toBe('');
    return stack.stderr();
  };
  expect(await refusal(['--dir', dir])).toMatch(
    /^\[stack\] Another stack \(process \d+\) runs on .*--dir\.\n$/,
  );
  const { port } = new URL(addresses.supabaseUrl);
  const taken = await refusal(['--dir', path.join(dir, 'other'), '--port-base', port]);
  expect(taken).toMatch(new RegExp(`^\\[stack\\] Port ${port} is taken; .*--port-base.*\\n$`));
}, 60_000);

test('the workers get what the environment says, and start-generation no key of power', async () => {
  const options = ['--wake', 'off'];
  const { addresses } = await startStack([...options, '--replicate-url', 'http://127.0.0.1:9/v1/'], {
    ALLOWED_ORIGINS: 'https://app.example',
    REPLICATE_API_TOKEN: 'r8_given',
    REPLICATE_WEBHOOK_SECRET: 'whsec_given',
    SUPABASE_JWT_SECRET: 'a-secret-from-outside-with-more-than-32-characters',
  });
  expect(addresses).toMatchObject({
    replicateUrl: 'http://127.0.0.1:9',
    replicateApiToken: 'r8_given',
    replicateWebhookSecret: 'whsec_given',
    jwtSecret: 'a-secret-from-outside-with-more-than-32-characters',
  });
  expect(await (await fetch(`${addresses.startGenerationUrl}/env`)).json()).toEqual({
    SUPABASE_URL: addresses.supabaseUrl,
    SUPABASE_ANON_KEY: addresses.publishableKey,
    SUPABASE_JWT_SECRET: addresses.jwtSecret,
    ALLOWED_ORIGINS: 'https://app.example',
    WAKE: 'off',
  });
}, 60_000);

test('a Supabase project elsewhere is used as it is', async () => {
  const { addresses, processes } = await startStack([], {
    SUPABASE_URL: 'http://127.0.0.1:9/',
    SUPABASE_ANON_KEY: 'anon',
    SUPABASE_SERVICE_ROLE_KEY: 'service',
  });
  expect(addresses).toMatchObject({ supabaseUrl: 'http://127.0.0.1:9', anonKey: 'anon', databaseUrl: '' });
  expect(Object.keys(await processes()).sort()).toEqual(['simulator', 'stack', 'workerd']);
}, 60_000);

test.each([
  [['--no-such'], "Unknown option '--no-such'"],
  [['--port-base', 'x'], '--port-base takes a number'],
  [['--wake', 'maybe'], '--wake takes on or off'],
  [['--api-keys', 'both'], '--api-keys takes legacy or new'],
  [['--user-tokens', 'none'], '--user-tokens takes ES256 or HS256'],
  [['--rate-limit', '0'], '--rate-limit takes a number'],
  [['--replicate-url', 'ftp://x'], 'is not an http or https URL'],
])('%j is refused', async (args, sentence) => {
  const { child, stderr } = spawnStack(args);
  expect(await ended(child)).toBe(1);
  expect(stderr()).toContain(sentence);
  expect(stderr().trim().split('\n')).toHaveLength(1);
});
