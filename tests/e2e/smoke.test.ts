import { spawn } from 'node:child_process';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { PROJECT_ROOT } from '../../dev/stack/options.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { type Options, parseOptions } from '../../scripts/smoke/options.ts';
import { type Report, run } from '../../scripts/smoke/run.ts';
import { STEPS } from '../../scripts/smoke/steps/index.ts';
import { createSupabase } from '../stack/testing.ts';
import { type CountingProxy, type Intervention, startProxy } from './support/proxy.ts';
import { TestStack } from './support/stack.ts';

/**
 * `npm run smoke` against the local stack: it passes where everything is in order, and each step fails, with what to
 * do, where its part is not. What cannot be broken in a stack that runs is broken by a proxy in front of Supabase.
 */

let supabase: RunningSupabase;
let proxy: CountingProxy;
let stack: TestStack;
let intervene: Intervention = () => undefined;

beforeAll(async () => {
  supabase = await createSupabase();
  proxy = await startProxy(supabase.url, (request, headers) => intervene(request, headers));
  stack = await TestStack.start({
    env: {
      SUPABASE_URL: proxy.url,
      SUPABASE_ANON_KEY: supabase.publishableKey,
      SUPABASE_SERVICE_ROLE_KEY: supabase.secretKey,
      SUPABASE_JWT_SECRET: supabase.jwtSecret,
      DATABASE_URL: supabase.databaseUrl,
    },
  });
});
afterAll(async () => {
  await stack?.stop();
  await proxy?.stop();
  await supabase?.stop();
});
afterEach(async () => {
  intervene = () => undefined;
  await stack.simulator.faults([]);
});

/** What an operator has in the environment. */
const environment = (changes: Record<string, string> = {}) => ({
  SUPABASE_URL: proxy.url,
  SUPABASE_ANON_KEY: supabase.publishableKey,
  SUPABASE_SERVICE_ROLE_KEY: supabase.secretKey,
  ...changes,
});

const urls = () => {
  const { startGenerationUrl, processJobsUrl, processGenerationUrl } = stack.addresses;
  return {
    '--url': startGenerationUrl,
    '--process-jobs-url': processJobsUrl,
    '--process-generation-url': processGenerationUrl,
  };
};

const args = (changes: Record<string, string> = {}) =>
  Object.entries({ ...urls(), ...changes }).flatMap(([name, value]) => (value ? [name, value] : [name]));

function options(changes: Record<string, string> = {}, env: Record<string, string> = {}): Options {
  const parsed = parseOptions(args(changes), environment(env));
  if (!parsed) throw new Error('the help was asked for');
  return parsed;
}

/** Runs some of the steps, with those that they need before them. */
function steps(names: string[], given: Options): Promise<Report> {
  const chosen = STEPS.filter(({ name }) => names.includes(name));
  expect(chosen.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  const quiet = { step: () => {}, progress: () => {} };
  return run(given, chosen, new AbortController().signal, quiet);
}

/** The last of these steps fails; the others pass. */
async function fails(names: string[], given: Options): Promise<{ detail: string; fix: string }> {
  const { ok, steps: reports } = await steps(names, given);
  expect(ok).toBe(false);
  const last = reports.at(-1);
  expect(reports.slice(0, -1).filter((report) => !report.ok)).toEqual([]);
  expect(last).toMatchObject({ ok: false, detail: expect.any(String), fix: expect.any(String) });
  return { detail: last?.detail ?? '', fix: last?.fix ?? '' };
}

interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What `npm run smoke` starts when the packages are there. */
function command(argv: string[], env: Record<string, string>, interruptAt?: RegExp): Promise<Ran> {
  return ended([process.execPath, 'scripts/smoke/main.ts', ...argv], env, interruptAt);
}

function ended(
  [file = '', ...argv]: string[],
  env: Record<string, string>,
  interruptAt?: RegExp,
): Promise<Ran> {
  const child = spawn(file, argv, {
    cwd: PROJECT_ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  const ran: Ran = { code: null, stdout: '', stderr: '' };
  let interrupted = false;
  child.stdout.setEncoding('utf8').on('data', (text) => {
    ran.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    ran.stderr += text;
    if (!interrupted && interruptAt?.test(ran.stderr)) interrupted = child.kill('SIGINT');
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ ...ran, code }));
  });
}

