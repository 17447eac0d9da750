import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LiveSocket, LiveStream } from './support/live.ts';
import { type Document, Judge } from './support/openapi.ts';
import { TestStack } from './support/stack.ts';
import { pictures, type Sent, sendSource } from './support/uploads.ts';
import { type Answer, call, MODEL, TestUser } from './support/user.ts';

/**
 * What the running system answers, held against its own description. An answer with a member, a status, a
 * code or a type that the description lacks fails.
 */

let stack: TestStack;
let user: TestUser;
let judge: Judge;
let finished: string;
/** Operations and statuses that have been tried. */
const tried = new Set<string>();

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  const answer = await call<Document>('GET', `${stack.addresses.startGenerationUrl}/openapi.json`);
  expect(answer.status).toBe(200);
  judge = new Judge(answer.body);
  expectDescribed('GET', '/openapi.json', answer);
  const { generation_id } = await user.start({ prompt: 'a lighthouse', width: 1000, height: 700 });
  finished = (await user.completed(generation_id)).id;
});
afterAll(() => stack?.stop());

function expectDescribed(method: string, path: string, answer: Answer<unknown>, status = 200): void {
  const what = `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`;
  expect(answer.status, what).toBe(status);
  expect(judge.judge(method, path, answer), what).toEqual([]);
  tried.add(`${method} ${path}`);
}

const NO_ID = '00000000-0000-4000-8000-000000000000';
const anybody = (method: string, path: string, headers: Record<string, string> = {}) =>
  call(method, `${stack.addresses.startGenerationUrl}${path}`, { headers });
const start = (changes: Record<string, unknown>, headers?: Record<string, string>) =>
  user.call('POST', '/start-generation', { prompt: 'a fox', model_id: MODEL, ...changes }, headers);

describe('what is hoped for', () => {
  test('POST /start-generation, one, several and a batch', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const all: [Record<string, unknown>, Record<string, string>][] = [
      [{}, {}],
      [{ num_images: 2, seed: 1 }, {}],
      [{ prompt: undefined, prompts: ['a', 'b'] }, {}],
      [{ width: 512 }, key],
      [{ width: 512 }, key],
    ];
    for (const [changes, headers] of all) {
      expectDescribed('POST', '/start-generation', await start(changes, headers), 202);
    }
  });

  test('GET /generations/{id}, waiting, completed, failed and cancelled', async () => {
    const later = await user.start({
      prompt: 'later',
      scheduled_at: new Date(Date.now() + 60_000).toISOString(),
    });
    const get = async (id: string) =>
      expectDescribed('GET', '/generations/{id}', await user.call('GET', `/generations/${id}`));
    await get(later.generation_id);
    await get(finished);
    await stack.simulator.fault('bad luck', { error: 'NSFW content detected' });
    const failed = await user.start({ prompt: 'bad luck' });
    expect(await user.ended(failed.generation_id)).toMatchObject({ status: 'failed' });
    await get(failed.generation_id);
    const cancelled = await user.call('POST', `/generations/${later.generation_id}/cancel`);
    expectDescribed('POST', '/generations/{id}/cancel', cancelled);
    await get(later.generation_id);
  });

  test('GET /generations', async () => {
    for (const query of ['', '?limit=1', '?status=completed&q=LIGHTHOUSE&favorite=false&archived=false']) {
      expectDescribed('GET', '/generations', await user.call('GET', `/generations${query}`));
    }
  });

  test('POST /generations/{id}/rerun', async () => {
    for (const changes of [{}, { seed: null, width: 512 }]) {
      const again = await user.call('POST', `/generations/${finished}/rerun`, changes);
      expectDescribed('POST', '/generations/{id}/rerun', again, 202);
    }
  });

  test('PATCH /images/{id} and /images', async () => {
    const [image] = (await user.get(finished)).images;
    const marks = { is_favorite: true, archived: true };
    expectDescribed('PATCH', '/images/{id}', await user.call('PATCH', `/images/${image?.id}`, marks));
    const all = { ids: [image?.id, NO_ID], archived: false };
    expectDescribed('PATCH', '/images', await user.call('PATCH', '/images', all));
  });

  test('GET /usage', async () => {
    expectDescribed('GET', '/usage', await user.call('GET', '/usage'));
  });

  test('POST /sources, and a start from it', async () => {
    for (const [format, picture] of Object.entries(await pictures())) {
      const answer = await sendSource(user, picture, { 'content-type': `image/${format}` });
      expectDescribed('POST', '/sources', answer, 201);
      const { source_id } = answer.body;
      const started = await start({
        model_id: 'black-forest-labs/flux-dev',
        operation: 'variation',
        source_id,
      });
      expectDescribed('POST', '/start-generation', started, 202);
    }
  });

  test.each(['/models', '/health', '/openapi.json', '/config'])('GET %s', async (path) => {
    expectDescribed('GET', path, await anybody('GET', path));
  });
});

