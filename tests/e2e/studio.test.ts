import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectFrame, expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { call } from './support/user.ts';

/** The studio as it is built, and what start-generation does for it. What it does in a browser: tests/browser. */

const DIST = fileURLToPath(new URL('../../web/dist', import.meta.url));
/** Bytes, compressed: what somebody waits for at the first visit. */
const MOST_BYTES = 150 * 1024;

let stack: TestStack;
let url: string;

beforeAll(async () => {
  stack = await TestStack.start();
  url = stack.addresses.startGenerationUrl;
});
afterAll(() => stack?.stop());

describe('GET /config', () => {
  test('tells the public values, and nothing that is not public', async () => {
    const answer = await call('GET', `${url}/config`);
    expect(answer.status).toBe(200);
    expectFrame(answer);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { supabaseUrl, publishableKey, serviceRoleKey, secretKey, jwtSecret } = stack.addresses;
    expect(answer.body).toEqual({ supabase_url: supabaseUrl, anon_key: publishableKey });
    for (const secret of [serviceRoleKey, secretKey, jwtSecret]) {
      expect(JSON.stringify(answer.body), 'a secret').not.toContain(secret);
    }
  });

  test('is only read', async () => {
    expectProblem(await call('POST', `${url}/config`), 405, 'method_not_allowed');
  });
});

test('a service key in the place of the public one is not told', { timeout: 120_000 }, async () => {
  const serviceKey = 'sb_secret_not_for_browsers';
  const env = { SUPABASE_URL: stack.addresses.supabaseUrl, SUPABASE_ANON_KEY: serviceKey };
  const other = await TestStack.start({
    env: {
      ...env,
      SUPABASE_SERVICE_ROLE_KEY: stack.addresses.serviceRoleKey,
      DATABASE_URL: stack.addresses.databaseUrl,
    },
  });
  try {
    const answer = await call('GET', `${other.addresses.startGenerationUrl}/config`);
    expectProblem(answer, 500, 'internal_error');
    expect(JSON.stringify(answer.body)).not.toContain(serviceKey);
  } finally {
    await other.stop();
  }
});

test('/ is the page and every file that it names is there', async () => {
  const page = await fetch(url);
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const html = await page.text();
  const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '');
  expect(files.length, `files named in ${html}`).toBeGreaterThan(3);
  for (const file of files) {
    expect(file, 'a file from elsewhere').toMatch(/^\/[\w./-]+$/);
    const answer = await fetch(url + file);
    expect(answer.status, file).toBe(200);
    expect(answer.headers.get('content-type'), file).toMatch(/javascript|css|svg/);
    const isHashed = file.startsWith('/assets/');
    expect(answer.headers.get('cache-control'), file).toMatch(isHashed ? /immutable/ : /must-revalidate/);
  }
});

test('the page may load and talk to what it needs, and to nothing else', async () => {
  const { headers } = await fetch(url);
  const policy = headers.get('content-security-policy') ?? '';
  const rules = Object.fromEntries(
    policy.split(';').map((rule) => {
      const [name = '', ...sources] = rule.trim().split(' ');
      return [name, sources.join(' ')];
    }),
  );
  const { supabaseUrl } = stack.addresses;
  expect(rules).toMatchObject({ 'default-src': "'none'", 'script-src': "'self'", 'style-src': "'self'" });
  expect(rules).toMatchObject({ 'base-uri': "'none'", 'frame-ancestors': "'none'" });
  expect(rules['connect-src']).toContain(supabaseUrl);
  expect(rules['img-src']).toContain(supabaseUrl);
  expect(policy).not.toMatch(/unsafe|\*/);
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
});

test('beside the page the API answers as ever, also a browser that navigates', async () => {
  const navigation = { headers: { 'sec-fetch-mode': 'navigate', accept: 'text/html' } };
  const unknown = await fetch(`${url}/somewhere`, navigation);
  expect(unknown.headers.get('content-type')).toBe('application/problem+json');
  expect(unknown.status).toBe(404);
  const models = await fetch(`${url}/models`, navigation);
  expect(models.headers.get('content-type')).toBe('application/json');
  expect((await fetch(`${url}/generations`, navigation)).status).toBe(401);
});

/** What the page names, and what that imports before it runs: not what is loaded when it is asked for. */
function filesOfFirstVisit(): string[] {
  const named = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name ?? '');
  const read = (name: string) => fs.readFileSync(path.join(DIST, name), 'utf8');
  const found = new Set(['index.html']);
  // A set hands out what is added meanwhile, too.
  for (const name of found) {
    const more = name.endsWith('.html')
      ? named(read(name), /(?:src|href)="\/([^"]+\.(?:js|css))"/g)
      : named(read(name), /(?:\bfrom|\bimport)\s*["']\.\/([\w.-]+\.js)["']/g).map((file) => `assets/${file}`);
    for (const file of more) found.add(file);
  }
  return [...found];
}

test('the first visit loads at most 150 KB', () => {
  const sizes = filesOfFirstVisit().map((name) => ({
    name,
    bytes: gzipSync(fs.readFileSync(path.join(DIST, name)), { level: 9 }).length,
  }));
  expect(sizes.map(({ name }) => path.extname(name))).toEqual(
    expect.arrayContaining(['.html', '.js', '.css']),
  );
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(total, `bytes of ${JSON.stringify(sizes)}`).toBeLessThanOrEqual(MOST_BYTES);
});

test('the painter of masks comes when it is asked for, and is small', () => {
  const late = fs
    .readdirSync(path.join(DIST, 'assets'))
    .filter((name) => /\.(js|css)$/.test(name) && !filesOfFirstVisit().includes(`assets/${name}`));
  expect(late.filter((name) => /^MaskPainter-/.test(name)).map((name) => path.extname(name))).toEqual(
    expect.arrayContaining(['.js', '.css']),
  );
  const bytes = late.map((name) => gzipSync(fs.readFileSync(path.join(DIST, 'assets', name))).length);
  expect(
    bytes.reduce((sum, one) => sum + one, 0),
    `bytes of ${late}`,
  ).toBeLessThan(8 * 1024);
});
