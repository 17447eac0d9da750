import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, MODEL, refusal, type Started } from '../support.ts';

// The original's apps insert a row and call a function with its id. The row is a wish that reserves nothing; its start
// goes through the checks, the quotas and the money of any start.
const db = await Database.open();
await db.sql`update public.models set name = 'painter' where replicate_id = ${MODEL}`;

beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.unstarted_generations where true`;
  await db.sql`update private.settings set budget_per_day_usd = null where only_row`;
});

type Row = Record<string, unknown>;

/** What the apps insert: the model by its short name, and no id of it. */
const insert = (user: string, row: Row = {}): Promise<Row> =>
  db.as('authenticated', user, async (sql) => {
    const values = {
      user_id: user,
      prompt: 'a lighthouse',
      negative_prompt: null,
      model: 'painter',
      style: null,
      width: 1024,
      height: 768,
      steps: 4,
      guidance_scale: 3.5,
      status: 'pending',
      ...row,
    };
    const [made] = await sql<Row[]>`insert into public.image_generations ${sql(values)} returning *`;
    return made as Row;
  });

const BODY = { prompt: 'a lighthouse', model_id: MODEL, width: 1024, height: 768, num_inference_steps: 4 };
const start = (user: string, id: unknown, request: Row = BODY, next = 0): Promise<Started> =>
  db.callAs(user, 'start_inserted_generation', { p_generation_id: id, p_request: request, p_next: next });
const usage = async (user: string) => {
  const [row] = await db.sql`select minute_requests, day_images, day_cost::float from private.usage
    where user_id = ${user}`;
  return { ...row };
};
const unstarted = () => db.sql`select generation_id from private.unstarted_generations`;

describe('the row', () => {
  test('is pending, has its model’s full name, reserves nothing and has no job', async () => {
    const user = await db.createUser();
    const row = await insert(user);
    expect(row).toMatchObject({
      status: 'pending',
      model: MODEL,
      job_id: null,
      reserved_on: null,
      progress: 0,
    });
    expect(row.model_id).toEqual(expect.any(String));
    expect(await usage(user)).toEqual({ minute_requests: 1, day_images: 0, day_cost: 0 });
    expect(await db.claim(1), 'nothing runs').toEqual([]);
    expect(await db.callAs(user, 'get_generation', { p_generation_id: row.id })).toMatchObject({
      status: 'queued',
      queue_position: null,
    });
  });

  test('without a status is pending as well', async () => {
    const user = await db.createUser();
    const [row] = await db.as(
      'authenticated',
      user,
      (
        sql,
      ) => sql`insert into public.image_generations (user_id, prompt, model) values (${user}, 'x', 'painter')
        returning status`,
    );
    expect(row?.status).toBe('pending');
  });

  test.each([
    ['of somebody else', { user_id: randomUUID() }, 'forbidden', undefined],
    ['that is done', { status: 'completed' }, 'invalid_request', 'status'],
    ['without words', { prompt: ' ' }, 'invalid_request', 'prompt'],
    ['with too many words', { prompt: 'x'.repeat(4001) }, 'invalid_request', 'prompt'],
    [
      'with too long a negative prompt',
      { negative_prompt: 'x'.repeat(4001) },
      'invalid_request',
      'negative_prompt',
    ],
    ['with too long a style', { style: 'x'.repeat(201) }, 'invalid_request', 'style'],
    ['of a model with too long a name', { model: 'x'.repeat(201) }, 'invalid_request', 'model_id'],
    [
      'with too long an address',
      { source_image_url: `https://x.example/${'x'.repeat(2048)}` },
      'invalid_request',
      'source_image_url',
    ],
    ['with absurd guidance', { guidance_scale: '1e100' }, 'invalid_request', 'guidance_scale'],
    ['with absurd strength', { generation_strength: 7 }, 'invalid_request', 'strength'],
    ['with an absurd seed', { seed: -1 }, 'invalid_request', 'seed'],
    ['of an absurd size', { width: 99_999_999 }, 'invalid_request', 'width'],
    ['of a model that nobody knows', { model: 'no such model' }, 'unknown_model', undefined],
  ] as const)('%s is refused with a sentence', async (_, row, code, field) => {
    const user = await db.createUser();
    const refused = await refusal(insert(user, row));
    expect(refused.code).toBe(code);
    expect(refused.field).toBe(field);
    expect(refused.message).toMatch(/^[A-Za-z_].*\.$/);
    expect(await db.sql`select from public.image_generations`).toHaveLength(0);
  });

  test.each(['job_id', 'seq', 'reserved_usd', 'progress', 'cost_usd', 'batch_id'])(
    'says nothing of %s: that is the queue’s',
    async (column) => {
      const user = await db.createUser();
      const value = ['job_id', 'batch_id'].includes(column) ? randomUUID() : 1;
      expect((await refusal(insert(user, { [column]: value }))).sqlstate).toBe('42501');
    },
  );

  test('counts as a request, and 100 of them may wait', async () => {
    const user = await db.createUser({ requests_per_minute: 2 });
    await insert(user);
    await insert(user);
    expect(await refusal(insert(user))).toMatchObject({ sqlstate: 'PT429', limit: 'requests_per_minute' });
    const free = await db.createUser({ requests_per_minute: null });
    for (let n = 0; n < 100; n += 1) await insert(free);
    expect(await refusal(insert(free))).toMatchObject({ sqlstate: 'PT429', code: 'quota_exceeded' });
  });

  test('of a suspended account is refused', async () => {
    const user = await db.createUser();
    await db.sql`update auth.users set banned_until = now() + interval '1 hour' where id = ${user}`;
    expect(await refusal(insert(user))).toMatchObject({ sqlstate: 'PT403', code: 'forbidden' });
  });

  test('that nobody starts ends after an hour, and costs nothing', async () => {
    const user = await db.createUser();
    const { id } = await insert(user);
    await db.service('record_sweep', { p_stats: {} });
    expect((await db.generation(id as string)).status, 'its hour is not over').toBe('pending');
    await db.sql`update private.unstarted_generations set created_at = now() - interval '61 minutes' where true`;
    await db.service('record_sweep', { p_stats: {} });
    expect(await db.generation(id as string)).toMatchObject({ status: 'failed', error_code: 'not_started' });
    expect(await usage(user)).toMatchObject({ day_images: 0, day_cost: 0 });
    expect(await unstarted()).toHaveLength(0);
  });
});

