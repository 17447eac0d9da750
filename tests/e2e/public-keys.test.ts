import {
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { createSupabase } from '../stack/testing.ts';
import { expectProblem } from './support/problem.ts';
import { type CountingProxy, startProxy } from './support/proxy.ts';
import { TestStack } from './support/stack.ts';
import { call, MODEL, type Started, TestUser } from './support/user.ts';

/**
 * A project that signs users' tokens with keys of its own, as new ones do. A proxy publishes their public halves,
 * and hands such a token on under the shared secret, which is all that the local PostgREST knows. The tokens are
 * made by `jose`, which is also asked what it thinks of each.
 */

const KEYS_PATH = '/auth/v1/.well-known/jwks.json';
const ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

interface Key {
  alg: Algorithm;
  privateKey: CryptoKey;
  /** Its public half, without an id. */
  jwk: JWK;
  pem: string;
}

async function makeKey(alg: Algorithm, modulusLength = 2048): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, modulusLength });
  const jwk = { ...(await exportJWK(publicKey)), alg, use: 'sig', key_ops: ['verify'] };
  return { alg, privateKey, jwk, pem: await exportSPKI(publicKey) };
}

let supabase: RunningSupabase;
let proxy: CountingProxy;
let stack: TestStack;
let userId: string;
let keys: Record<Algorithm, Key>;
let foreign: Record<Algorithm, Key>;
/** What the project publishes now; undefined: the endpoint fails. */
let published: JWK[] | undefined = [];
/** What the Workers, and the user's client, have sent to the project. */
const sent: { path: string; apikey: string; authorization: string | undefined }[] = [];
let count = 0;
/** Ids are never used twice: what an earlier test has published may still be held. */
const newId = (name: string) => `${name}-${++count}`;

const claims = () => {
  const now = Math.floor(Date.now() / 1000);
  return { sub: userId, role: 'authenticated', aud: 'authenticated', iat: now, exp: now + 3600 };
};

const signed = ({ alg, privateKey }: Key, kid?: string): Promise<string> =>
  new SignJWT(claims())
    .setProtectedHeader({ alg, typ: 'JWT', ...(kid === undefined ? {} : { kid }) })
    .sign(privateKey);

const algorithmOf = (token: string): unknown => {
  try {
    return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).alg;
  } catch {
    return undefined;
  }
};

