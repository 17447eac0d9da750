import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, MODEL, refusal, SUCCEEDED } from './support.ts';

// What a request is expected to cost, what it did cost, and what is told of it.
const db = await Database.open();
beforeEach(async () => {
  await db.clear();
  await db.sql`delete from private.model_times`;
  await db.sql`update private.settings set default_price_usd = null`;
  await db.sql`delete from public.models where replicate_id = 'test/priced'`;
});

interface Price {
  default_width?: number;
  max_width?: number;
  max_height?: number;
  cost_per_generation?: number;
  cost_per_megapixel?: number;
  cost_per_second?: number;
  typical_seconds?: number;
  estimated_time_seconds?: number;
  default_scale?: number;
  max_scale?: number;
  supports_img2img?: boolean;
  cost_per_source_megapixel?: number;
  max_source_megapixels?: number;
  max_source_images?: number;
}
const createModel = (price: Price) =>
  db.sql`insert into public.models ${db.sql({
    replicate_id: 'test/priced',
    default_width: 1024,
    default_height: 1024,
    ...price,
  })}`;
const start = (user: string, request: object = {}) => db.start(user, { model_id: 'test/priced', ...request });
const used = async (user: string) => {
  const [row] = await db.sql`select day_cost from private.usage where user_id = ${user}`;
  return Number(row?.day_cost);
};
const limited = (money_per_day = 10) => db.createUser({ money_per_day });
const ledger = async () =>
  (await db.sql`select cost_usd from private.predictions`).map(({ cost_usd }) => Number(cost_usd));

async function make(outcome: object, image: object) {
  const job = await db.claimOne();
  const args = { p_job_id: job.id, p_prediction_id: `p-${job.id}`, p_outcome: outcome };
  const { job: download } = await db.service<{ job: Job }>('finish_prediction', args);
  const expected = await ledger();
  await db.service('finish_download', {
    p_job_id: download.id,
    p_lease: download.lease,
    p_image: { storage_path: 'a', public_url: 'https://x.example/a', format: 'webp', ...image },
  });
  return expected;
}

test('every model of the catalogue has a price that adds up, and its source', async () => {
  const without = await db.sql`select replicate_id from public.models as m
    where replicate_id <> ${MODEL} and (
      not coalesce(private.expected_cost(m, m.default_width, m.default_height) between 0.0003 and 0.2, false)
      or price_source is null)`;
  expect([...without]).toEqual([]);
});

describe('what is reserved', () => {
  test.each<[string, Price, object, number]>([
    ['by the image', { cost_per_generation: 0.04 }, { width: 4096, height: 4096 }, 0.04],
    ['by the megapixel, of the default size', { cost_per_megapixel: 0.01 }, {}, 0.01],
    ['… rounded up', { cost_per_megapixel: 0.01 }, { width: 1025, height: 1024 }, 0.02],
    ['… of a batch', { cost_per_megapixel: 0.01 }, { items: Array(3).fill({ prompt: 'x' }) }, 0.03],
    [
      '… of the size that the request was mapped to',
      { cost_per_megapixel: 0.01 },
      { width: 8192, height: 8192, output: { width: 2048, height: 1024 } },
      0.02,
    ],
    [
      '… of what a direct call asks for, whatever it says that makes',
      { cost_per_megapixel: 0.01, max_width: 2048, max_height: 2048 },
      { width: 4096, height: 2048, output: { width: 16, height: 16 } },
      0.04,
    ],
    [
      '… of the default size, where a direct call asks for none',
      { cost_per_megapixel: 0.01, default_width: 2048, max_width: 2048, max_height: 2048 },
      { output: { width: 16, height: 16 } },
      0.02,
    ],
    ['by both', { cost_per_generation: 0.5, cost_per_megapixel: 0.25 }, { width: 2048, height: 1024 }, 1],
    ['by the second', { cost_per_second: 0.001, typical_seconds: 6.5, cost_per_generation: 9 }, {}, 0.0065],
    ['… for want of a usual time', { cost_per_second: 0.001, estimated_time_seconds: 12 }, {}, 0.012],
  ])('%s', async (_, price, request, expected) => {
    await createModel(price);
    const user = await limited();
    await start(user, request);
    expect(await used(user)).toBe(expected);
  });

  test('by the second, as long as its runs have really taken', async () => {
    await createModel({ cost_per_second: 0.001, typical_seconds: 5 });
    await db.sql`insert into private.model_times (model_id, seconds, runs)
      select id, 20, 9 from public.models where replicate_id = 'test/priced'`;
    const user = await limited();
    await start(user);
    expect(await used(user)).toBe(0.02);
  });
});