const rows = async () => {
  const [row] = await stack.sql`select
    (select count(*)::int from auth.users) as users,
    (select count(*)::int from public.image_generations) as generations,
    (select count(*)::int from storage.objects where bucket_id = 'source-images') as sources,
    (select count(*)::int from storage.objects where bucket_id = 'generated-images') as files`;
  return row;
};

test('everything in order: every step passes, one JSON document, no key, nothing left', async () => {
  await stack.sweep();
  const ran = await ended(['npm', 'run', 'smoke', '--', ...args(), '--json'], environment());
  const report: Report = JSON.parse(ran.stdout);
  expect(report.steps.filter(({ ok }) => !ok)).toEqual([]);
  expect([ran.code, report.ok]).toEqual([0, true]);
  expect(report.steps.map(({ name }) => name)).toEqual(STEPS.map(({ name }) => name));
  for (const step of report.steps) {
    expect(step).toEqual({
      name: expect.any(String),
      ok: true,
      ms: expect.any(Number),
      detail: expect.any(String),
    });
  }
  const details = Object.fromEntries(report.steps.map(({ name, detail }) => [name, detail]));
  expect(details['sign-in']).toContain('a confirmed user was made');
  expect(details.storage).toContain('the secret key in apikey alone');
  expect(details.webhook).toContain('webhook brought the image');
  expect(details.image).toMatch(/webp|png|jpeg/);
  // The lines go to stderr.
  expect(ran.stderr).toMatch(/^✔ project/m);
  const { secretKey, publishableKey, serviceRoleKey, jwtSecret } = supabase;
  for (const secret of [secretKey, publishableKey, serviceRoleKey, jwtSecret, 'eyJ']) {
    expect(ran.stdout + ran.stderr).not.toContain(secret);
  }
  // The image's file goes with its row, by the cron.
  await stack.sweep();
  await stack.until('the image’s file to be deleted', async () => (await rows())?.files === 0);
  expect(await rows()).toEqual({ users: 0, generations: 0, sources: 0, files: 0 });
  expect(report.left_behind).toEqual([]);
});

test('legacy keys: it passes, and says that apikey alone was not tried', async () => {
  const legacy = { SUPABASE_ANON_KEY: supabase.anonKey, SUPABASE_SERVICE_ROLE_KEY: supabase.serviceRoleKey };
  const report = await steps(['project', 'storage'], options({}, legacy));
  expect(report.steps.filter(({ ok }) => !ok)).toEqual([]);
  expect(report.steps[0]?.detail).toContain('legacy');
  expect(report.steps[1]?.detail).toContain('apikey alone is for sb_secret_… keys');
});

test('lines for people, and an image that is not made', async () => {
  await stack.sweep();
  const ran = await command([...args(), '--no-image'], environment());
  expect([ran.code, ran.stdout]).toEqual([0, expect.stringContaining('✔ All passed; not tried: image.')]);
  expect(ran.stdout.match(/^[✔–✖] /gm)).toHaveLength(STEPS.length + 1);
});

test('interrupted, it removes what it has made and says so by its code', async () => {
  await stack.simulator.fault('fox', { hold: 'run' });
  const ran = await command([...args(), '--json'], environment(), /the image is processing/);
  const report: Report = JSON.parse(ran.stdout);
  expect([ran.code, report.ok]).toEqual([130, false]);
  expect(report.steps.at(-1)).toMatchObject({ name: 'cron', ok: false, skipped: true });
  expect(await rows()).toMatchObject({ users: 0, generations: 0, sources: 0 });
  await stack.simulator.release();
});

