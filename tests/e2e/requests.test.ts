import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Answer, type Generation, MODEL, type Started, TestUser } from './support/user.ts';

/** Idempotency keys, cancelling, lists, batches. */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  // So few that a batch takes several invocations, each woken by the one before.
  stack = await TestStack.start({ env: { MAX_JOBS_PER_INVOCATION: '3' } });
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

describe('Idempotency-Key', () => {
  const startWith = <T = Started>(key: string, body: unknown, who = user) =>
    who.call<T>('POST', '/start-generation', body, { 'idempotency-key': key });

  test('the same request again gets the same answer, and makes nothing', async () => {
    const key = randomUUID();
    const body = { prompt: 'once', model_id: MODEL };
    const first = await startWith(key, body);
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([202, null]);
    const again = await startWith(key, body);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.body).toEqual(first.body);
    await user.completed(first.body.generation_id);
    const later = await startWith(key, body);
    expect(later.body.generation_id).toBe(first.body.generation_id);
    expect(await stack.simulator.predictions(first.body.job_id)).toHaveLength(1);
  });

  test('ten at the same moment make one generation', async () => {
    const key = randomUUID();
    const body = { prompt: 'ten times', model_id: MODEL };
    const answers = await Promise.all(Array.from({ length: 10 }, () => startWith(key, body)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(202));
    expect(new Set(answers.map((answer) => answer.body.generation_id)).size).toBe(1);
    const replayed = answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true');
    expect(replayed).toHaveLength(9);
    const rows = await stack.sql`select id from public.image_generations where prompt = 'ten times'`;
    expect(rows).toHaveLength(1);
    await user.completed(answers[0]?.body.generation_id ?? '');
  });

  test('another body under the same key is refused', async () => {
    const key = randomUUID();
    const first = await startWith(key, { prompt: 'one body', model_id: MODEL });
    const other: Answer = await startWith(key, { prompt: 'another body', model_id: MODEL });
    expectProblem(other, 422, 'idempotency_mismatch');
    await user.completed(first.body.generation_id);
  });

  test('a key belongs to its user, and a refused request does not use it up', async () => {
    const key = randomUUID();
    const other = await TestUser.signUp(stack);
    const bad: Answer = await startWith(key, { prompt: '', model_id: MODEL });
    expect(bad.status).toBe(400);
    const body = { prompt: 'two users', model_id: MODEL };
    const [mine, theirs] = [await startWith(key, body), await startWith(key, body, other)];
    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect(theirs.body.generation_id).not.toBe(mine.body.generation_id);
    await user.completed(mine.body.generation_id);
    await other.completed(theirs.body.generation_id);
  });
});

describe('cancelling', () => {
  const cancel = (id: string): Promise<Answer> => user.call('POST', `/generations/${id}/cancel`);

  test('what waits is cancelled, and never paid for', async () => {
    const scheduled_at = new Date(Date.now() + 3_600_000).toISOString();
    const started = await user.start({ prompt: 'waits', scheduled_at });
    const answer = await cancel(started.generation_id);
    expect(answer).toMatchObject({
      status: 200,
      body: { generation_id: started.generation_id, status: 'cancelled' },
    });
    await stack.letTimePass(started.generation_id);
    await stack.processJobs();
    expect((await user.get(started.generation_id)).status).toBe('cancelled');
    expect(await stack.simulator.predictions(started.job_id)).toEqual([]);
    expect((await cancel(started.generation_id)).body).toMatchObject({ status: 'cancelled' });
  });

  test('what runs is cancelled at Replicate too', async () => {
    await stack.simulator.fault('runs', { hold: 'run' });
    const started = await user.start({ prompt: 'runs' });
    await user.reaches(started.generation_id, 'processing');
    expect((await cancel(started.generation_id)).body).toMatchObject({ status: 'cancelled' });
    const [prediction] = await stack.until('the cancel to reach the provider', async () => {
      const all = await stack.simulator.predictions(started.job_id);
      return all[0]?.status === 'canceled' && all;
    });
    expect(prediction).toMatchObject({ cancel_calls: 1, downloads: 0 });
    expect(await user.get(started.generation_id)).toMatchObject({
      status: 'cancelled',
      images: [],
      error: null,
    });
  });

  test('what is finished stays so', async () => {
    const { generation_id } = await user.start({ prompt: 'finished' });
    const before = await user.completed(generation_id);
    expectProblem(await cancel(generation_id), 409, 'conflict');
    expect(await user.get(generation_id)).toEqual(before);
  });

  test('what has failed stays so', async () => {
    await stack.simulator.fault('has failed', { error: 'E005' });
    const { generation_id } = await user.start({ prompt: 'has failed' });
    await user.reaches(generation_id, 'failed');
    expectProblem(await cancel(generation_id), 409, 'conflict');
  });
});