describe('the live channel', () => {
  const message = { $ref: '#/components/schemas/LiveMessage' };

  test.each([
    ['a WebSocket', LiveSocket, 101],
    ['server-sent events', LiveStream, 200],
  ])('%s says what is described', async (_, { open }, status) => {
    const listening = await open(user);
    const single = await open(user, { generation: finished });
    await listening.hears('ready', ({ type }) => type === 'ready');
    const { generation_id } = await user.start({ prompt: 'live' });
    await listening.reaches(generation_id, 'completed');
    await stack.simulator.fault('no luck', { error: 'CUDA out of memory' });
    const failing = await user.start({ prompt: 'no luck' });
    await stack.until('the failure of a generation', async () => {
      await stack.letTimePass(failing.generation_id);
      await stack.processJobs();
      return listening.about(failing.generation_id).some((one) => one.status === 'failed');
    });
    await single.end();
    listening.close();

    const heard = [...listening.messages, ...single.messages];
    expect(new Set(heard.map(({ type, status: word }) => word ?? type)).size).toBeGreaterThan(3);
    for (const { at: _, ...said } of heard) {
      expect(judge.faults(message, said), JSON.stringify(said)).toEqual([]);
    }
    for (const path of ['/events', '/generations/{id}/events']) {
      expect(Object.keys(judge.document.paths[path]?.get?.responses ?? {})).toContain(String(status));
    }
  });

  test('neither of the two, nobody’s generation, and nothing to wait for', async () => {
    const one = `/generations/${finished}/events`;
    expectDescribed('GET', '/events', await user.call('GET', '/events'), 426);
    expectDescribed('GET', '/generations/{id}/events', await user.call('GET', one), 426);
    const stream = { accept: 'text/event-stream' };
    const nobodys = await user.call('GET', `/generations/${NO_ID}/events`, undefined, stream);
    expectDescribed('GET', '/generations/{id}/events', nobodys, 404);
    const past = { ...stream, 'last-event-id': String(Date.now() + 60_000) };
    const over = await user.call('GET', one, undefined, past);
    expectDescribed('GET', '/generations/{id}/events', over, 204);
  });
});

