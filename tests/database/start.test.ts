import { beforeEach, describe, expect, test } from 'vitest';
import { Database, MODEL, refusal } from './support.ts';

const db = await Database.open();
beforeEach(() => db.clear());

/** Rows of every table that a start may write. */
async function rows(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of [
    'public.job_queue',
    'public.image_generations',
    'public.batch_generations',
    'private.usage',
    'private.idempotency_keys',
  ]) {
    counts[table] = (await db.sql.unsafe(`select from ${table}`)).length;
  }
  return counts;
}

describe('a request that is refused leaves nothing behind', () => {
  const long = (length: number) => 'x'.repeat(length);
  test.each<[string, Record<string, unknown>, string, string]>([
    ['no prompt', { prompt: undefined }, 'PT422', 'invalid_request'],
    ['an empty prompt', { prompt: '' }, 'PT422', 'invalid_request'],
    ['a blank prompt', { prompt: ' \n\t' }, 'PT422', 'invalid_request'],
    ['a prompt of 4,001 characters', { prompt: long(4001) }, 'PT422', 'invalid_request'],
    ['a prompt that is no text', { prompt: 5 }, 'PT422', 'invalid_request'],
    ['no items', { items: [] }, 'PT422', 'invalid_request'],
    ['11 items', { items: Array(11).fill({ prompt: 'x' }) }, 'PT422', 'invalid_request'],
    ['items that are no list', { items: 'x' }, 'PT422', 'invalid_request'],
    ['an item without a prompt', { items: [{ prompt: 'x' }, {}] }, 'PT422', 'invalid_request'],
    ['an item that is no object', { items: [null] }, 'PT422', 'invalid_request'],
    ['an unknown model', { model_id: 'nobody/nothing' }, 'PT404', 'unknown_model'],
    ['an inactive model', { model_id: 'test/retired' }, 'PT404', 'unknown_model'],
    ['no model', { model_id: undefined }, 'PT422', 'invalid_request'],
    ['a width of 99,999,999', { width: 99_999_999 }, 'PT422', 'invalid_request'],
    ['a height of -5', { height: -5 }, 'PT422', 'invalid_request'],
    ['a width with a fraction', { width: 512.5 }, 'PT422', 'invalid_request'],
    ['a width as text', { width: '512' }, 'PT422', 'invalid_request'],
    ['a seed below 0', { seed: -1 }, 'PT422', 'invalid_request'],
    ['0 steps', { num_inference_steps: 0 }, 'PT422', 'invalid_request'],
    ['a guidance of 101', { guidance_scale: 101 }, 'PT422', 'invalid_request'],
    [
      'a strength over 1',
      { strength: 1.1, source_image_url: 'https://example.com/a.png' },
      'PT422',
      'invalid_request',
    ],
    ['a strength without a source', { strength: 0.5 }, 'PT422', 'invalid_request'],
    ['an unknown operation', { operation: 'destroy' }, 'PT422', 'invalid_request'],
    ['an unknown priority', { priority: 'urgent' }, 'PT422', 'invalid_request'],
    ['a schedule that is no time', { scheduled_at: 'tomorrow' }, 'PT422', 'invalid_request'],
    ['a schedule too far away', { scheduled_at: '2999-01-01T00:00:00Z' }, 'PT422', 'invalid_request'],
    ['an expiry of 0 seconds', { expires_in: 0 }, 'PT422', 'invalid_request'],
    ['a negative prompt too long', { negative_prompt: long(4001) }, 'PT422', 'invalid_request'],
    ['a source generation that is no id', { source_generation_id: 'nonsense' }, 'PT422', 'invalid_request'],
    ['adjustments that are no list', { adjustments: {} }, 'PT422', 'invalid_request'],
    [
      'an unknown source generation',
      { source_generation_id: '00000000-0000-4000-8000-000000000000' },
      'PT404',
      'not_found',
    ],
  ])('%s', async (_, request, sqlstate, code) => {
    const user = await db.createUser();
    await db.sql`insert into public.models (replicate_id, is_active) values ('test/retired', false) on conflict do nothing`;
    const before = await rows();
    expect(await refusal(db.start(user, request, 'a-key'))).toMatchObject({ sqlstate, code });
    expect(await rows()).toEqual(before);
  });

  test.each([
    'http://example.com/a.png',
    'https://localhost/a.png',
    'https://127.0.0.1/a',
    'https://2130706433/a',
    'https://0x7f.0.0.1/',
    'https://0x7f000001/',
    'https://[::1]/a',
    'https://10.0.0.8/a',
    'https://169.254.169.254/latest',
    'https://user@example.com/a',
    'https://user:p@127.0.0.1/',
    'https://example.com@127.0.0.1/',
    'https://printer.local/a',
    'https://db.internal/a',
    'https://intranet/a',
    'https://example.com\\@127.0.0.1/',
    'https://example.com /a',
    'https://a.localhost/',
    'https://127.1/',
    'ftp://example.com/a',
    'https://localhost./',
    'javascript:alert(1)',
    'https://',
  ])('the source image %s', async (url) => {
    const user = await db.createUser();
    expect(await refusal(db.start(user, { source_image_url: url }))).toMatchObject({
      sqlstate: 'PT422',
      code: 'invalid_request',
    });
    expect((await rows())['public.job_queue']).toBe(0);
  });

  test.each([
    'https://example.com/a.png',
    'https://cdn-1.example.co.uk:443/a?b=c#d',
    'https://xn--bcher-kva.example/a',
    'https://pbxt.replicate.delivery',
  ])('but the source image %s is accepted', async (url) => {
    const { job_id } = await db.start(await db.createUser(), { source_image_url: url, strength: 0 });
    expect((await db.job(job_id)).payload).toMatchObject({ source_image_url: url, strength: 0 });
  });

  test('a prompt is needed only where the model takes one, and is never null', async () => {
    const user = await db.createUser();
    const model_id = '851-labs/background-remover';
    const source_image_url = 'https://example.com/a.png';
    for (const [prompt, kept] of [
      [undefined, ''],
      [null, ''],
      ['', ''],
      ['My cat', 'My cat'],
    ]) {
      const { job_id } = await db.start(user, { model_id, source_image_url, prompt });
      expect((await db.job(job_id)).payload).toMatchObject({ prompt: kept });
    }
    const items = [{ seed: null }, { prompt: 'My dog' }];
    const { generations = [] } = await db.start(user, {
      model_id,
      source_image_url,
      prompt: undefined,
      items,
    });
    const prompts = await db.sql`select prompt from public.image_generations
      where id = any(${generations.map(({ generation_id }) => generation_id)}) order by batch_index`;
    expect(prompts).toMatchObject([{ prompt: '' }, { prompt: 'My dog' }]);
    expect(await refusal(db.start(user, { model_id, source_image_url, prompt: 5 }))).toMatchObject({
      code: 'invalid_request',
    });
  });

  test('a caller who is banned or deleted', async () => {
    const banned = await db.createUser();
    await db.sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${banned}`;
    expect(await refusal(db.start(banned))).toMatchObject({ sqlstate: 'PT403', code: 'forbidden' });
    expect(await refusal(db.start('00000000-0000-4000-8000-000000000000'))).toMatchObject({
      sqlstate: 'PT403',
      code: 'forbidden',
    });
    expect((await rows())['public.job_queue']).toBe(0);
    await db.sql`update auth.users set banned_until = now() - interval '1 second' where id = ${banned}`;
    expect((await db.start(banned)).generation_id).toBeTypeOf('string');
  });

  test('a caller who is nobody', async () => {
    const call = (id: string | null) =>
      db.as(
        'authenticated',
        id,
        (sql) => sql`select start_generation('{"prompt": "x", "model_id": "test/painter"}')`,
      );
    expect(await refusal(call(null))).toMatchObject({ sqlstate: 'PT403', code: 'forbidden' });
    const deleted = '00000000-0000-4000-8000-000000000000';
    expect(await refusal(call(deleted))).toMatchObject({ sqlstate: 'PT403', code: 'forbidden' });
  });
});

describe('an accepted request', () => {
  test('is answered with ids, position and estimate', async () => {
    const user = await db.createUser();
    const first = await db.start(user);
    expect(first).toMatchObject({
      status: 'queued',
      queue_position: 1,
      estimated_seconds: 6,
      batch_id: null,
      replayed: false,
    });
    expect(first.generations).toMatchObject([{ generation_id: first.generation_id, job_id: first.job_id }]);
    await db.start(user);
    await db.start(user);
    expect(await db.start(user), 'three images are made at a time').toMatchObject({
      queue_position: 4,
      estimated_seconds: 12,
    });
    const fourth = await db.callAs(user, 'get_generation', { p_generation_id: first.generation_id });
    expect(fourth).toMatchObject({
      status: 'queued',
      queue_position: 1,
      progress: 0,
      error: null,
      images: [],
    });
  });

  test('records the size that will really be made and what was adjusted', async () => {
    const user = await db.createUser();
    const adjustments = [{ field: 'width', requested: 1000, used: 1024, reason: 'multiple of 64' }];
    const { generation_id, job_id } = await db.start(user, {
      width: 1000,
      output: { width: 1024, height: 768 },
      adjustments,
    });
    expect(await db.generation(generation_id)).toMatchObject({ width: 1024, height: 768, adjustments });
    expect((await db.job(job_id)).payload, 'the job keeps what was asked for').toMatchObject({ width: 1000 });
  });

  test('may name its model by the row’s id, as the original’s clients did', async () => {
    const [model] = await db.sql`select id from public.models where replicate_id = ${MODEL}`;
    const { job_id } = await db.start(await db.createUser(), { model_id: model?.id });
    expect((await db.job(job_id)).payload.model_id).toBe(MODEL);
  });

  test('makes up for a missing profile', async () => {
    const user = await db.createUser();
    await db.sql`delete from public.profiles where id = ${user}`;
    await db.start(user);
    expect((await db.sql`select from public.profiles where id = ${user}`).length).toBe(1);
  });

  test('for later waits outside the queue, and expires counted from then', async () => {
    const at = new Date(Date.now() + 3_600_000);
    const { job_id, queue_position, estimated_seconds } = await db.start(await db.createUser(), {
      scheduled_at: at,
      expires_in: 60,
    });
    expect(queue_position).toBeNull();
    expect(estimated_seconds).toBeGreaterThan(3_590);
    const [job] =
      await db.sql`select scheduled_at, expires_at, ready_at from public.job_queue where id = ${job_id}`;
    expect(job).toMatchObject({
      scheduled_at: at,
      expires_at: new Date(at.getTime() + 60_000),
      ready_at: null,
    });
  });
});

test('list_generations pages through all of a user’s generations, newest first, and filters', async () => {
  const user = await db.createUser();
  await db.start(await db.createUser());
  const batch = await db.start(user, { items: Array(7).fill({ prompt: 'x' }) });
  await db.start(user);
  interface Page {
    generations: { id: string; status: string; created_at: string }[];
    next_cursor: string | null;
  }
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Page = await db.callAs(user, 'list_generations', { p_limit: 3, p_cursor: cursor });
    seen.push(...page.generations.map((generation) => generation.id));
    cursor = page.next_cursor;
  } while (cursor);
  const expected =
    await db.sql`select id from public.image_generations where user_id = ${user} order by created_at desc, id desc`;
  expect(seen).toEqual(expected.map((row) => row.id));
  const list = async (args: object) =>
    (await db.callAs<Page>(user, 'list_generations', { ...args })).generations.length;
  expect(await list({ p_batch_id: batch.batch_id })).toBe(7);
  expect(await list({ p_status: 'completed' })).toBe(0);
  expect(await list({ p_status: 'queued' })).toBe(8);
  expect(await refusal(list({ p_cursor: 'nonsense' }))).toMatchObject({ sqlstate: 'PT422' });
});