describe('what a person at the keyboard gets wrong', () => {
  test.each([
    ['an unknown option', ['--uri', 'http://x'], {}, /--uri/],
    ['nothing at all', [], {}, /--url, --process-jobs-url, --process-generation-url, SUPABASE_URL/],
    ['no URL', ['--url', 'localhost'], {}, /--url is not an http/],
    ['half an account', [], { SMOKE_EMAIL: 'a@example.com' }, /missing|both/],
    ['no time', ['--timeout', '0'], {}, /--timeout/],
  ])('%s', async (_, argv, env, sentence) => {
    const ran = await command(argv, env);
    expect([ran.code, ran.stdout]).toEqual([2, '']);
    expect(ran.stderr).toMatch(sentence);
  });

  test('the help names what a hosted project needs', async () => {
    const ran = await command(['--help'], {});
    expect(ran.code).toBe(0);
    for (const word of ['SUPABASE_SERVICE_ROLE_KEY', 'SMOKE_EMAIL', 'sb_secret_', 'PUBLIC_URL', 'captcha']) {
      expect(ran.stdout).toContain(word);
    }
  });
});

/** Answers a request to Supabase, by the beginning of its path. */
const answering = (start: string, status: number, body: unknown): Intervention => {
  return ({ url }) => (url?.startsWith(start) ? { status, body } : undefined);
};

/** Nobody listens there: below the ports that stacks and outgoing connections get. */
const NOWHERE = 'http://127.0.0.1:19999';