describe('problems', () => {
  test.each([
    ['a width of 0', { width: 0 }, 400],
    ['no model of that name', { model_id: 'nobody/nothing' }, 404],
    ['no source of that id', { model_id: 'black-forest-labs/flux-dev', source_generation_id: NO_ID }, 404],
    ['no upload of that id', { model_id: 'black-forest-labs/flux-dev', source_id: NO_ID }, 404],
    ['more than 64 KiB', { style: 'x'.repeat(70_000) }, 413],
    ['what the model cannot do', { source_image_url: 'https://example.com/a.png' }, 422],
  ])('a start: %s', async (_, changes, status) => {
    expectDescribed('POST', '/start-generation', await start(changes), status);
  });

  test('a start: an idempotency key for something else', async () => {
    const key = { 'idempotency-key': randomUUID() };
    await start({}, key);
    expectDescribed('POST', '/start-generation', await start({ seed: 2 }, key), 422);
  });

  test('a start: what the plan does not have, and a quota', async () => {
    const poor = await TestUser.signUp(stack);
    await stack.sql`
      insert into private.plans (name, images_per_day, priorities) values ('one', 1, '{normal}')`;
    await stack.sql`insert into private.user_plans (user_id, plan) values (${poor.id}, 'one')`;
    await poor.start({ prompt: 'the only one' });
    for (const [priority, status] of [
      ['high', 403],
      ['normal', 429],
    ] as const) {
      const request = { prompt: 'another', model_id: MODEL, priority };
      expectDescribed(
        'POST',
        '/start-generation',
        await poor.call('POST', '/start-generation', request),
        status,
      );
    }
  });

  test.each<[string, string, Sent, number]>([
    ['nothing', 'image/png', '', 400],
    ['too much', 'image/png', 'a picture with 10 MiB behind it', 413],
    ['a page', 'text/html', '<!doctype html>', 415],
    ['half a picture', 'image/png', 'the first half of a picture', 422],
  ])('an upload: %s', async (what, type, body, status) => {
    const { png } = await pictures();
    const parts: Record<string, Uint8Array[]> = {
      'half a picture': [png.subarray(0, png.length / 2)],
      'too much': [png, new Uint8Array(10 * 1024 * 1024)],
    };
    const sent = parts[what] ? new Uint8Array(Buffer.concat(parts[what])) : body;
    expectDescribed('POST', '/sources', await sendSource(user, sent, { 'content-type': type }), status);
  });

  test('nothing with that id, and what has ended already', async () => {
    expectDescribed('GET', '/generations/{id}', await user.call('GET', `/generations/${NO_ID}`), 404);
    const nothing = await user.call('POST', `/generations/${NO_ID}/cancel`);
    expectDescribed('POST', '/generations/{id}/cancel', nothing, 404);
    const ended = await user.call('POST', `/generations/${finished}/cancel`);
    expectDescribed('POST', '/generations/{id}/cancel', ended, 409);
    expectDescribed('GET', '/generations', await user.call('GET', '/generations?limit=0'), 400);
    const again = await user.call('POST', `/generations/${NO_ID}/rerun`);
    expectDescribed('POST', '/generations/{id}/rerun', again, 404);
    const no = await user.call('PATCH', `/images/${NO_ID}`, { archived: true });
    expectDescribed('PATCH', '/images/{id}', no, 404);
    expectDescribed('PATCH', '/images/{id}', await user.call('PATCH', `/images/${NO_ID}`, {}), 400);
    expectDescribed('PATCH', '/images', await user.call('PATCH', '/images', { ids: [] }), 400);
  });

  test('no token, wherever one is wanted', async () => {
    for (const [path, methods] of Object.entries(judge.document.paths)) {
      for (const [method, { responses }] of Object.entries(methods)) {
        if (!responses['401']) continue;
        const answer = await anybody(method.toUpperCase(), path.replace('{id}', NO_ID));
        expectDescribed(method.toUpperCase(), path, answer, 401);
      }
    }
  });

  test('a path or a method that does not exist is a problem like any other', async () => {
    const any = judge.document.components.schemas.Problem ?? {};
    for (const [method, path, status] of [
      ['GET', '/nothing', 404],
      ['DELETE', '/generations', 405],
    ] as const) {
      const { body, ...answer } = await anybody(method, path);
      expect([answer.status, judge.faults(any, body)]).toEqual([status, []]);
    }
  });
});

test('the router takes the methods that are described, and no others', async () => {
  for (const [path, methods] of Object.entries(judge.document.paths)) {
    const answer = await anybody('PUT', path.replace('{id}', NO_ID));
    const allowed = (answer.headers.get('allow') ?? '').split(', ').sort();
    expect([answer.status, allowed], path).toEqual([
      405,
      Object.keys(methods)
        .map((m) => m.toUpperCase())
        .sort(),
    ]);
  }
});

test('every operation has been tried', () => {
  const all = Object.entries(judge.document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect([...tried].sort()).toEqual(all.sort());
});
