import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { type CountedStack, startCounted } from './support/counted.ts';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Answer, call, type Generation, MODEL, type Started, TestUser } from './support/user.ts';

/** Servers of the app's, which start images for its users with the secret key: docs/guides/from-a-server.md. */

let counted: CountedStack;
let stack: TestStack;
let user: TestUser;
let url: string;
let key: { authorization: string };

beforeAll(async () => {
  counted = await startCounted();
  ({ stack, user } = counted);
  url = stack.addresses.startGenerationUrl;
  key = { authorization: `Bearer ${counted.supabase.serviceRoleKey}` };
});
afterAll(() => counted?.stop());

type Headers = Record<string, string>;
const refused = async (answer: Promise<Answer<unknown>>, ...expected: [number, string, object?]) => {
  const [status, code, more] = expected;
  expectProblem((await answer) as Answer, status, code, { ...more });
};
const start = (more: object = {}, headers: Headers = key) =>
  call<Started>('POST', `${url}/start-generation`, {
    body: { prompt: 'a nightly lighthouse', model_id: MODEL, user_id: user.id, ...more },
    headers,
  });

test('a start for a user is made, in one request, and is that user’s own', async () => {
  const before = counted.proxy.passed.length;
  const answer = await start();
  expect([answer.status, answer.body]).toMatchObject([202, { success: true, status: 'queued' }]);
  expect(counted.proxy.passed[before]?.path).toBe('/rest/v1/rpc/start_generation');
  const { generation_id: id } = answer.body;
  expect((await user.completed(id)).images).toHaveLength(1);
  const read = await call<Generation>('GET', answer.body.urls.self, { headers: key });
  expect([read.status, read.body]).toMatchObject([200, { id, status: 'completed' }]);
  const stranger = await TestUser.signUp(stack);
  expect((await stranger.call('GET', `/generations/${id}`)).status).toBe(404);
});

test('the key is taken as apikey, too, and a batch and an idempotency key are the user’s', async () => {
  const headers = { apikey: counted.supabase.serviceRoleKey, 'idempotency-key': 'nightly' };
  const [first, second] = [await start({ num_images: 2 }, headers), await start({ num_images: 2 }, headers)];
  expect([first.status, second.status]).toEqual([202, 202]);
  expect(second.body.generation_id).toBe(first.body.generation_id);
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  const other = await TestUser.signUp(stack);
  const others = await start({ num_images: 2, user_id: other.id }, headers);
  expect(others.body.generation_id).not.toBe(first.body.generation_id);
  for (const { generation_id } of first.body.generations ?? []) await user.completed(generation_id);
});

