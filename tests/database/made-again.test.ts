import { beforeEach, describe, expect, test } from 'vitest';
import { Database, MODEL, refusal } from './support.ts';

// What made a generation is kept and told, and makes it again.

const db = await Database.open();
const SEEDED = 'test/seeded';
await db.sql`
  insert into public.models (replicate_id, version, default_width, default_height, cost_per_generation, supports_img2img,
    supports_seed)
  values (${SEEDED}, ${'v'.repeat(64)}, 1024, 1024, 0.003, true, true)`;
beforeEach(() => db.clear());

type Row = Record<string, unknown>;

const get = (user: string, id: string) => db.callAs<Row>(user, 'get_generation', { p_generation_id: id });
const kept = (user: string, id: string) => db.callAs<Row>(user, 'kept_request', { p_generation_id: id });
const payload = async (jobId: string) => (await db.job(jobId)).payload;

/** As if the image of a generation were stored. */
const store = (id: string) => db.sql`
  insert into public.images (generation_id, user_id, storage_path, public_url)
  select id, user_id, user_id || '/' || id || '.webp', 'https://x.example' from public.image_generations where id = ${id}`;

test('a row that was brought in without a model tells a text all the same', async () => {
  const user = await db.createUser();
  const [named] = await db.sql`insert into public.image_generations (user_id, prompt, model_id, status)
    select ${user}, 'by its row', id, 'completed' from public.models where replicate_id = ${SEEDED} returning id`;
  const [none] = await db.sql`insert into public.image_generations (user_id, prompt, status)
    values (${user}, 'by nothing', 'completed') returning id`;
  expect((await get(user, named?.id)).model_id).toBe(SEEDED);
  expect((await get(user, none?.id)).model_id).toBe('');
  const { generations } = await db.callAs<{ generations: Row[] }>(user, 'list_generations', {});
  expect(generations.map(({ model_id }) => model_id).sort()).toEqual(['', SEEDED]);
});

describe('the seed', () => {
  const seedOf = async (user: string, id: string, jobId: string) => {
    const { seed } = await get(user, id);
    expect((await payload(jobId)).seed ?? null, 'the provider is told the seed that is kept').toBe(seed);
    return seed;
  };

  test('is drawn where the request has none, whichever way it is started', async () => {
    const user = await db.createUser();
    const plain = await db.start(user, { model_id: SEEDED });
    const batch = await db.start(user, {
      model_id: SEEDED,
      items: [{ prompt: 'a' }, { prompt: 'b', seed: null }, { prompt: 'c', seed: 7 }],
    });
    const named = await db.callAs<typeof plain>(user, 'start_batch', {
      p_request: { model_id: SEEDED, items: [{ prompt: 'a' }] },
      p_name: 'mine',
    });
    await db.as(
      'authenticated',
      user,
      (sql) =>
        sql`insert into public.image_generations (user_id, prompt, model) values (${user}, 'inserted', ${SEEDED})`,
    );
    const [row] = await db.sql`select id from public.image_generations where prompt = 'inserted'`;
    const inserted = await db.callAs<typeof plain>(user, 'start_inserted_generation', {
      p_generation_id: row?.id,
    });
    const job_id = await db.callAs<string>(user, 'enqueue_job', {
      p_job_type: 'generate-image',
      p_payload: { prompt: 'enqueued', model_id: SEEDED },
    });
    const { generation_id } = await db.job(job_id);
    const seeds: unknown[] = [];
    for (const one of [
      plain,
      ...batch.generations,
      named,
      inserted,
      { generation_id: generation_id as string, job_id },
    ])
      seeds.push(await seedOf(user, one.generation_id, one.job_id));
    expect(seeds[3], 'the request’s own').toBe(7);
    for (const seed of seeds) {
      expect(Number.isInteger(seed)).toBe(true);
      expect(seed).toBeGreaterThanOrEqual(0);
      expect(seed, 'every model of the catalogue takes it').toBeLessThan(2 ** 31);
    }
    expect(new Set(seeds).size, 'each has its own').toBe(seeds.length);
  });

  test('is not drawn for a model that takes none', async () => {
    const user = await db.createUser();
    const started = await db.start(user);
    expect(await seedOf(user, started.generation_id, started.job_id)).toBe(null);
  });

  test('of one that is tried again is the same', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user, { model_id: SEEDED });
    const { seed } = await get(user, generation_id);
    const [job] = await db.claim();
    await db.service('fail_job', { p_job_id: job?.id, p_lease: job?.lease, p_error_message: 'no' });
    await db.callAs(user, 'retry_generation', { p_generation_id: generation_id });
    expect((await payload(job_id)).seed).toBe(seed);
  });
});