beforeAll(async () => {
  const make = async () =>
    Object.fromEntries(await Promise.all(ALGORITHMS.map(async (alg) => [alg, await makeKey(alg)])));
  [keys, foreign, supabase] = await Promise.all([make(), make(), createSupabase()]);
  proxy = await startProxy(supabase.url, (request, headers) => {
    if (request.url?.startsWith(KEYS_PATH)) {
      if (published) return { status: 200, body: { keys: published } };
      return { status: 502, body: { message: 'Bad gateway' } };
    }
    const apikey = String(headers.apikey);
    sent.push({ path: request.url ?? '', apikey, authorization: headers.authorization });
    const [token] = /(?<=^Bearer ).+/.exec(headers.authorization ?? '') ?? [];
    if (token && ALGORITHMS.includes(algorithmOf(token) as Algorithm)) {
      headers.authorization = `Bearer ${signJwt(claims(), supabase.jwtSecret)}`;
    }
    return undefined;
  });
  stack = await TestStack.start({
    env: {
      SUPABASE_URL: proxy.url,
      SUPABASE_ANON_KEY: supabase.publishableKey,
      // While one key is replaced by another, callers may hold either.
      SUPABASE_SERVICE_ROLE_KEY: `${supabase.secretKey} ${supabase.serviceRoleKey}`,
      SUPABASE_JWT_SECRET: supabase.jwtSecret,
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
beforeEach(() => {
  published = [];
});

const list = (token: string) =>
  call('GET', `${stack.addresses.startGenerationUrl}/generations`, {
    headers: { authorization: `Bearer ${token}` },
  });
/** Waits until a key set that has just been published may be fetched: that is bounded, and tests are quick. */
const taken = (token: string) =>
  stack.until('the key to be taken', async () => (await list(token)).status === 200);
const requests = (path: string) => proxy.passed.filter((each) => each.path.startsWith(path)).length;

// First, while keys may still be fetched without a pause.
test('a project goes through every kind of key and loses no request', async () => {
  const legacy = signJwt(claims(), supabase.jwtSecret);
  expect((await list(legacy)).status).toBe(200);
  let before: { jwk: JWK; token: string } | undefined;
  for (const alg of [...ALGORITHMS, ...ALGORITHMS]) {
    const key = await makeKey(alg);
    const jwk = { ...key.jwk, kid: newId('rotated') };
    published = before ? [before.jwk, jwk] : [jwk];
    const token = await signed(key, jwk.kid);
    // Many at once with the new key, and those who hold a token of the one before.
    const tokens = [token, token, token, legacy, ...(before ? [before.token] : [])];
    const answers = await Promise.all(tokens.map(list));
    expect(answers.map(({ status }) => status)).toEqual(tokens.map(() => 200));
    before = { jwk, token };
  }
});

describe.each(ALGORITHMS)('%s', (alg) => {
  test('a token of the project’s key makes an image', async () => {
    const kid = newId(alg);
    published = [{ ...keys[alg].jwk, kid }];
    const token = await signed(keys[alg], kid);
    await taken(token);
    const answer = await call('POST', `${stack.addresses.startGenerationUrl}/start-generation`, {
      headers: { authorization: `Bearer ${token}` },
      body: { prompt: `signed with ${alg}`, model_id: MODEL },
    });
    expect([answer.status, answer.body]).toEqual([202, expect.objectContaining({ status: 'queued' })]);
    const { generation_id } = answer.body as unknown as Started;
    await stack.until('the image to be completed', async () => {
      const [row] = await stack.sql`select status from public.image_generations where id = ${generation_id}`;
      return row?.status === 'completed';
    });
  });

  test('the keys are fetched once, not with each request', async () => {
    const kid = newId(alg);
    published = [{ ...keys[alg].jwk, kid }];
    await taken(await signed(keys[alg], kid));
    const before = requests(KEYS_PATH);
    for (let n = 0; n < 5; n += 1) expect((await list(await signed(keys[alg], kid))).status).toBe(200);
    expect(requests(KEYS_PATH)).toBe(before);
  });

  test('what jose refuses does not get past the edge, and what it takes does', async () => {
    const kid = newId(alg);
    const other = ALGORITHMS.find((each) => each !== alg) ?? alg;
    published = [{ ...keys[alg].jwk, kid }];
    const good = await signed(keys[alg], kid);
    await taken(good);
    const [head = '', body = '', signature = ''] = good.split('.');
    const named = (header: object) => Buffer.from(JSON.stringify(header)).toString('base64url');
    const tokens = {
      good,
      'a foreign key under the known id': await signed(foreign[alg], kid),
      'a key of another kind under the known id': await signed(foreign[other], kid),
      'the public key as a shared secret': hs256(keys[alg].pem),
      'the public JWK as a shared secret': hs256(JSON.stringify(published[0])),
      'the right signature under another name': `${named({ alg: other, kid })}.${body}.${signature}`,
      'no signature': `${head}.${body}.`,
      'alg none': `${named({ alg: 'none', kid })}.${body}.`,
      'half a signature': `${head}.${body}.${signature.slice(0, signature.length / 2)}`,
      'another signature': `${head}.${body}.${'A'.repeat(signature.length)}`,
      'another body': `${head}.${named({ ...claims(), sub: '00000000-0000-4000-8000-000000000000' })}.${signature}`,
    };
    const judge = createLocalJWKSet({ keys: published });
    for (const [name, token] of Object.entries(tokens)) {
      const accepted = await jwtVerify(token, judge, { algorithms: [...ALGORITHMS] }).then(
        () => true,
        () => false,
      );
      expect(accepted, name).toBe(name === 'good');
      const answer = await list(token);
      expect([answer.status, name]).toEqual([accepted ? 200 : 401, name]);
    }
  });

  // The last one: a key without an id goes on to be held, and verifies tokens that name any other.
  test('keys and tokens without an id', async () => {
    published = [foreign[alg].jwk, keys[alg].jwk];
    await taken(await signed(keys[alg], newId('other')));
    expect((await list(await signed(keys[alg]))).status).toBe(200);
  });
});

/** The classic confusion: what everybody knows, used as HMAC secret. */
const hs256 = (publicKey: string) => signJwt(claims(), publicKey);

test('an RSA key that is too short is not used', async () => {
  const kid = newId('short');
  // jose makes none: WebCrypto does.
  const pair = await crypto.subtle.generateKey(
    {
      name: 'RSASSA-PKCS1-v1_5',
      hash: 'SHA-256',
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
    },
    true,
    ['sign', 'verify'],
  );
  published = [{ ...(await exportJWK(pair.publicKey)), alg: 'RS256', kid }];
  const text = [{ alg: 'RS256', kid }, claims()]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', pair.privateKey, Buffer.from(text));
  const token = `${text}.${Buffer.from(signature).toString('base64url')}`;
  await stack.until('the token to be judged', async () => {
    const { status } = await list(token);
    if (status !== 503) expect(status).toBe(401);
    return status === 401;
  });
});

test('while the keys cannot be fetched the known ones go on, and nobody is signed out by an unknown one', async () => {
  const kid = newId('held');
  published = [{ ...keys.ES256.jwk, kid }];
  await taken(await signed(keys.ES256, kid));
  published = undefined;
  expect((await list(await signed(keys.ES256, kid))).status).toBe(200);
  const unjudged = await list(await signed(foreign.ES256, newId('new')));
  expectProblem(unjudged, 503, 'unavailable');
  expect(Number(unjudged.headers.get('retry-after'))).toBeGreaterThan(0);
});

test('made-up key ids do not make us fetch again and again', async () => {
  const kid = newId('known');
  published = [{ ...keys.ES256.jwk, kid }];
  const known = await signed(keys.ES256, kid);
  await taken(known);
  const before = requests(KEYS_PATH);
  for (let n = 0; n < 40; n += 1) {
    const answer = await list(await signed(foreign.ES256, newId('made-up')));
    expect([401, 503]).toContain(answer.status);
    expect((await list(known)).status).toBe(200);
  }
  expect(requests(KEYS_PATH) - before).toBeLessThanOrEqual(20);
});

test('both service keys are taken while one replaces the other, in apikey whatever the bearer says', async () => {
  const { processJobsUrl, processGenerationUrl } = stack.addresses;
  const bearers = [undefined, 'garbage', supabase.publishableKey, signJwt(claims(), supabase.jwtSecret)];
  const ask = (apikey: string, bearer: string | undefined) => {
    const headers = { apikey, ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) };
    return Promise.all([
      call('POST', `${processJobsUrl}/process-jobs`, { headers }),
      call('POST', `${processGenerationUrl}/process-generation`, { headers, body: {} }),
    ]);
  };
  for (const bearer of bearers) {
    for (const key of [supabase.secretKey, supabase.serviceRoleKey]) {
      expect((await ask(key, bearer)).map(({ status }) => status)).toEqual([200, 400]);
    }
    for (const key of ['', supabase.publishableKey, `${supabase.secretKey} ${supabase.serviceRoleKey}`]) {
      for (const answer of await ask(key, bearer)) expectProblem(answer, 401, 'unauthorized');
    }
  }
});

// The last one: it looks at what all the others have sent.
test('the Workers send their keys in apikey alone', () => {
  const by = (key: string, path: string) =>
    sent.filter((each) => each.apikey === key && each.path.startsWith(path));
  // supabase-js sends its key twice, which is for it to decide; it signs up and does nothing else here.
  const own = sent.filter(({ path }) => !path.startsWith('/auth/v1/'));
  expect(own.filter(({ authorization }) => /^Bearer sb_/.test(authorization ?? ''))).toEqual([]);
  expect(by(supabase.publishableKey, '/rest/v1/rpc/list_generations').length).toBeGreaterThan(0);
  for (const path of ['/rest/v1/rpc/claim_jobs', '/storage/v1/object/generated-images']) {
    const requests = by(supabase.secretKey, path);
    expect(requests.length, path).toBeGreaterThan(0);
    expect(requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  }
});