test('it is within the user’s plan', async () => {
  const poor = await TestUser.signUp(stack);
  await stack.sql`insert into private.plans (name, images_per_day) values ('one a day', 1)`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${poor.id}, 'one a day')`;
  expect((await start({ user_id: poor.id })).status).toBe(202);
  await refused(start({ user_id: poor.id }), 429, 'quota_exceeded', { limit: 'images_per_day' });
});

test('it cancels what waits and has what failed made again, as its owner', async () => {
  const later = await start({ scheduled_at: new Date(Date.now() + 60_000).toISOString() });
  const cancelled = await call('POST', later.body.urls.cancel, { headers: key });
  expect([cancelled.status, cancelled.body]).toMatchObject([200, { status: 'cancelled' }]);
  await stack.simulator.fault('a torn sail', { error: 'E005' });
  const { generation_id: id } = (await start({ prompt: 'a torn sail' })).body;
  await user.reaches(id, 'failed');
  await stack.simulator.faults([]);
  const again = await call('POST', `${url}/generations/${id}/retry`, { headers: key });
  expect([again.status, again.body]).toMatchObject([202, { id, status: 'queued' }]);
  await user.completed(id);
});

describe('who is refused', () => {
  const claims = () => ({ role: 'service_role', exp: Math.floor(Date.now() / 1000) + 3600 });
  const unsigned = () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims())}`;
    return `${text}.${createHmac('sha256', 'x').update(text).digest('base64url')}`;
  };

  test('a user who names a user, even itself', async () => {
    const stranger = await TestUser.signUp(stack);
    for (const user_id of [user.id, stranger.id]) {
      const body = { prompt: 'x', model_id: MODEL, user_id };
      await refused(stranger.call('POST', '/start-generation', body), 403, 'forbidden', { field: 'user_id' });
    }
    expect((await stranger.start({ prompt: 'x', user_id: null })).status).toBe('queued');
  });

  test('a server that names none, or none that there is', async () => {
    for (const user_id of [undefined, null, 'x'])
      await refused(start({ user_id }), 400, 'invalid_request', { field: 'user_id' });
    await refused(start({ user_id: '00000000-0000-4000-8000-000000000000' }), 403, 'forbidden');
  });

  test.each<[string, () => Headers]>([
    ['a key that looks like one of today’s', () => ({ apikey: 'sb_secret_0000000000000000000000_00000000' })],
    [
      'a service token of another secret',
      () => ({ authorization: `Bearer ${signJwt(claims(), 'x'.repeat(40))}` }),
    ],
    ['one that nobody has signed', () => ({ authorization: `Bearer ${unsigned()}`, apikey: unsigned() })],
    ['the key less a letter', () => ({ apikey: counted.supabase.serviceRoleKey.slice(0, -1) })],
    ['the public key', () => ({ apikey: counted.supabase.anonKey })],
    ['nothing', () => ({})],
  ])('%s', async (_, headers) => {
    await refused(start({}, headers()), 401, 'unauthorized');
    const { urls } = await user.start({
      prompt: 'mine',
      scheduled_at: new Date(Date.now() + 60_000).toISOString(),
    });
    const { self, cancel } = urls;
    expectProblem(await call('GET', self, { headers: headers() }), 401, 'unauthorized');
    expectProblem(await call('POST', cancel, { headers: headers() }), 401, 'unauthorized');
    expect((await user.call('POST', new URL(cancel).pathname)).status).toBe(200);
  });

  test('the key, on the paths that are for users alone', async () => {
    for (const [method, path] of [
      ['GET', '/generations'],
      ['GET', '/events'],
      ['POST', '/generate-image'],
      ['POST', '/batch-generate'],
      ['POST', '/sources'],
    ] as const)
      expectProblem(await call(method, `${url}${path}`, { headers: key }), 401, 'unauthorized');
  });

  test('nobody whose own token comes beside the key: the token counts', async () => {
    const headers = { authorization: `Bearer ${user.token}`, apikey: counted.supabase.serviceRoleKey };
    const { status } = await start({ user_id: undefined }, headers);
    expect(status).toBe(202);
    await refused(start({}, headers), 403, 'forbidden', { field: 'user_id' });
  });

  test('nobody whose own token is no good beside the key, which is handed on with it', async () => {
    const apikey = counted.supabase.serviceRoleKey;
    for (const token of [
      'a.b.c',
      signJwt({ ...claims(), role: 'authenticated', sub: user.id }, 'x'.repeat(40)),
    ])
      await refused(start({}, { authorization: `Bearer ${token}`, apikey }), 401, 'unauthorized');
  });
});

test('a project with keys of today, which are no tokens', async () => {
  const hosted = await TestStack.start({ args: ['--api-keys', 'new', '--user-tokens', 'ES256'] });
  try {
    const { startGenerationUrl, secretKey, publishableKey } = hosted.addresses;
    const owner = await TestUser.signUp(hosted, publishableKey);
    for (const headers of [{ apikey: secretKey }, { authorization: `Bearer ${secretKey}` }]) {
      const answer = await call<Started>('POST', `${startGenerationUrl}/start-generation`, {
        body: { prompt: 'a key of today', model_id: MODEL, user_id: owner.id },
        headers,
      });
      expect(answer.status).toBe(202);
      await owner.completed(answer.body.generation_id);
    }
  } finally {
    await hosted.stop();
  }
});

test('the country of a user’s start is kept for the analytics; a server’s is not', async () => {
  const from = { 'cf-ipcountry': 'CH' };
  const theirs = await user.start({ prompt: 'from somewhere' }, from);
  const nightly = await start({}, { ...key, ...from });
  const rerun = await user.call<Started>('POST', `/generations/${theirs.generation_id}/rerun`, {}, from);
  const ids = [theirs.generation_id, nightly.body.generation_id, rerun.body.generation_id];
  const rows = await stack.sql<{ id: string; country: string | null }[]>`
    select id, country from public.image_generations where id in ${stack.sql(ids)}`;
  expect(ids.map((id) => rows.find((row) => row.id === id)?.country)).toEqual(['CH', null, 'CH']);
  for (const id of ids) await user.completed(id);
});