describe('what is told', () => {
  test('is what made it, by the names of a request, and not whom it is told to', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user, {
      model_id: SEEDED,
      seed: 5,
      num_inference_steps: 30,
      guidance_scale: 3.5,
      strength: 0.25,
      style: 'ink',
      operation: 'variation',
      source_image_url: 'https://example.com/a.png',
      webhook_url: 'https://example.com/hook',
    });
    const told = await get(user, generation_id);
    expect(told).toMatchObject({
      seed: 5,
      num_inference_steps: 30,
      guidance_scale: 3.5,
      strength: 0.25,
      style: 'ink',
      operation: 'variation',
      model_version: 'v'.repeat(64),
      source_image_url: 'https://example.com/a.png',
      source_generation_id: null,
      source_id: null,
      parent_id: null,
    });
    expect(JSON.stringify(told)).not.toContain('hook');
  });

  test('is what was used, where something was changed to fit the model', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user, {
      model_id: SEEDED,
      seed: 2 ** 32 - 1,
      num_inference_steps: 80,
      style: 'ink',
      adjustments: [
        { field: 'seed', requested: 2 ** 32 - 1, used: 2 ** 31 - 1, reason: 'x' },
        { field: 'num_inference_steps', requested: 80, used: 50, reason: 'x' },
        { field: 'style', requested: 'ink', used: null, reason: 'x' },
        { field: 'prompt', requested: 'a lighthouse', used: 'no', reason: 'x' },
      ],
    });
    expect(await get(user, generation_id)).toMatchObject({
      prompt: 'a lighthouse',
      seed: 2 ** 31 - 1,
      num_inference_steps: 50,
      style: null,
    });
  });

  test('of an item of a batch is its own seed, though another one’s was changed', async () => {
    const user = await db.createUser();
    const { generations } = await db.start(user, {
      model_id: SEEDED,
      items: [
        { prompt: 'a', seed: 2 ** 32 - 1 },
        { prompt: 'b', seed: 3 },
      ],
      adjustments: [{ field: 'seed', requested: 2 ** 32 - 1, used: 1, reason: 'x' }],
    });
    const seeds = await Promise.all(
      generations.map(async ({ generation_id }) => (await get(user, generation_id)).seed),
    );
    expect(seeds).toEqual([1, 3]);
  });
});

describe('where it came from', () => {
  test('is the generation that it makes again, or else its source', async () => {
    const user = await db.createUser();
    const first = (await db.start(user)).generation_id;
    await store(first);
    const variation = (await db.start(user, { source_generation_id: first })).generation_id;
    const again = (await db.start(user, { source_generation_id: first, parent_id: variation })).generation_id;
    expect(await get(user, variation)).toMatchObject({ parent_id: first, source_generation_id: first });
    expect(await get(user, again)).toMatchObject({ parent_id: variation, source_generation_id: first });
    await db.callAs(user, 'delete_generation', { p_generation_id: first });
    expect(await get(user, variation)).toMatchObject({ parent_id: first, source_generation_id: null });
  });

  test('is no generation of somebody else’s', async () => {
    const [mine, theirs] = [await db.createUser(), await db.createUser()];
    const { generation_id } = await db.start(theirs);
    for (const parent_id of [generation_id, '00000000-0000-4000-8000-000000000000'])
      expect(await refusal(db.start(mine, { parent_id }))).toMatchObject({
        sqlstate: 'PT404',
        code: 'not_found',
      });
    expect(await refusal(db.start(mine, { parent_id: 'x' }))).toMatchObject({ field: 'parent_id' });
    const own = '00000000-0000-4000-8000-000000000001';
    await db.as(
      'authenticated',
      mine,
      (sql) => sql`insert into public.image_generations (id, user_id, prompt, model)
        values (${own}, ${mine}, 'inserted', ${SEEDED})`,
    );
    const itself = { p_generation_id: own, p_request: { prompt: 'x', model_id: SEEDED, parent_id: own } };
    expect(await refusal(db.callAs(mine, 'start_inserted_generation', itself))).toMatchObject({
      code: 'not_found',
    });
  });

  test('cannot be written by hand', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    for (const column of [
      'parent_id',
      'requested_width',
      'aspect_ratio',
      'output_format',
      'has_source',
      'model_version',
    ])
      await expect(
        db.as('authenticated', user, (sql) =>
          sql.unsafe(`update public.image_generations set ${column} = null where id = '${generation_id}'`),
        ),
      ).rejects.toThrow(/permission denied/);
  });
});