describe('of an enlarged image', () => {
  const BY_SECOND = { cost_per_second: 0.001, typical_seconds: 10, default_scale: 2, max_scale: 8 };
  const BY_SIZE = { cost_per_generation: 0.08, cost_per_megapixel: 0.004, default_scale: 2, max_scale: 6 };
  const URL = 'https://example.com/a.png';

  test.each<[string, Price, object, number]>([
    ['by the second: the usual one', BY_SECOND, {}, 0.01],
    ['… takes so much longer as it has more pixels', BY_SECOND, { scale: 5 }, 0.0625],
    ['… no more than the model goes', BY_SECOND, { scale: 10 }, 0.16],
    ['… and no less than usual', BY_SECOND, { scale: 1 }, 0.01],
    ['by the megapixel: a source of unknown size counts as 16', BY_SIZE, {}, 0.08 + 64 * 0.004],
    ['… of the scale', BY_SIZE, { scale: 3 }, 0.08 + 144 * 0.004],
    ['… and no less than usual', BY_SIZE, { scale: 1.5 }, 0.08 + 64 * 0.004],
    ['… which the model limits', BY_SIZE, { scale: 10 }, 0.08 + 576 * 0.004],
    [
      'by the image: the same',
      { cost_per_generation: 0.05, default_scale: 2, max_scale: 4 },
      { scale: 4 },
      0.05,
    ],
    [
      'by a model whose scale cannot be chosen: the same',
      { cost_per_second: 0.001, typical_seconds: 10 },
      { scale: 9 },
      0.01,
    ],
  ])('%s', async (_, price, request, expected) => {
    await createModel({ ...price, supports_img2img: true });
    const user = await limited();
    await start(user, { source_image_url: URL, ...request });
    expect(await used(user)).toBeCloseTo(expected, 9);
  });

  test('of an image of one’s own by its size, and what is made settles it', async () => {
    await createModel({ ...BY_SIZE, supports_img2img: true });
    const user = await limited();
    const { generation_id: source } = await start(user, { source_image_url: URL, scale: 1 });
    await make(SUCCEEDED, { width: 1000, height: 800 });
    const before = await used(user);
    const { generation_id } = await start(user, { source_generation_id: source, scale: 3 });
    // 7.2 million pixels.
    expect((await used(user)) - before).toBeCloseTo(0.08 + 7 * 0.004, 9);
    await make(SUCCEEDED, { width: 3000, height: 2400 });
    expect((await used(user)) - before).toBeCloseTo(0.08 + 7 * 0.004, 9);
    expect(Number((await db.generation(generation_id)).cost_usd)).toBeCloseTo(0.108, 9);
  });
});