describe('each step can fail, and says what to do', () => {
  test('project: no such project', async () => {
    const { detail, fix } = await fails(['project'], options({}, { SUPABASE_URL: NOWHERE }));
    expect([detail, fix]).toEqual([
      expect.stringContaining('ECONNREFUSED'),
      expect.stringContaining('SUPABASE_URL'),
    ]);
  });

  test.each([
    [
      'a wrong secret key',
      { SUPABASE_SERVICE_ROLE_KEY: 'sb_secret_wrong' },
      /SERVICE_ROLE_KEY is refused/,
      /Copy the secret key/,
    ],
    [
      'a wrong publishable key',
      { SUPABASE_ANON_KEY: 'sb_publishable_wrong' },
      /ANON_KEY is refused/,
      /Copy the publishable key/,
    ],
    [
      'the secret key for browsers',
      { SUPABASE_ANON_KEY: 'sb_secret_x' },
      /holds a secret key/,
      /publishable key/,
    ],
    [
      'the publishable key for the Workers',
      { SUPABASE_SERVICE_ROLE_KEY: 'sb_publishable_x' },
      /holds a public key/,
      /secret key/,
    ],
  ])('project: %s', async (_, env, seen, todo) => {
    const { detail, fix } = await fails(['project'], options({}, env));
    expect(detail).toMatch(seen);
    expect(fix).toMatch(todo);
    expect(detail + fix).not.toContain('_wrong');
  });

  test('project: with a key that is refused nothing is made, and nobody is told to repair what is right', async () => {
    const given = options({}, { SUPABASE_SERVICE_ROLE_KEY: 'sb_secret_wrong' });
    await stack.sweep();
    const before = await rows();
    const report = await run(given, STEPS, new AbortController().signal, {
      step: () => {},
      progress: () => {},
    });
    expect(report.steps.filter(({ fix }) => fix !== undefined).map(({ name }) => name)).toEqual(['project']);
    expect(report.steps.find(({ name }) => name === 'storage')).toMatchObject({ ok: false, skipped: true });
    expect(report.left_behind).toEqual([]);
    expect(await rows()).toEqual(before);
  });

  test('upload and cron: another Worker’s address', async () => {
    const { startGenerationUrl, processJobsUrl } = stack.addresses;
    const swapped = options({ '--url': processJobsUrl, '--process-jobs-url': startGenerationUrl });
    expect((await fails(['sign-in', 'upload'], swapped)).fix).toContain('--url');
    expect((await fails(['cron'], swapped)).fix).toContain('--process-jobs-url');
  });

  const html = { 'content-type': 'text/html; charset=utf-8' };
  const page = '<script type="module" crossorigin src="/assets/page-1a.js"></script>';
  const studio = {
    '/': [200, html, page],
    '/assets/page-1a.js': [200, { 'content-type': 'text/javascript' }, '1'],
  } as const;
  test.each([
    ['no studio', {}, /^the studio is not at \/: 404/],
    ['no dashboard, as with files of an older build', studio, /^the dashboard is not at \/dashboard: 404/],
    [
      'a dashboard without its script',
      { ...studio, '/dashboard': [200, html, page.replace('page', 'desk')] },
      /the script of the dashboard, \/assets\/desk-1a\.js, is not there: 404/,
    ],
    [
      'pages of another project',
      {
        ...studio,
        '/': [200, { ...html, 'content-security-policy': "connect-src 'self' https://x.example" }, page],
      },
      /the studio may not call http:\/\/127\.0\.0\.1:\d+: .* allows 'self' https:\/\/x\.example/,
    ],
  ] as [string, Record<string, readonly [number, Record<string, string>, string]>, RegExp][])(
    'pages: %s',
    async (_, files, seen) => {
      const server = http.createServer((request, response) => {
        const [status, headers, body] = files[request.url ?? ''] ?? [404, {}, '{}'];
        response.writeHead(status, headers).end(body);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const given = options({ '--url': url }, { SMOKE_INSTALLATION: 'staging' });
        const { detail, fix } = await fails(['pages'], given);
        expect(detail).toMatch(seen);
        expect(fix).toContain('npm run setup -- --name staging');
      } finally {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  );

  test('project: no migrations', async () => {
    intervene = answering('/rest/v1/rpc/queue_status', 404, {
      code: 'PGRST202',
      message: 'Could not find it',
    });
    expect((await fails(['project'], options())).fix).toContain('npm run setup');
  });

  test('health: a Worker that is not there, and one in the place of another', async () => {
    const dead = await fails(['health'], options({ '--process-generation-url': NOWHERE }));
    expect(dead.fix).toContain('--process-generation-url');
    const swapped = options({ '--process-generation-url': `${stack.addresses.processJobsUrl}/` });
    expect((await fails(['health'], swapped)).detail).toContain('the same');
    const { processJobsUrl, processGenerationUrl } = stack.addresses;
    const crossed = options({
      '--process-jobs-url': processGenerationUrl,
      '--process-generation-url': processJobsUrl,
    });
    expect((await fails(['health'], crossed)).fix).toMatch(/its address/);
  });

  test('health: the database refuses process-jobs', async () => {
    intervene = answering('/rest/v1/rpc/queue_status', 401, { message: 'Invalid API key' });
    const { detail, fix } = await fails(['health'], options());
    expect(detail).toMatch(/503.*Supabase refuses this Worker's key/);
    expect(fix).toContain('SUPABASE_SERVICE_ROLE_KEY');
  });

  test('health: another project', async () => {
    const { detail, fix } = await fails(['health'], options({}, { SUPABASE_URL: supabase.url }));
    expect(detail).toContain(proxy.url);
    expect(fix).toContain('.env.production');
  });

  test('service-key: the Workers have another one', async () => {
    const given = options({}, { SUPABASE_SERVICE_ROLE_KEY: supabase.serviceRoleKey });
    const { fix } = await fails(['service-key'], given);
    expect(fix).toContain('SUPABASE_SERVICE_ROLE_KEY');
  });

  test('sign-in: mail has to be confirmed', async () => {
    intervene = ({ url }) => {
      if (url?.startsWith('/auth/v1/admin/')) return { status: 404, body: {} };
      if (!url?.startsWith('/auth/v1/signup')) return undefined;
      return { status: 200, body: { id: '1', confirmation_sent_at: new Date().toISOString() } };
    };
    const { detail, fix } = await fails(['sign-in'], options());
    expect(detail).toContain('confirmed by mail');
    expect(fix).toContain('SMOKE_EMAIL');
  });

  test('sign-in: a wrong password, which is not shown', async () => {
    const account = { SMOKE_EMAIL: 'nobody@example.com', SMOKE_PASSWORD: 'a-secret-password' };
    const { detail, fix } = await fails(['sign-in'], options({}, account));
    expect(fix).toContain('SMOKE_EMAIL');
    expect(detail + fix).not.toContain('a-secret-password');
  });

  test('sign-in: a captcha', async () => {
    intervene = answering('/auth/v1/', 400, {
      code: 400,
      error_code: 'captcha_failed',
      msg: 'captcha failed',
    });
    expect((await fails(['sign-in'], options())).fix).toContain('Attack Protection');
  });

  test('sign-in: without the admin API somebody is signed up, whom only a person can delete', async () => {
    intervene = answering('/auth/v1/admin/', 404, {});
    const report = await steps(['sign-in'], options());
    expect(report.ok).toBe(true);
    expect(report.left_behind).toEqual([expect.stringMatching(/^the user smoke-.*delete it by hand$/)]);
  });

  test('sign-in: a user of one’s own stays as it is', async () => {
    const account = { SMOKE_EMAIL: 'own@example.com', SMOKE_PASSWORD: 'correct-horse-battery' };
    const signedUp = await fetch(`${supabase.url}/auth/v1/signup`, {
      method: 'POST',
      headers: { apikey: supabase.publishableKey, 'content-type': 'application/json' },
      body: JSON.stringify({ email: account.SMOKE_EMAIL, password: account.SMOKE_PASSWORD }),
    });
    expect(signedUp.status).toBe(200);
    const before = (await rows())?.users;
    expect(await steps(['sign-in'], options({}, account))).toMatchObject({ ok: true, left_behind: [] });
    expect((await rows())?.users).toBe(before);
  });

  test('models: one that does not exist', async () => {
    expect((await fails(['models'], options({ '--model': 'no/such' }))).detail).toContain('no/such');
  });

  test('storage: it wants a token beside the key', async () => {
    intervene = ({ url }, headers) =>
      url?.startsWith('/storage/v1/object/generated-images') && headers.authorization === undefined
        ? {
            status: 400,
            body: { error: 'Error', message: "headers must have required property 'authorization'" },
          }
        : undefined;
    const { detail, fix } = await fails(['storage'], options());
    expect(detail).toContain('the secret key in apikey alone');
    expect(fix).toContain('legacy service_role key');
  });

  test('storage: no bucket', async () => {
    intervene = answering('/storage/v1/object/generated-images', 404, { message: 'Bucket not found' });
    expect((await fails(['storage'], options())).fix).toContain('db push');
  });

  test('upload: Storage refuses', async () => {
    intervene = answering('/storage/v1/object/source-images', 403, {
      statusCode: '403',
      error: 'Unauthorized',
      message: 'new row violates row-level security policy',
    });
    expect((await fails(['sign-in', 'upload'], options())).fix).toMatch(/policy|100 uploads/);
  });

  test('cancel: the database does not answer', async () => {
    intervene = answering('/rest/v1/rpc/cancel_generation', 503, { message: 'gone' });
    expect((await fails(['sign-in', 'models', 'cancel'], options())).detail).toContain('503');
  });

  test('image: a token of a key that nobody knows', async () => {
    intervene = ({ url }) => {
      if (!url?.startsWith('/auth/v1/signup') && !url?.startsWith('/auth/v1/token')) return undefined;
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const token = `${part({ alg: 'ES256', kid: 'new' })}.${part({})}.AAAA`;
      return { status: 200, body: { access_token: token, user: { id: '7' } } };
    };
    const { detail, fix } = await fails(['sign-in', 'models', 'image'], options());
    expect(detail).toMatch(/401|503/);
    expect(fix).toContain('jwks.json');
  });

  test('image: the model fails', async () => {
    await stack.simulator.fault('fox', { error: 'E005' });
    const { detail, fix } = await fails(['sign-in', 'models', 'image'], options());
    expect(detail).toContain('failed');
    expect(fix).toContain('--model');
  });

  test('image: it does not come in time', async () => {
    await stack.simulator.fault('fox', { hold: 'run' });
    const { detail, fix } = await fails(['sign-in', 'models', 'image'], options({ '--timeout': '3' }));
    expect(detail).toContain('after 3 s');
    expect(fix).toContain('docs/operations/troubleshooting.md');
    await stack.simulator.release();
  });

  test('live-events: the channel does not answer', async () => {
    intervene = ({ url }) =>
      url?.startsWith('/rest/v1/rpc/') && /live/.test(url) ? { status: 500, body: {} } : undefined;
    const given = options({ '--no-image': '' });
    const { detail, fix } = await fails(['sign-in', 'models', 'image', 'live-events'], given);
    expect(detail).toContain('WebSocket');
    expect(fix).toMatch(/LIVE_CHANNEL|process-generation/);
  });

  test('cron: it has never run', async () => {
    await stack.sql`delete from private.last_cron_run where true`;
    const { detail, fix } = await fails(['cron'], options({ '--timeout': '1' }));
    expect(detail).toContain('never');
    expect(fix).toContain('wrangler triggers deploy');
  });

  test('cron: it stands', async () => {
    await stack.sweep();
    await stack.sql`update private.last_cron_run set ran_at = now() - interval '10 minutes' where true`;
    expect((await fails(['cron'], options({ '--timeout': '1' }))).detail).toContain('10 minutes');
    await stack.sweep();
  });

  // The last one: the queue goes on only when the pause is over.
  test('image and health: no credit at Replicate', async () => {
    await stack.simulator.fault('fox', { status: 402 });
    const { fix } = await fails(['sign-in', 'models', 'image'], options());
    expect(fix).toContain('credit');
    expect((await fails(['health'], options())).fix).toContain('credit');
  });
});

describe('without a webhook', () => {
  let silent: TestStack;
  beforeAll(async () => {
    silent = await TestStack.start({ env: { REPLICATE_WEBHOOK_SECRET: '' } });
  });
  afterAll(() => silent?.stop());

  const given = (): Options => {
    const { startGenerationUrl, processJobsUrl, processGenerationUrl } = silent.addresses;
    const { supabaseUrl, anonKey, serviceRoleKey: serviceKey } = silent.addresses;
    const base = {
      installation: 'production',
      startGenerationUrl,
      processJobsUrl,
      processGenerationUrl,
      supabaseUrl,
      anonKey,
      serviceKey,
    };
    return { ...base, image: true, timeoutMs: 60_000, json: false };
  };

  test('the secret is missing', async () => {
    const { detail, fix } = await fails(['webhook'], given());
    expect(detail).toContain('REPLICATE_WEBHOOK_SECRET');
    expect(fix).toContain('.env.production, then npm run setup');
  });

  test('the secret is there, but Replicate is told no address: the image came by the sweep', async () => {
    // The other stack's process-generation refuses unsigned webhooks as it should.
    const mixed = { ...given(), processGenerationUrl: stack.addresses.processGenerationUrl };
    let made = false;
    const sweeps = (async () => {
      while (!made) await silent.sweep();
    })();
    const { detail, fix } = await fails(['sign-in', 'models', 'image', 'webhook'], mixed);
    made = true;
    await sweeps;
    expect(detail).toContain('found by the sweep');
    expect(fix).toContain('PUBLIC_URL');
  });
});
