import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { pictures, uploadSource } from './support/uploads.ts';
import { type Answer, type Generation, MODEL, type Started, TestUser } from './support/user.ts';

/** A generation is made again, with changes or without. */

const VARYING = 'black-forest-labs/flux-dev';

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

const ask = <T = Record<string, unknown>>(
  id: string,
  changes?: unknown,
  headers: Record<string, string> = {},
  who = user,
): Promise<Answer<T>> => who.call<T>('POST', `/generations/${id}/rerun`, changes, headers);

async function rerun(id: string, changes?: unknown): Promise<Started> {
  const { status, body } = await ask<Started>(id, changes);
  expect(status, JSON.stringify(body)).toBe(202);
  return body;
}

/** What the provider was asked for. */
const input = async ({ job_id }: Started) => {
  const [made] = await stack.simulator.predictions(job_id);
  return made?.prediction.input as Record<string, unknown>;
};
const image = async ({ images }: Generation) => {
  const answer = await fetch(images[0]?.url ?? '');
  return Buffer.from(await answer.arrayBuffer()).toString('base64');
};

describe('what is kept', () => {
  test('without a body all is: the provider is asked for the same, and makes the same image', async () => {
    const first = await user.start({ prompt: 'kept', width: 1000, num_inference_steps: 3, priority: 'high' });
    const made = await user.completed(first.generation_id);
    expect(made.seed, 'drawn here').toEqual(expect.any(Number));
    const second = await rerun(first.generation_id);
    const again = await user.completed(second.generation_id);
    expect(again).toMatchObject({
      seed: made.seed,
      parent_id: made.id,
      width: made.width,
      height: made.height,
    });
    expect(await input(second)).toEqual(await input(first));
    expect((await input(first)).seed).toBe(made.seed);
    expect(await image(again)).toBe(await image(made));
    const [row] = await stack.sql`select priority from public.image_generations where id = ${again.id}`;
    expect(row?.priority).toBe(10);
  });

  test('but for what the body names; null takes away, and draws another seed', async () => {
    const first = await user.start({ prompt: 'changed', seed: 7, num_inference_steps: 3 });
    await user.completed(first.generation_id);
    const prompt = await rerun(first.generation_id, { prompt: 'changed twice' });
    const seed = await rerun(first.generation_id, { seed: null, num_inference_steps: null });
    const several = await rerun(first.generation_id, { num_images: 2 });
    for (const { generation_id } of [prompt, seed, ...(several.generations ?? [])])
      await user.completed(generation_id);
    expect(await input(prompt)).toMatchObject({ prompt: 'changed twice', seed: 7, num_inference_steps: 3 });
    expect((await input(seed)).seed).not.toBe(7);
    expect((await user.get(seed.generation_id)).seed).toBe((await input(seed)).seed);
    expect(await input(seed)).toMatchObject({ prompt: 'changed' });
    const list = await user.call<{ generations: Generation[] }>(
      'GET',
      `/generations?parent_id=${first.generation_id}`,
    );
    expect(list.body.generations.map(({ id }) => id).sort()).toEqual(
      [prompt, seed, ...(several.generations ?? [])].map(({ generation_id }) => generation_id).sort(),
    );
  });

  test('asked for twice under one key it is one, also when its parent is no more', async () => {
    const { generation_id } = await user.start({ prompt: 'the parent' });
    await user.completed(generation_id);
    const key = { 'idempotency-key': randomUUID() };
    const first = await ask<Started>(generation_id, { prompt: 'the child' }, key);
    expect(first.status, JSON.stringify(first.body)).toBe(202);
    expect((await user.call('DELETE', `/generations/${generation_id}`)).status).toBe(200);
    const second = await ask<Started>(generation_id, { prompt: 'the child' }, key);
    expect(second.status, JSON.stringify(second.body)).toBe(202);
    expect(second.body.generation_id).toBe(first.body.generation_id);
    // Another request under the key, another key and none: there is nothing to make again.
    for (const [changes, headers] of [
      [{ prompt: 'another child' }, key],
      [{ prompt: 'the child' }, { 'idempotency-key': randomUUID() }],
      [{ prompt: 'the child' }, {}],
    ] as const)
      expectProblem(await ask(generation_id, changes, headers), 404, 'not_found');
  });

  test('of one that runs, has failed or was cancelled as well', async () => {
    await stack.simulator.faults([
      { match: { prompt: 'held' }, fault: { hold: 'run' } },
      { match: { prompt: 'flagged' }, fault: { error: 'NSFW content detected' } },
    ]);
    const held = await user.start({ prompt: 'held' });
    await user.reaches(held.generation_id, 'processing');
    const flagged = await user.start({ prompt: 'flagged' });
    await user.reaches(flagged.generation_id, 'failed');
    const ends: Started[] = [];
    for (const { generation_id } of [held, flagged])
      ends.push(await rerun(generation_id, { prompt: 'fine' }));
    await user.call('POST', `/generations/${held.generation_id}/cancel`);
    ends.push(await rerun(held.generation_id, { prompt: 'fine' }));
    for (const { generation_id } of ends) await user.completed(generation_id);
  });

  test('a source, and what another one takes the place of', async () => {
    const source = await user.start({ prompt: 'the source' });
    await user.completed(source.generation_id);
    const first = await user.start({
      prompt: 'varied',
      model_id: VARYING,
      source_generation_id: source.generation_id,
      strength: 0.5,
    });
    await user.completed(first.generation_id);
    const again = await user.completed((await rerun(first.generation_id)).generation_id);
    expect(again).toMatchObject({
      source_generation_id: source.generation_id,
      parent_id: first.generation_id,
      strength: 0.5,
    });
    const { png } = await pictures();
    const { source_id } = await uploadSource(user, png, 'image/png');
    const other = await user.completed((await rerun(first.generation_id, { source_id })).generation_id);
    expect(other).toMatchObject({ source_generation_id: null, source_id, strength: 0.5 });
    const plain = await user.completed(
      (await rerun(first.generation_id, { source_generation_id: null })).generation_id,
    );
    expect(plain).toMatchObject({ source_generation_id: null, strength: null });
  });
});

