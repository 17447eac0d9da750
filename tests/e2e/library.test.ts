import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Answer, call, type Generation, type Image, TestUser } from './support/user.ts';

/** Finding, marking, and what is used of the plan, over HTTP. What SQL lists is in tests/database/library.test.ts. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const list = (query: string) =>
  user.call<{ generations: (Generation & { prompt: string })[] }>('GET', `/generations?${query}`);

describe('lists', () => {
  test('are filtered by every parameter', async () => {
    await stack.simulator.fault('storm', { error: 'NSFW content detected' });
    const fox = await user.completed((await user.start({ prompt: '50% of a Fox' })).generation_id);
    const storm = await user.ended((await user.start({ prompt: 'a storm' })).generation_id);
    const between = new Date((Date.parse(fox.completed_at ?? '') + Date.parse(storm.completed_at ?? '')) / 2);
    const [both, first, second] = [['a storm', '50% of a Fox'], ['50% of a Fox'], ['a storm']];
    const table: [string, string[] | undefined][] = [
      ['', both],
      ['q=FOX', first],
      ['q=%25', first],
      ['q=_', []],
      ['status=failed', second],
      ['model_id=flux-schnell', both],
      ['model_id=black-forest-labs/flux-schnell&q=fox', first],
      ['model_id=black-forest-labs/flux-dev', []],
      ['operation=generate', both],
      ['operation=upscale', []],
      ['favorite=true', []],
      ['archived=false', both],
      [`parent_id=${fox.id}`, []],
      [`created_after=${between.toISOString()}`, undefined],
      ['created_before=2020-01-01T00:00:00Z', []],
      ['created_after=2020-01-01T00%3A00%3A00%2B02:00', both],
    ];
    for (const [query, expected] of table) {
      const answer = await list(query);
      expect([answer.status, query]).toEqual([200, query]);
      if (expected)
        expect(
          answer.body.generations.map(({ prompt }) => prompt),
          query,
        ).toEqual(expected);
    }
  });

  test.each([
    ['favorite=yes', 'favorite'],
    ['archived=', 'archived'],
    ['q=', 'q'],
    [`q=${'x'.repeat(201)}`, 'q'],
    ['q=a%00b', 'q'],
    ['operation=paint', 'operation'],
    ['parent_id=1', 'parent_id'],
    ['created_after=now', 'created_after'],
    ['created_before=0000-01-01T00:00:00Z', 'created_before'],
  ])('a parameter that is none is refused: %s', async (query, field) => {
    const answer: Answer = await user.call('GET', `/generations?${query}`);
    expectProblem(answer, 400, 'invalid_request', { field });
  });
});

describe('marks', () => {
  const finished = async (who = user) => {
    const generation = await who.completed((await who.start({ prompt: 'to be marked' })).generation_id);
    return generation.images[0] as Image;
  };

  test('on one image', async () => {
    const image = await finished();
    expect(image).toMatchObject({ is_favorite: false, is_public: false, archived_at: null });
    const marked = await user.call<Image>('PATCH', `/images/${image.id}`, {
      is_favorite: true,
      archived: true,
    });
    expect([marked.status, marked.headers.get('cache-control')]).toEqual([200, 'private, no-store']);
    expect(marked.body).toEqual({ ...image, is_favorite: true, archived_at: expect.any(String) });
    expect((await user.get(image.generation_id ?? '')).images).toEqual([marked.body]);
    const favourites = await list('favorite=true&archived=true');
    expect(favourites.body.generations.map(({ id }) => id)).toEqual([image.generation_id]);
    const back = await user.call<Image>('PATCH', `/images/${image.id}`, {
      is_favorite: false,
      archived: false,
    });
    expect(back.body).toEqual(image);
  });

  test('on many, and on nobody else’s', async () => {
    const stranger = await TestUser.signUp(stack);
    const [one, two, other] = [await finished(), await finished(), await finished(stranger)];
    const ids = [two.id, other.id, randomUUID(), one.id];
    const { status, body } = await user.call<{ images: Image[] }>('PATCH', '/images', {
      ids,
      is_public: true,
    });
    expect(status).toBe(200);
    expect(body.images.map(({ id, is_public }) => [id, is_public])).toEqual([
      [two.id, true],
      [one.id, true],
    ]);
    const theirs: Answer = await user.call('PATCH', `/images/${other.id}`, { is_public: true });
    expectProblem(theirs, 404, 'not_found');
    expect((await stranger.get(other.generation_id ?? '')).images).toEqual([other]);
  });

  test('that are none are refused', async () => {
    const path = `/images/${randomUUID()}`;
    expectProblem(await user.call('PATCH', path, {}), 400, 'invalid_request', { field: 'body' });
    expectProblem(await user.call('PATCH', path, { archived: 'yes' }), 400, 'invalid_request', {
      field: 'archived',
    });
    expectProblem(await user.call('PATCH', path, { favourite: true }), 400, 'invalid_request', {
      field: 'favourite',
    });
    expectProblem(await user.call('PATCH', '/images/x', { archived: true }), 404, 'not_found');
    const ids = Array(101).fill(randomUUID());
    expectProblem(await user.call('PATCH', '/images', { ids, archived: true }), 400, 'invalid_request', {
      field: 'ids',
    });
  });

  test('may be asked for by a page of another origin', async () => {
    const answer = await call('OPTIONS', `${stack.addresses.startGenerationUrl}/images`, {
      headers: { origin: 'https://example.com', 'access-control-request-method': 'PATCH' },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-methods')?.split(', ')).toContain('PATCH');
  });
});

test('GET /usage tells the plan and what is used of it', async () => {
  const fresh = await TestUser.signUp(stack);
  await stack.sql`insert into private.plans (name, images_per_day, money_per_day, running_jobs, priorities)
    values ('small', 10, 1, 2, '{low,normal}')`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${fresh.id}, 'small')`;
  const { generation_id } = await fresh.start({ prompt: 'counted' });
  await fresh.completed(generation_id);
  const scheduled_at = new Date(Date.now() + 3_600_000).toISOString();
  await fresh.start({ prompt: 'later', scheduled_at });
  const answer = await fresh.call('GET', '/usage');
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'private, no-store']);
  expect(answer.body).toEqual({
    plan: {
      name: 'small',
      requests_per_minute: null,
      images_per_day: 10,
      money_per_day: 1,
      running_jobs: 2,
      priorities: ['low', 'normal'],
    },
    requests: { used: 2, left: null, resets_at: expect.any(String) },
    images: { used: 2, left: 8, resets_at: expect.any(String) },
    money: { used: 0.003, left: 0.997, resets_at: expect.any(String) },
    spent_usd: { today: 0.003, this_month: 0.003 },
    jobs: { running: 0, ready: 0, blocked: 0, scheduled: 1 },
  });
});