describe('its start', () => {
  test('is the start of the same row: job, quota and money as of any other', async () => {
    const user = await db.createUser();
    const row = await insert(user);
    const answer = await start(user, row.id);
    expect(answer).toMatchObject({
      status: 'queued',
      generation_id: row.id,
      replayed: false,
      queue_position: 1,
    });
    expect(await db.generation(row.id as string)).toMatchObject({
      status: 'pending',
      job_id: answer.job_id,
      created_at: row.created_at,
      steps: 4,
    });
    expect(await usage(user), 'the row was the request').toEqual({
      minute_requests: 1,
      day_images: 1,
      day_cost: 0.003,
    });
    expect((await db.claimOne()).payload).toMatchObject({ ...BODY, generation_id: row.id, user_id: user });
    expect(await unstarted()).toHaveLength(0);
  });

  test('without a prompt means what the row says', async () => {
    const user = await db.createUser();
    const row = await insert(user, { seed: 7, negative_prompt: 'fog', style: 'ink' });
    await start(user, row.id, {});
    expect((await db.claimOne()).payload).toMatchObject({
      prompt: 'a lighthouse',
      seed: 7,
      negative_prompt: 'fog',
      style: 'ink',
      num_inference_steps: 4,
      guidance_scale: 3.5,
      model_id: MODEL,
    });
  });

  const MAPPED = {
    model_id: MODEL,
    items: [{ prompt: 'a lighthouse at night', seed: null }],
    operation: 'generate',
    output: { width: 512, height: 512 },
    adjustments: [],
  };

  test('in a shape has that one, and not the size of the row', async () => {
    const user = await db.createUser();
    const row = await insert(user, { width: 1024, height: 768 });
    await start(user, row.id, { aspect_ratio: '16:9', output_format: 'png' });
    const { payload } = await db.claimOne();
    expect(payload).toMatchObject({ aspect_ratio: '16:9', output_format: 'png' });
    expect(payload).not.toHaveProperty('width');
    const [made] = await db.sql`
      select aspect_ratio, output_format, requested_width, width from public.image_generations where id = ${row.id as string}`;
    expect(made).toEqual({ aspect_ratio: '16:9', output_format: 'png', requested_width: null, width: null });
  });

  test('takes from the row what its request leaves out, and maps it anew', async () => {
    const user = await db.createUser();
    const source_image_url = 'https://x.example/a.png';
    const row = await insert(user, { seed: 7, style: 'ink', source_image_url, generation_strength: 0.5 });
    await start(user, row.id, MAPPED);
    const { payload } = await db.claimOne();
    expect(payload).toMatchObject({
      prompt: 'a lighthouse at night',
      seed: 7,
      style: 'ink',
      source_image_url,
      strength: 0.5,
      width: 1024,
    });
    expect(payload, 'a remix is no plain image').not.toHaveProperty('operation');
    expect(await db.generation(row.id as string)).toMatchObject({ width: 1024, height: 768 });
  });

  test('keeps to a request that says all, and to its own source', async () => {
    const user = await db.createUser();
    const row = await insert(user, {
      ...{ width: null, height: null, steps: null, guidance_scale: null, seed: 7 },
      source_image_url: 'https://x.example/of-the-row.png',
    });
    const source_image_url = 'https://x.example/of-the-request.png';
    await start(user, row.id, { ...MAPPED, items: [{ prompt: 'a fox', seed: 0 }], source_image_url });
    expect((await db.claimOne()).payload).toMatchObject({
      prompt: 'a fox',
      seed: 0,
      source_image_url,
      operation: 'generate',
    });
    expect(await db.generation(row.id as string)).toMatchObject({ width: 512, height: 512 });
  });

  test('with a picture is refused where the model takes none, and reserves nothing', async () => {
    const user = await db.createUser();
    const source_image_url = 'https://x.example/a.png';
    await db.sql`update public.models set supports_img2img = false where replicate_id = ${MODEL}`;
    try {
      const row = await insert(user, { source_image_url });
      const before = await usage(user);
      for (const request of [{}, BODY, MAPPED]) {
        expect(await refusal(start(user, row.id, request))).toMatchObject({
          sqlstate: 'PT422',
          code: 'unsupported',
          message: 'This model takes no source image.',
        });
      }
      expect(await refusal(db.start(user, { source_image_url }))).toMatchObject({ code: 'unsupported' });
      expect(await usage(user)).toEqual(before);
      expect(await unstarted(), 'it waits for a start with another model').toHaveLength(1);
      const { job_id, reserved_usd } = await db.generation(row.id as string);
      expect([job_id, Number(reserved_usd)]).toEqual([null, 0]);
    } finally {
      await db.sql`update public.models set supports_img2img = true where replicate_id = ${MODEL}`;
    }
  });

  test('of a remix of one’s own image names the file, and the image keeps its source', async () => {
    const user = await db.createUser();
    const source = await db.start(user);
    await db.sql`delete from private.ready_jobs where true`;
    await db.sql`update public.image_generations set status = 'completed' where id = ${source.generation_id}`;
    const path = `${user}/${source.generation_id}.webp`;
    await db.sql`insert into public.images (generation_id, user_id, storage_path, public_url)
      values (${source.generation_id}, ${user}, ${path}, 'x')`;
    const url = `https://p.supabase.co/storage/v1/object/public/generated-images/${path}`;
    const row = await insert(user, { source_image_url: url, generation_strength: 0.5 });
    await start(user, row.id, {});
    expect((await db.claimOne()).payload).toMatchObject({ source_path: path, strength: 0.5 });
    expect(await db.generation(row.id as string)).toMatchObject({
      source_generation_id: source.generation_id,
    });
  });

  test('that is told twice is the same start, and is paid once', async () => {
    const user = await db.createUser();
    const row = await insert(user);
    const first = await start(user, row.id);
    const again = await start(user, row.id);
    expect(again).toMatchObject({ job_id: first.job_id, generation_id: row.id, replayed: true });
    expect(await usage(user)).toMatchObject({ day_images: 1, day_cost: 0.003 });
    expect(await db.claim(5)).toHaveLength(1);
  });

  test('twice at once is one start', async () => {
    const user = await db.createUser();
    const row = await insert(user);
    const answers = await Promise.all([start(user, row.id), start(user, row.id), start(user, row.id)]);
    expect(new Set(answers.map((answer) => answer.job_id)).size).toBe(1);
    expect(await usage(user)).toMatchObject({ day_images: 1 });
  });

  test('hands its job over', async () => {
    const user = await db.createUser();
    const row = await insert(user);
    expect((await start(user, row.id, BODY, 1)).next).toMatchObject([
      { generation_id: row.id, status: 'processing' },
    ]);
  });

  test('of one that was started and has been cancelled or has failed is a conflict, and starts nothing', async () => {
    const user = await db.createUser();
    const { id } = await insert(user);
    await start(user, id);
    for (const status of ['failed', 'cancelled']) {
      await db.sql`update public.image_generations set status = ${status}, completed_at = now() where id = ${String(id)}`;
      expect(await refusal(start(user, id))).toMatchObject({ sqlstate: 'PT409', code: 'conflict' });
    }
  });

  test('of another’s row is not found, and of one that ended a conflict', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const row = await insert(user);
    expect(await refusal(start(other, row.id))).toMatchObject({ sqlstate: 'PT404', code: 'not_found' });
    await db.callAs(user, 'cancel_generation', { p_generation_id: row.id });
    expect(await refusal(start(user, row.id))).toMatchObject({ sqlstate: 'PT409', code: 'conflict' });
  });

  test('that the plan refuses leaves the row as it was', async () => {
    const user = await db.createUser({ images_per_day: 0 });
    const row = await insert(user);
    expect(await refusal(start(user, row.id))).toMatchObject({ sqlstate: 'PT429', limit: 'images_per_day' });
    expect(await db.generation(row.id as string)).toMatchObject({ status: 'pending', job_id: null });
    expect(await unstarted()).toHaveLength(1);
  });

  test('is held to the budget, and told to it once', async () => {
    await db.sql`update private.settings set budget_per_day_usd = 0.004 where only_row`;
    const user = await db.createUser();
    const [first, second] = [await insert(user), await insert(user)];
    await start(user, first.id);
    const [row] = await db.sql`select coalesce(sum(reserved), 0)::float as reserved from (
      select reserved from private.budget union all select reserved from private.budget_deltas) as b`;
    expect(row?.reserved).toBeCloseTo(0.003);
    expect(await refusal(start(user, second.id))).toMatchObject({
      sqlstate: 'PT503',
      code: 'budget_exhausted',
    });
    await db.sql`update private.settings set budget_per_day_usd = null where only_row`;
    await db.sql`update private.budget set reserved = 0 where only_row`;
    await db.sql`delete from private.budget_deltas where true`;
  });

  test('for several images is refused', async () => {
    const user = await db.createUser();
    const row = await insert(user);
    const items = [{ prompt: 'a' }, { prompt: 'b' }];
    expect(await refusal(start(user, row.id, { model_id: MODEL, items }))).toMatchObject({ field: 'items' });
  });
});