describe('Idempotency-Key', () => {
  test('the same again makes nothing, and another generation or body under it is refused', async () => {
    const { generation_id: id } = await user.start({ prompt: 'under a key' });
    const { generation_id: other } = await user.start({ prompt: 'another' });
    const headers = { 'idempotency-key': randomUUID() };
    const first = await ask<Started>(id, { seed: 1 }, headers);
    expect([first.status, first.headers.get('idempotency-replayed')]).toEqual([202, null]);
    const again = await ask<Started>(id, { seed: 1 }, headers);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.body).toEqual(first.body);
    expectProblem(await ask(id, { seed: 2 }, headers), 422, 'idempotency_mismatch');
    expectProblem(await ask(other, { seed: 1 }, headers), 422, 'idempotency_mismatch');
    for (const one of [id, other, first.body.generation_id]) await user.completed(one);
  });
});

describe('what is refused', () => {
  test('somebody else’s, nobody’s, and what a start refuses', async () => {
    const { generation_id: id } = await user.start({ prompt: 'mine' });
    await user.completed(id);
    const stranger = await TestUser.signUp(stack);
    const before = await stack.traces();
    expectProblem(await ask(id, {}, {}, stranger), 404, 'not_found');
    expectProblem(await ask(randomUUID()), 404, 'not_found');
    expectProblem(await ask('x'), 404, 'not_found');
    expectProblem(await ask(id, []), 400, 'invalid_request', { field: 'body' });
    expectProblem(await ask(id, '{"seed":'), 400, 'invalid_request', { field: 'body' });
    expectProblem(await ask(id, { prompt: null }), 400, 'invalid_request', { field: 'prompt' });
    expectProblem(await ask(id, { width: 1 }), 400, 'invalid_request', { field: 'width' });
    expectProblem(await ask(id, { strength: 0.5 }), 400, 'invalid_request', { field: 'strength' });
    expectProblem(await ask(id, { model_id: 'no/such' }), 404, 'unknown_model');
    expect(await stack.traces()).toEqual(before);
  });

  test('what cannot be had any more: a source, an upload, a model', async () => {
    const source = await user.start({ prompt: 'soon gone' });
    await user.completed(source.generation_id);
    const varied = { prompt: 'left behind', model_id: VARYING };
    const first = await user.start({ ...varied, source_generation_id: source.generation_id });
    await user.completed(first.generation_id);
    expect((await user.call('DELETE', `/generations/${source.generation_id}`)).status).toBe(200);
    expectProblem(await ask(first.generation_id), 409, 'conflict', { field: 'source_generation_id' });
    const without = await rerun(first.generation_id, { source_generation_id: null });
    await user.completed(without.generation_id);

    const { png } = await pictures();
    const { source_id } = await uploadSource(user, png, 'image/png');
    const uploaded = await user.start({ ...varied, source_id });
    await user.completed(uploaded.generation_id);
    await stack.sql.begin(async (sql) => {
      await sql`set local storage.allow_delete_query = 'true'`;
      await sql`delete from storage.objects where name like ${`%${source_id}%`}`;
    });
    expectProblem(await ask(uploaded.generation_id), 404, 'not_found');

    await stack.sql`update public.models set is_active = false where replicate_id = ${VARYING}`;
    expectProblem(await ask(without.generation_id), 404, 'unknown_model');
    const elsewhere = await rerun(without.generation_id, { model_id: MODEL });
    await user.completed(elsewhere.generation_id);
    await stack.sql`update public.models set is_active = true where replicate_id = ${VARYING}`;
  });

  test('what the plan does not allow', async () => {
    const poor = await TestUser.signUp(stack);
    await stack.sql`insert into private.plans (name, images_per_day) values ('one image', 1)`;
    await stack.sql`insert into private.user_plans (user_id, plan) values (${poor.id}, 'one image')`;
    const { generation_id } = await poor.start({ prompt: 'the only one' });
    const refused = await ask(generation_id, {}, {}, poor);
    expectProblem(refused, 429, 'quota_exceeded', { limit: 'images_per_day' });
    await poor.completed(generation_id);
  });
});
