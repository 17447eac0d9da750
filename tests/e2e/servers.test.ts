import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { CF_HEADER } from '../../dev/stack/workers/capnp.ts';
import { type CountedStack, startCounted } from './support/counted.ts';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { pictures } from './support/uploads.ts';
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
type Path = [method: string, path: string, body?: object];
/** What is done by the id of a generation or an image, as its owner. */
const BY_ID = (id: string, image: string): Path[] => [
  ['GET', `/generations/${id}`],
  ['POST', `/generations/${id}/cancel`],
  ['POST', `/generations/${id}/retry`],
  ['POST', `/generations/${id}/rerun`, {}],
  ['PATCH', `/images/${image}`, { archived: false }],
  ['DELETE', `/images/${image}`],
  ['DELETE', `/generations/${id}`],
];
/** What is done for the user who is named, in the query or in the body. */
const BY_USER = (user_id?: string): Path[] => {
  const query = user_id === undefined ? '' : `?user_id=${user_id}`;
  return [
    ['GET', `/generations${query}`],
    ['GET', `/usage${query}`],
    ['PATCH', '/images', { ids: [NO_ID], archived: true, user_id }],
  ];
};
const NO_ID = '00000000-0000-4000-8000-000000000000';
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

test('it lists what a user has, reads their usage, marks, makes again and deletes, a request for each', async () => {
  const owner = await TestUser.signUp(stack);
  const { generation_id: id } = (await start({ user_id: owner.id, prompt: 'a server’s harbour' })).body;
  const [image] = (await owner.completed(id)).images;
  const other = await TestUser.signUp(stack);
  const crossed = async <T>(method: string, path: string, body?: unknown) => {
    const before = counted.proxy.passed.length;
    const answer = await call<T>(method, `${url}${path}`, { headers: key, body });
    const passed = counted.proxy.passed.slice(before).filter((one) => one.path.startsWith('/rest/v1/rpc/'));
    return { ...answer, passed: passed.map((one) => one.path.slice('/rest/v1/rpc/'.length)) };
  };
  const list = `/generations?user_id=${owner.id}&q=harbour`;
  expect(await crossed('GET', list)).toMatchObject({
    status: 200,
    body: { generations: [{ id }] },
    passed: ['list_generations'],
  });
  expect((await crossed('GET', `/generations?user_id=${other.id}`)).body).toEqual({
    generations: [],
    next_cursor: null,
  });
  expect(await crossed('GET', `/usage?user_id=${owner.id}`)).toMatchObject({
    status: 200,
    body: { images: { used: 1 } },
    passed: ['user_usage'],
  });
  expect(await crossed('PATCH', `/images/${image?.id}`, { is_favorite: true })).toMatchObject({
    status: 200,
    body: { id: image?.id, is_favorite: true },
    passed: ['mark_image'],
  });
  const ids = [image?.id];
  const aside = (user_id: string) => crossed('PATCH', '/images', { ids, archived: true, user_id });
  expect(await aside(other.id)).toMatchObject({ status: 200, body: { images: [] } });
  expect(await aside(owner.id)).toMatchObject({ status: 200, body: { images: [{ id: image?.id }] } });
  const again = await crossed<Started>('POST', `/generations/${id}/rerun`, { seed: 7 });
  expect(again.status).toBe(202);
  expect(again.passed.slice(0, 2)).toEqual(['kept_request', 'start_generation']);
  expect(await owner.completed(again.body.generation_id)).toMatchObject({ parent_id: id, seed: 7 });
  expect(await crossed('DELETE', `/images/${image?.id}`)).toMatchObject({
    status: 200,
    passed: ['delete_image'],
  });
  expect((await owner.get(id)).images).toEqual([]);
  expect((await crossed('DELETE', `/generations/${id}`)).status).toBe(200);
  expect((await owner.call('GET', `/generations/${id}`)).status).toBe(404);
  for (const [method, path, body] of BY_ID(id, image?.id ?? ''))
    await refused(crossed(method, path, body), 404, 'not_found');
});