describe('with source images that are billed by the megapixel', () => {
  const BILLED = {
    cost_per_generation: 0.015,
    cost_per_megapixel: 0.015,
    cost_per_source_megapixel: 0.02,
    max_source_megapixels: 4,
    supports_img2img: true,
    max_source_images: 3,
  };
  const URL = 'https://example.com/a.png';
  /** An image of the user's own, of this size. */
  const made = async (user: string, width: number | null, height: number | null) => {
    const { generation_id } = await db.start(user);
    await make(SUCCEEDED, { width, height });
    return generation_id;
  };
  const added = async (user: string, act: () => Promise<unknown>) => {
    const before = (await used(user)) || 0;
    await act();
    return Number(((await used(user)) - before).toFixed(9));
  };

  test.each<[string, object, number]>([
    ['none: nothing', {}, 0.03],
    ['an address counts as much as a source may', { source_image_url: URL }, 0.03 + 4 * 0.02],
    ['each of several', { sources: Array(3).fill({ source_image_url: URL }) }, 0.03 + 12 * 0.02],
    ['for each item of a batch', { source_image_url: URL, items: Array(2).fill({ prompt: 'x' }) }, 0.22],
  ])('%s', async (_, request, expected) => {
    await createModel(BILLED);
    const user = await limited();
    expect(await added(user, () => start(user, request))).toBeCloseTo(expected, 9);
  });

  test.each<[string, [number | null, number | null], number]>([
    ['a small one of one’s own as one', [512, 512], 1],
    ['a larger one as it is, rounded up', [1500, 1000], 2],
    ['a very large one as the most', [8000, 8000], 4],
    ['one of unknown size as the most', [null, null], 4],
  ])('%s', async (_, size, megapixels) => {
    await createModel(BILLED);
    const user = await limited();
    const source_generation_id = await made(user, ...size);
    await db.sql`update public.images set width = ${size[0]}, height = ${size[1]} where true`;
    const reserved = 0.03 + megapixels * 0.02;
    expect(await added(user, () => start(user, { source_generation_id }))).toBeCloseTo(reserved, 9);
    // The end books the same, though the source image is gone meanwhile.
    await db.callAs(user, 'delete_generation', { p_generation_id: source_generation_id });
    await make(SUCCEEDED, { width: 1024, height: 1024 });
    const costs = (await ledger()).map((usd) => usd.toFixed(9));
    expect(costs).toContain(reserved.toFixed(9));
    const [row] = await db.sql`select cost_usd::float8 as usd from public.image_generations`;
    expect(row?.usd).toBeCloseTo(reserved, 9);
  });

  test('16 megapixels where the model does not say, which its price tells', async () => {
    const { max_source_megapixels: _, ...open } = BILLED;
    await createModel(open);
    const user = await limited();
    expect(await added(user, () => start(user, { source_image_url: URL }))).toBeCloseTo(0.03 + 16 * 0.02, 9);
    const [row] = await db.sql`select public.model_prices() as all`;
    expect(row?.all.find(({ id }: { id: string }) => id === 'test/priced')).toMatchObject({
      usd_per_image: 0.03,
      usd_per_source_megapixel: 0.02,
      max_source_megapixels: 16,
    });
  });

  test('for later: reserved when it is due, and by a retry again', async () => {
    await createModel(BILLED);
    const user = await limited();
    const soon = { source_image_url: URL, scheduled_at: new Date(Date.now() + 3_600_000).toISOString() };
    const { job_id, generation_id } = await start(user, soon);
    expect(await used(user)).toBe(0);
    await db.letTimePass(job_id);
    const [job] = await db.claim(1);
    expect(await used(user)).toBeCloseTo(0.11, 9);
    await db.service('fail_job', { p_job_id: job?.id, p_lease: job?.lease, p_error_message: 'x' });
    expect(await used(user)).toBe(0);
    await db.callAs(user, 'retry_generation', { p_generation_id: generation_id });
    expect(await used(user)).toBeCloseTo(0.11, 9);
  });

  test('the budget refuses what does not fit with them', async () => {
    await createModel(BILLED);
    const user = await db.createUser();
    await db.sql`update private.settings set budget_per_day_usd = 0.1 where only_row`;
    try {
      expect(await refusal(start(user, { source_image_url: URL }))).toMatchObject({
        code: 'budget_exhausted',
      });
      await start(user);
    } finally {
      await db.sql`update private.settings set budget_per_day_usd = null where only_row`;
    }
  });
});