describe('batch-generate', () => {
  const batch = (user: string, items: Row[], name?: string): Promise<Started> =>
    db.callAs(user, 'start_batch', {
      p_request: { model_id: MODEL, width: 1024, height: 768, items },
      ...(name === undefined ? {} : { p_name: name }),
    });

  test('makes a batch with a name, each item with its own negative prompt', async () => {
    const user = await db.createUser();
    const { batch_id, generations } = await batch(
      user,
      [{ prompt: 'a', negative_prompt: 'fog', seed: 3 }, { prompt: 'b' }],
      'Lighthouses',
    );
    const [row] =
      await db.sql`select name, total_count, status from public.batch_generations where id = ${batch_id}`;
    expect(row).toMatchObject({ name: 'Lighthouses', total_count: 2 });
    const [first, second] = generations;
    expect(await db.generation(first?.generation_id as string)).toMatchObject({
      negative_prompt: 'fog',
      seed: '3',
    });
    expect(await db.generation(second?.generation_id as string)).toMatchObject({ negative_prompt: null });
    const jobs = await db.claim(2);
    expect(jobs.map((job: Job) => job.payload.negative_prompt)).toEqual(
      expect.arrayContaining(['fog', undefined]),
    );
    expect(await usage(user)).toMatchObject({ minute_requests: 1, day_images: 2 });
  });

  test('of one prompt is a batch as well', async () => {
    const user = await db.createUser();
    const { batch_id, generation_id } = await batch(user, [{ prompt: 'a', negative_prompt: 'fog' }]);
    expect(batch_id).toEqual(expect.any(String));
    expect(await db.generation(generation_id)).toMatchObject({ batch_id, negative_prompt: 'fog' });
    const [row] = await db.sql`select name, total_count from public.batch_generations where id = ${batch_id}`;
    expect(row).toMatchObject({ name: null, total_count: 1 });
  });

  test.each([
    ['eleven prompts', Array.from({ length: 11 }, () => ({ prompt: 'x' })), undefined, 'items'],
    ['a long name', [{ prompt: 'x' }], 'n'.repeat(256), 'batch_name'],
    [
      'a negative prompt that is no text',
      [{ prompt: 'x', negative_prompt: 7 }, { prompt: 'y' }],
      undefined,
      'negative_prompt',
    ],
  ])('%s is refused', async (_, items, name, field) => {
    const user = await db.createUser();
    expect(await refusal(batch(user, items as Row[], name))).toMatchObject({ field });
  });
});