describe('the kept request', () => {
  test('starts the same again, with what its model made of it left out', async () => {
    const user = await db.createUser();
    const request = {
      prompt: 'a fox',
      model_id: SEEDED,
      negative_prompt: 'blur',
      seed: 5,
      width: 1000,
      num_inference_steps: 30,
      guidance_scale: 3.5,
      strength: 0.25,
      style: 'ink',
      output_format: 'png',
      operation: 'variation',
      source_image_url: 'https://example.com/a.png',
      priority: 'high',
      webhook_url: 'https://example.com/hook',
    };
    const first = await db.start(user, { ...request, output: { width: 1024, height: 1024 } });
    expect(await kept(user, first.generation_id)).toEqual(request);
    const again = await db.start(user, await kept(user, first.generation_id));
    const { generation_id: _, ...made } = await payload(again.job_id);
    expect(made).toEqual({ ...(await payload(first.job_id)), generation_id: undefined });
  });

  test('has the shape that was asked for, and no size', async () => {
    const user = await db.createUser();
    const { generation_id, job_id } = await db.start(user, { model_id: SEEDED, aspect_ratio: '16:9' });
    expect(await payload(job_id)).toMatchObject({ aspect_ratio: '16:9' });
    expect(await payload(job_id)).not.toHaveProperty('width');
    const waiting = await get(user, generation_id);
    expect(waiting, 'its pixels are not known yet').toMatchObject({
      aspect_ratio: '16:9',
      output_format: null,
      width: null,
      height: null,
    });
    const request = await kept(user, generation_id);
    expect(request).toMatchObject({ aspect_ratio: '16:9' });
    expect(request).not.toHaveProperty('width');
    const mapped = await db.start(user, { ...request, output: { width: 1352, height: 760 } });
    expect(await get(user, mapped.generation_id)).toMatchObject({ width: 1352, height: 760 });
    expect(await kept(user, mapped.generation_id)).toEqual(request);
  });

  test('is told as it was used, and kept as it was asked for', async () => {
    const user = await db.createUser();
    const adjustments = [
      { field: 'aspect_ratio', requested: '21:9', used: '16:9', reason: 'closest' },
      { field: 'output_format', requested: 'webp', used: 'jpg', reason: 'other' },
    ];
    const asked = { aspect_ratio: '21:9', output_format: 'webp' };
    const { generation_id } = await db.start(user, { ...asked, adjustments });
    expect(await get(user, generation_id)).toMatchObject({ aspect_ratio: '16:9', output_format: 'jpg' });
    expect(await kept(user, generation_id)).toMatchObject(asked);
  });

  test('has a shape or a size: both are not taken together', async () => {
    const user = await db.createUser();
    for (const size of [{ width: 1024 }, { height: 1024 }])
      expect(await refusal(db.start(user, { aspect_ratio: '1:1', ...size }))).toMatchObject({
        sqlstate: 'PT422',
        code: 'invalid_request',
        field: 'aspect_ratio',
      });
    await expect(db.start(user, { aspect_ratio: '1:1', width: null })).resolves.toBeDefined();
  });

  test('of one that nobody has asked for more than a prompt is as short, with the seed that was drawn', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user, { model_id: SEEDED });
    expect(await kept(user, generation_id)).toEqual({
      prompt: 'a lighthouse',
      model_id: SEEDED,
      seed: (await get(user, generation_id)).seed,
      priority: 'normal',
    });
  });

  test('says that the source image is gone', async () => {
    const user = await db.createUser();
    const source = (await db.start(user)).generation_id;
    await store(source);
    const { generation_id } = await db.start(user, { source_generation_id: source });
    expect(await kept(user, generation_id)).toMatchObject({ source_generation_id: source });
    await db.callAs(user, 'delete_generation', { p_generation_id: source });
    const request = await kept(user, generation_id);
    expect(request).toMatchObject({ source_is_gone: true });
    expect(request).not.toHaveProperty('source_generation_id');
  });

  test('is nobody else’s', async () => {
    const { generation_id } = await db.start(await db.createUser());
    expect(await refusal(kept(await db.createUser(), generation_id))).toMatchObject({ sqlstate: 'PT404' });
  });

  test('is refused where its model is switched off', async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user);
    const request = await kept(user, generation_id);
    await db.sql`update public.models set is_active = false where replicate_id = ${MODEL}`;
    try {
      expect(await refusal(db.start(user, request))).toMatchObject({
        code: 'unknown_model',
        message: `The model ${MODEL} is not offered any more.`,
      });
    } finally {
      await db.sql`update public.models set is_active = true where replicate_id = ${MODEL}`;
    }
  });
});