describe('what it did cost', () => {
  test('by the megapixels of the image that came out, in the ledger and in the user’s money', async () => {
    await createModel({ cost_per_megapixel: 0.01 });
    const user = await limited();
    const { generation_id } = await start(user);
    expect(await make(SUCCEEDED, { width: 2048, height: 2048 }), 'until it is stored').toEqual([0.01]);
    expect(await ledger()).toEqual([0.04]);
    expect(await used(user)).toBe(0.04);
    expect(Number((await db.generation(generation_id)).cost_usd)).toBe(0.04);
  });

  test('by the expected size where the file does not tell', async () => {
    await createModel({ cost_per_megapixel: 0.01 });
    await start(await limited(), { width: 2048, height: 1024 });
    await make(SUCCEEDED, {});
    expect(await ledger()).toEqual([0.02]);
  });

  test('by the seconds that it ran', async () => {
    await createModel({ cost_per_second: 0.001, typical_seconds: 5 });
    const user = await limited();
    await start(user);
    expect(await used(user)).toBe(0.005);
    await make({ ...SUCCEEDED, predict_time: 8 }, {});
    expect(await used(user)).toBe(0.008);
  });
});

describe('a model without a price', () => {
  const refused = {
    sqlstate: 'PT422',
    code: 'unsupported',
    message: 'The model test/priced has no price here, so it cannot be used where money is limited.',
  };

  test('is refused to a user whose money is limited, however much there is', async () => {
    await createModel({});
    const user = await limited(1_000_000);
    expect(await refusal(start(user))).toMatchObject(refused);
    expect([...(await db.sql`select from private.usage where user_id = ${user}`)], 'counts nothing').toEqual(
      [],
    );
  });

  test('makes images for everybody else', async () => {
    await createModel({});
    expect((await start(await db.createUser({ money_per_day: null }))).status).toBe('queued');
  });

  test('has the one that the operator has set for such models', async () => {
    await createModel({});
    await db.sql`update private.settings set default_price_usd = 0.05`;
    const user = await limited();
    const { generation_id } = await start(user);
    expect(await used(user)).toBe(0.05);
    await make(SUCCEEDED, {});
    expect(await ledger()).toEqual([0.05]);
    expect(Number((await db.generation(generation_id)).cost_usd)).toBe(0.05);
  });

  test('a price of 0 is one', async () => {
    await createModel({ cost_per_generation: 0 });
    expect((await start(await limited(0))).status).toBe('queued');
  });
});

describe('model_prices', () => {
  const prices = (role: 'anon' | 'authenticated' | 'service_role') =>
    db.as(role, role === 'authenticated' ? '00000000-0000-4000-8000-000000000000' : null, async (sql) => {
      const [row] = await sql<{ all: { id: string; usd_per_image: number | null }[] }[]>`
        select public.model_prices() as all`;
      return row?.all ?? [];
    });

  test('tells anybody what a start is charged at, by the row as it is now', async () => {
    await createModel({ cost_per_generation: 0.5, cost_per_megapixel: 0.25 });
    for (const role of ['anon', 'authenticated', 'service_role'] as const) {
      expect(
        (await prices(role)).find(({ id }) => id === 'test/priced'),
        role,
      ).toEqual({
        id: 'test/priced',
        is_available: true,
        usd_per_image: 0.75,
        usd_per_megapixel: 0.25,
        usd_per_second: null,
        usd_per_source_megapixel: null,
        max_source_megapixels: null,
      });
    }
    const user = await limited();
    await start(user);
    expect(await used(user)).toBe(0.75);
  });

  test('leaves out what is switched off, and a start of it is refused', async () => {
    await createModel({ cost_per_generation: 0.5 });
    await db.sql`update public.models set is_active = false where replicate_id = 'test/priced'`;
    expect((await prices('anon')).map(({ id }) => id)).not.toContain('test/priced');
    expect(await refusal(start(await limited()))).toMatchObject({ sqlstate: 'PT404', code: 'unknown_model' });
  });

  test('says null where there is no price, or the operator’s default', async () => {
    await createModel({});
    const price = async () => (await prices('anon')).find(({ id }) => id === 'test/priced')?.usd_per_image;
    expect(await price()).toBe(null);
    await db.sql`update private.settings set default_price_usd = 0.05`;
    expect(await price()).toBe(0.05);
  });
});