test('a rerun is within the plan of its owner, and has their idempotency keys', async () => {
  const owner = await TestUser.signUp(stack);
  const { generation_id: id } = (await start({ user_id: owner.id })).body;
  await owner.completed(id);
  const rerun = (headers: Headers) =>
    call<Started>('POST', `${url}/generations/${id}/rerun`, { headers: { ...key, ...headers }, body: {} });
  const first = await rerun({ 'idempotency-key': 'again' });
  const own = await owner.call<Started>(
    'POST',
    `/generations/${id}/rerun`,
    {},
    { 'idempotency-key': 'again' },
  );
  expect([own.status, own.body.generation_id]).toEqual([202, first.body.generation_id]);
  expect(own.headers.get('idempotency-replayed')).toBe('true');
  await owner.completed(first.body.generation_id);
  await stack.sql`insert into private.plans (name, images_per_day) values ('two a day', 2)`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${owner.id}, 'two a day')`;
  await refused(rerun({}), 429, 'quota_exceeded', { limit: 'images_per_day' });
});

test('it uploads an image for a user, who can start from it, and nobody else', async () => {
  const { png } = await pictures();
  const owner = await TestUser.signUp(stack);
  const upload = (query: string, headers: Headers) =>
    fetch(`${url}/sources${query}`, { method: 'POST', headers, body: png as BodyInit });
  const sent = await upload(`?user_id=${owner.id}`, key);
  expect(sent.status).toBe(201);
  const { source_id } = (await sent.json()) as { source_id: string };
  const request = {
    prompt: 'from it',
    model_id: 'black-forest-labs/flux-dev',
    operation: 'variation',
    source_id,
  };
  const { generation_id } = await owner.start(request);
  await owner.completed(generation_id);
  await refused(user.call('POST', '/start-generation', request), 404, 'not_found');
  expect((await start({ ...request, user_id: owner.id })).status).toBe(202);
  for (const [query, headers, status] of [
    ['', key, 400],
    ['?user_id=7', key, 400],
    [`?user_id=${owner.id}`, { authorization: `Bearer ${owner.token}` }, 403],
    [`?user_id=${owner.id}`, { apikey: 'sb_secret_0000000000000000000000_00000000' }, 401],
  ] as [string, Headers, number][])
    expect((await upload(query, headers)).status, `${query} ${status}`).toBe(status);
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
    for (const user_id of [user.id, stranger.id])
      for (const [method, path, body] of BY_USER(user_id))
        await refused(stranger.call(method, path, body), 403, 'forbidden', { field: 'user_id' });
    expect((await stranger.start({ prompt: 'x', user_id: null })).status).toBe('queued');
  });

  test('a server that names none, or none that there is', async () => {
    for (const user_id of [undefined, null, 'x'])
      await refused(start({ user_id }), 400, 'invalid_request', { field: 'user_id' });
    await refused(start({ user_id: NO_ID }), 403, 'forbidden');
    for (const user_id of [undefined, 'x'])
      for (const [method, path, body] of BY_USER(user_id))
        await refused(call(method, `${url}${path}`, { headers: key, body }), 400, 'invalid_request', {
          field: 'user_id',
        });
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
    const id = new URL(self).pathname.split('/').at(-1) ?? '';
    for (const [method, path, body] of [...BY_ID(id, NO_ID), ...BY_USER(user.id)])
      await refused(call(method, `${url}${path}`, { headers: headers(), body }), 401, 'unauthorized');
    expect((await user.call('POST', new URL(cancel).pathname)).status).toBe(200);
  });

  test('the key, on the paths that are for users alone', async () => {
    for (const [method, path] of [
      ['GET', '/events'],
      ['POST', '/generate-image'],
      ['POST', '/batch-generate'],
      ['POST', '/process-queue'],
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
      const { png } = await pictures();
      const query = `user_id=${owner.id}`;
      const sent = await fetch(`${startGenerationUrl}/sources?${query}`, {
        method: 'POST',
        headers,
        body: png as BodyInit,
      });
      expect(sent.status).toBe(201);
      expect((await call('GET', `${startGenerationUrl}/usage?${query}`, { headers })).status).toBe(200);
    }
  } finally {
    await hosted.stop();
  }
});

test('the country of a user’s start is kept for the analytics; a server’s is not', async () => {
  const from = { [CF_HEADER]: JSON.stringify({ country: 'CH' }), 'cf-ipcountry': 'US' };
  const theirs = await user.start({ prompt: 'from somewhere' }, from);
  const nightly = await start({}, { ...key, ...from });
  const rerun = await user.call<Started>('POST', `/generations/${theirs.generation_id}/rerun`, {}, from);
  const claimed = await user.start({ prompt: 'who says so' }, { [CF_HEADER]: '{}', 'cf-ipcountry': 'US' });
  const ids = [theirs, nightly.body, rerun.body, claimed].map((one) => one.generation_id);
  const rows = await stack.sql<{ id: string; country: string | null }[]>`
    select id, country from public.image_generations where id in ${stack.sql(ids)}`;
  expect(ids.map((id) => rows.find((row) => row.id === id)?.country)).toEqual(['CH', null, 'CH', null]);
  for (const id of ids) await user.completed(id);
});
