import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningSupabase } from '../stack/supabase/index.ts';
import { signJwt } from '../stack/supabase/jwt.ts';
import { createSupabase } from '../stack/testing.ts';
import { expectProblem } from './support/problem.ts';
import { type CountingProxy, startProxy } from './support/proxy.ts';
import { TestStack } from './support/stack.ts';
import { call, MODEL, type Started, TestUser } from './support/user.ts';

/**
 * A project that signs users' tokens with an elliptic-curve key (ES256), as new ones do. A proxy publishes the
 * public half, and hands such a token on under the shared secret, which is all that the local PostgREST knows.
 */

const KEYS_PATH = '/auth/v1/.well-known/jwks.json';
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const ecKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

const current = ecKey();
const foreign = ecKey();

let supabase: RunningSupabase;
let proxy: CountingProxy;
let stack: TestStack;
let userId: string;

const claims = () => {
  const now = Math.floor(Date.now() / 1000);
  return { sub: userId, role: 'authenticated', aud: 'authenticated', iat: now, exp: now + 3600 };
};

function es256(kid: string, key: KeyObject): string {
  const text = `${base64url({ alg: 'ES256', typ: 'JWT', kid })}.${base64url(claims())}`;
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

beforeAll(async () => {
  supabase = await createSupabase();
  proxy = await startProxy(supabase.url, (request, headers) => {
    if (request.url?.startsWith(KEYS_PATH)) {
      const key = {
        ...current.publicKey.export({ format: 'jwk' }),
        kid: 'current',
        alg: 'ES256',
        use: 'sig',
      };
      return { status: 200, body: { keys: [key] } };
    }
    const [head] = /(?<=^Bearer )[^.]+/.exec(headers.authorization ?? '') ?? [];
    if (head && JSON.parse(Buffer.from(head, 'base64url').toString()).alg === 'ES256') {
      headers.authorization = `Bearer ${signJwt(claims(), supabase.jwtSecret)}`;
    }
    return undefined;
  });
  stack = await TestStack.start({
    env: {
      SUPABASE_URL: proxy.url,
      SUPABASE_ANON_KEY: supabase.anonKey,
      SUPABASE_SERVICE_ROLE_KEY: supabase.serviceRoleKey,
      SUPABASE_JWT_SECRET: '', // the project has none to share
      DATABASE_URL: supabase.databaseUrl,
    },
  });
  userId = (await TestUser.signUp(stack)).id;
});
afterAll(async () => {
  await stack?.stop();
  await proxy?.stop();
  await supabase?.stop();
});

const start = (token: string) =>
  call('POST', `${stack.addresses.startGenerationUrl}/start-generation`, {
    headers: { authorization: `Bearer ${token}` },
    body: { prompt: 'signed with a curve', model_id: MODEL },
  });
const requests = (path: string) => proxy.passed.filter((each) => each.path.startsWith(path)).length;
const starts = () => requests('/rest/v1/rpc/start_generation');

test('a token of the project’s key makes an image', async () => {
  const answer = await start(es256('current', current.privateKey));
  expect([answer.status, answer.body]).toEqual([202, expect.objectContaining({ status: 'queued' })]);
  const { generation_id } = answer.body as unknown as Started;
  await stack.until('the image to be completed', async () => {
    const [row] = await stack.sql`select status from public.image_generations where id = ${generation_id}`;
    return row?.status === 'completed';
  });
});

test('the keys are fetched once, not with each request', async () => {
  const before = requests(KEYS_PATH);
  expect(before).toBeGreaterThan(0);
  for (let n = 0; n < 5; n += 1) {
    expect((await start(es256('current', current.privateKey))).status).toBe(202);
  }
  expect(requests(KEYS_PATH)).toBe(before);
});

test.each([
  ['an unknown key', () => es256('foreign', foreign.privateKey)],
  ['a foreign key under the known id', () => es256('current', foreign.privateKey)],
  ['the public key as a shared secret', () => hs256WithPublicKey()],
  ['a shared secret, of which the project has none', () => signJwt(claims(), supabase.jwtSecret)],
])('%s does not get past the edge', async (_, token) => {
  const before = starts();
  expectProblem(await start(token()), 401, 'unauthorized');
  expect(starts()).toBe(before);
});

test('made-up key ids do not make us fetch again and again', async () => {
  const before = requests(KEYS_PATH);
  for (let n = 0; n < 10; n += 1) {
    expect((await start(es256(`made-up-${n}`, foreign.privateKey))).status).toBe(401);
  }
  expect(requests(KEYS_PATH) - before).toBeLessThanOrEqual(1);
});

/** The classic confusion: the public key's text, known to everybody, used as HMAC secret. */
function hs256WithPublicKey(): string {
  return signJwt(claims(), String(current.publicKey.export({ format: 'pem', type: 'spki' })));
}
