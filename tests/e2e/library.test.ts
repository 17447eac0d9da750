import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Answer, type Generation, TestUser } from './support/user.ts';

/** Finding over HTTP. What SQL lists is in tests/database/library.test.ts. */

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