describe('lists', () => {
  interface Page {
    generations: Generation[];
    next_cursor: string | null;
  }

  test('pages follow each other without gap or repetition, the newest first', async () => {
    const reader = await TestUser.signUp(stack);
    const ids: string[] = [];
    for (let n = 1; n <= 5; n += 1) ids.unshift((await reader.start({ prompt: `page ${n}` })).generation_id);
    const list = async (query: string) => {
      const answer = await reader.call<Page>('GET', `/generations?${query}`);
      expect(answer.status).toBe(200);
      return answer.body;
    };
    const seen: string[] = [];
    const sizes: number[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Page = await list(`limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      seen.push(...page.generations.map(({ id }) => id));
      sizes.push(page.generations.length);
      cursor = page.next_cursor;
    }
    expect(seen).toEqual(ids);
    expect(sizes).toEqual([2, 2, 1]);
    for (const id of ids) await reader.completed(id);
    expect((await list('status=completed')).generations).toHaveLength(5);
    expect((await list('status=failed')).generations).toEqual([]);
    const [first] = (await list('limit=1')).generations;
    expect(first).toEqual(await reader.get(ids[0] ?? ''));
  });

  test('a batch: one answer with all of it, one list', async () => {
    const prompts = Array.from({ length: 10 }, (_, n) => `number ${n}`);
    const started = await user.start({ prompts });
    expect(started).toMatchObject({ status: 'queued', message: '10 generations queued.' });
    const ids = started.generations?.map(({ generation_id }) => generation_id) ?? [];
    expect(new Set(ids).size).toBe(10);
    expect(started.generation_id).toBe(ids[0]);
    for (const id of ids) await user.completed(id);
    const { body } = await user.call<Page>('GET', `/generations?batch_id=${started.batch_id}`);
    expect(body.generations.map(({ id }) => id).sort()).toEqual(ids.toSorted());
    const [batch] = await stack.sql`
      select status, total_count, completed_count, failed_count from public.batch_generations
      where id = ${started.batch_id ?? ''}`;
    expect(batch).toEqual({ status: 'completed', total_count: 10, completed_count: 10, failed_count: 0 });
  });

  test('a batch of one prompt with a seed: each image has its own', async () => {
    const started = await user.start({ prompt: 'seeded', num_images: 3, seed: 7 });
    const seeds = await stack.sql<{ seed: string }[]>`
      select seed from public.image_generations where batch_id = ${started.batch_id ?? ''} order by seed`;
    expect(seeds.map(({ seed }) => Number(seed))).toEqual([7, 8, 9]);
    for (const { generation_id } of started.generations ?? []) await user.completed(generation_id);
  });
});

test('the quota: 429 with Retry-After and which limit, and nothing made', async () => {
  const busy = await TestUser.signUp(stack);
  await stack.sql`insert into private.plans values ('tiny', 2, 500, '{low,normal}')`;
  await stack.sql`insert into private.user_plans values (${busy.id}, 'tiny')`;
  const started = [await busy.start({ prompt: 'quota 1' }), await busy.start({ prompt: 'quota 2' })];
  for (const { generation_id } of started) await busy.completed(generation_id);
  const before = await stack.traces();
  const refused: Answer = await busy.call('POST', '/start-generation', {
    prompt: 'quota 3',
    model_id: MODEL,
  });
  expectProblem(refused, 429, 'quota_exceeded');
  expect(refused.body).toMatchObject({ limit: 'requests_per_minute' });
  const seconds = Number(refused.headers.get('retry-after'));
  expect(seconds).toBeGreaterThanOrEqual(1);
  expect(seconds).toBeLessThanOrEqual(60);
  expect(await stack.traces()).toEqual(before);
  await stack.sql`update private.usage set minute_started_at = now() - interval '61 seconds'
    where user_id = ${busy.id}`;
  const high: Answer = await busy.call('POST', '/start-generation', {
    prompt: 'quota 4',
    model_id: MODEL,
    priority: 'high',
  });
  expectProblem(high, 403, 'forbidden');
});
