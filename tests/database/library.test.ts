import { beforeEach, describe, expect, test } from 'vitest';
import { allBlocks, type Node } from './explain.ts';
import { Database, MODEL, refusal } from './support.ts';

// A user's generations by pages with filters, and marks on images.

const db = await Database.open();
beforeEach(() => db.clear());

interface Page {
  generations: { id: string; prompt: string }[];
  next_cursor: string | null;
}

const list = (user: string, args: Record<string, unknown> = {}) =>
  db.callAs<Page>(user, 'list_generations', args);
const prompts = async (user: string, args: Record<string, unknown>) =>
  (await list(user, args)).generations.map(({ prompt }) => prompt);

/** Adds an ended generation, of so many minutes ago, with its image. */
async function add(user: string, prompt: string, minutes: number, more: Record<string, unknown> = {}) {
  const { image, ...columns } = more as { image?: Record<string, unknown> };
  const row = { user_id: user, prompt, model: MODEL, status: 'completed', seq: 1, ...columns };
  const [{ id }] =
    (await db.sql`insert into public.image_generations ${db.sql(row)} returning id`) as unknown as [
      { id: string },
    ];
  await db.sql`update public.image_generations set created_at = now() - make_interval(mins => ${minutes}) where id = ${id}`;
  if (image) {
    const stored = {
      generation_id: id,
      user_id: user,
      storage_path: `${user}/${id}.webp`,
      public_url: 'https://x.example',
      ...image,
    };
    await db.sql`insert into public.images ${db.sql(stored)}`;
  }
  return id;
}

describe('filters', () => {
  test('let through what each of them names, alone and together', async () => {
    const user = await db.createUser();
    const [model] = await db.sql`select id from public.models where replicate_id = ${MODEL}`;
    const parent = await add(user, 'the first', 60, { image: {} });
    await add(user, 'A red FOX', 50, { status: 'failed', parent_id: parent, model_id: model?.id });
    await add(user, 'a fox at night', 40, {
      image: { is_favorite: true },
      model: 'old name',
      model_id: model?.id,
    });
    await add(user, '50% of a_b', 30, {
      image: { archived_at: new Date() },
      operation: 'upscale',
      model: 'other/one',
    });
    await add(user, 'waits', 20, { status: 'pending' });
    await add(await db.createUser(), 'a fox of another', 45, {
      image: { is_favorite: true },
      parent_id: parent,
    });
    const at = (minutes: number) => new Date(Date.now() - minutes * 60_000);

    const table: [Record<string, unknown>, string[]][] = [
      [{}, ['waits', '50% of a_b', 'a fox at night', 'A red FOX', 'the first']],
      [{ p_q: 'fox' }, ['a fox at night', 'A red FOX']],
      [{ p_q: 'Red f' }, ['A red FOX']],
      [{ p_q: '%' }, ['50% of a_b']],
      [{ p_q: 'a_b' }, ['50% of a_b']],
      [{ p_q: '_' }, ['50% of a_b']],
      [{ p_q: '\\' }, []],
      [{ p_status: 'queued' }, ['waits']],
      [{ p_status: 'failed' }, ['A red FOX']],
      [{ p_model_id: 'other/one' }, ['50% of a_b']],
      [{ p_model_id: MODEL }, ['waits', 'a fox at night', 'A red FOX', 'the first']],
      [{ p_model_id: 'no/such' }, []],
      [{ p_operation: 'upscale' }, ['50% of a_b']],
      [{ p_favorite: true }, ['a fox at night']],
      [{ p_favorite: false }, ['waits', '50% of a_b', 'A red FOX', 'the first']],
      [{ p_archived: true }, ['50% of a_b']],
      [{ p_archived: false, p_status: 'completed' }, ['a fox at night', 'the first']],
      [{ p_parent_id: parent }, ['A red FOX']],
      [{ p_parent_id: parent, p_status: 'completed' }, []],
      [{ p_created_after: at(35) }, ['waits', '50% of a_b']],
      [{ p_created_before: at(45) }, ['A red FOX', 'the first']],
      [{ p_created_after: at(55), p_created_before: at(35), p_q: 'night' }, ['a fox at night']],
    ];
    for (const [args, expected] of table)
      expect(await prompts(user, args), JSON.stringify(args)).toEqual(expected);
  });

  test('of one batch, and of it what has ended', async () => {
    const user = await db.createUser();
    const started = await db.start(user, { items: [{ prompt: 'one' }, { prompt: 'two' }] });
    await add(user, 'three', 0);
    await db.sql`update public.image_generations set status = 'failed' where prompt = 'two'`;
    const batch = { p_batch_id: started.batch_id };
    expect((await prompts(user, batch)).sort()).toEqual(['one', 'two']);
    expect(await prompts(user, { ...batch, p_status: 'failed' })).toEqual(['two']);
    expect(await prompts(await db.createUser(), batch)).toEqual([]);
  });

  test.each([
    [{ p_q: ' ' }, 'q'],
    [{ p_q: 'x'.repeat(201) }, 'q'],
    [{ p_operation: 'paint' }, 'operation'],
    [{ p_status: 'done' }, 'status'],
    [{ p_model_id: 'x'.repeat(201) }, 'model_id'],
    [{ p_cursor: 'x' }, 'cursor'],
  ])('that are none are refused: %j', async (args, field) => {
    expect(await refusal(list(await db.createUser(), args))).toMatchObject({
      code: 'invalid_request',
      field,
    });
  });
});

describe('pages', () => {
  /** All pages of a list, and how many of them were short. */
  async function all(user: string, args: Record<string, unknown>) {
    const seen: string[] = [];
    const sizes: number[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: Page = await list(user, { ...args, ...(cursor ? { p_cursor: cursor } : {}) });
      seen.push(...page.generations.map(({ id }) => id));
      sizes.push(page.generations.length);
      cursor = page.next_cursor;
    }
    return { seen, sizes };
  }

  test('with a filter follow each other without gap or repetition', async () => {
    const user = await db.createUser();
    const foxes: string[] = [];
    for (let n = 0; n < 12; n += 1) {
      const id = await add(user, n % 2 ? `hare ${n}` : `fox ${n}`, 100 + n);
      if (n % 2 === 0) foxes.push(id);
    }
    // Two of the same moment.
    await db.sql`update public.image_generations set created_at = (select created_at from public.image_generations where prompt = 'fox 4')
      where prompt = 'fox 6'`;
    const { seen, sizes } = await all(user, { p_q: 'fox', p_limit: 4 });
    expect(seen.toSorted()).toEqual(foxes.toSorted());
    expect(sizes).toEqual([4, 2]);
  });

  const MANY = 4_500;
  /** So many rows, each older by a second than the one before; behind so many others. */
  const fill = (user: string, count: number, behind = 0) => db.sql`
    insert into public.image_generations (user_id, prompt, model, status, seq, created_at)
    select ${user}, 'hare ' || n, ${MODEL}, 'completed', 1, now() - make_interval(secs => n)
    from generate_series(${behind + 1}::int, ${behind + count}::int) as n`;

  test('end after 2,000 rows, however few of them are listed, and go on behind those', async () => {
    const user = await db.createUser();
    await fill(user, MANY);
    const fox = await add(user, 'fox', 1_000);
    const { seen, sizes } = await all(user, { p_q: 'fox' });
    expect([seen, sizes]).toEqual([[fox], [0, 0, 1]]);
  }, 60_000);

  test('cost the same in a library ten times as large', async () => {
    const user = await db.createUser();
    const pages = async (args: string) => {
      const [row] = await db.as('authenticated', user, async (sql) => {
        for (let warm = 0; warm < 6; warm += 1) await sql.unsafe(`select public.list_generations(${args})`);
        return sql.unsafe<{ 'QUERY PLAN': [{ Plan: Node }] }[]>(
          `explain (analyze, buffers, timing off, format json) select public.list_generations(${args})`,
        );
      });
      return allBlocks([row?.['QUERY PLAN'][0].Plan as Node]);
    };
    const lists = ["p_q => 'fox'", "p_status => 'failed'", 'p_favorite => true', 'p_limit => 20'];
    const cost = async () => {
      await db.sql`vacuum analyze public.image_generations`;
      const costs: number[] = [];
      for (const args of lists) costs.push(await pages(args));
      return costs;
    };
    await fill(user, MANY);
    const before = await cost();
    await fill(user, 9 * MANY, MANY);
    const after = await cost();
    console.info('pages:', { lists, before, after });
    for (const [n, most] of before.entries())
      expect(after[n], `${lists[n]}, ${most} pages of a tenth`).toBeLessThanOrEqual(most * 1.2 + 10);
  }, 120_000);
});

describe('marks', () => {
  const image = async (user: string) => {
    const generation = await add(user, 'a fox', 1, { image: {} });
    const [row] = await db.sql`select id from public.images where generation_id = ${generation}`;
    return { generation, id: row?.id as string };
  };
  const mark = (user: string, ids: string[], marks: unknown) =>
    db.callAs<{ images: Record<string, unknown>[] }>(user, 'mark_images', {
      p_image_ids: ids,
      p_marks: marks,
    });
  const markOne = (user: string, id: string, marks: unknown) =>
    db.callAs<Record<string, unknown>>(user, 'mark_image', { p_image_id: id, p_marks: marks });

  test('are set, kept where they are not named, and taken away', async () => {
    const user = await db.createUser();
    const { id, generation } = await image(user);
    expect(await markOne(user, id, { is_favorite: true, is_public: null })).toMatchObject({
      id,
      generation_id: generation,
      is_favorite: true,
      is_public: false,
      archived_at: null,
    });
    const archived = await markOne(user, id, { archived: true });
    expect(archived).toMatchObject({ is_favorite: true, archived_at: expect.stringMatching(/^2/) });
    expect(
      await markOne(user, id, { archived: true, is_public: true }),
      'the time of the first',
    ).toMatchObject({
      archived_at: archived.archived_at,
      is_public: true,
    });
    expect(await markOne(user, id, { archived: false, is_favorite: false })).toMatchObject({
      is_favorite: false,
      is_public: true,
      archived_at: null,
    });
    const page = await list(user);
    expect((page.generations as unknown as { images: unknown[] }[])[0]?.images).toEqual([
      expect.objectContaining({ id, is_public: true }),
    ]);
  });

  test('are set on many at once, on one’s own alone', async () => {
    const [mine, theirs] = [await db.createUser(), await db.createUser()];
    const own = [(await image(mine)).id, (await image(mine)).id];
    const { id: other } = await image(theirs);
    const ids = [own[1] as string, other, '00000000-0000-4000-8000-000000000000', own[0] as string];
    const { images } = await mark(mine, ids, { is_favorite: true });
    expect(
      images.map(({ id }) => id),
      'in the order of the ids',
    ).toEqual([own[1], own[0]]);
    expect([...(await db.sql`select is_favorite from public.images where id = ${other}`)]).toEqual([
      { is_favorite: false },
    ]);
    // Readable, and still not the reader's.
    await markOne(theirs, other, { is_public: true });
    expect(await refusal(markOne(mine, other, { is_favorite: true }))).toMatchObject({
      sqlstate: 'PT404',
      code: 'not_found',
    });
  });

  test.each<[unknown, string]>([
    [{}, 'body'],
    [{ is_favorite: null }, 'body'],
    [{ is_favorite: true, rating: 5 }, 'body'],
    [{ is_favorite: 1 }, 'is_favorite'],
    [{ archived: '2026-11-24' }, 'archived'],
    [[], 'body'],
  ])('that are none are refused: %j', async (marks, field) => {
    const user = await db.createUser();
    const { id } = await image(user);
    expect(await refusal(mark(user, [id], marks))).toMatchObject({ code: 'invalid_request', field });
  });

  test('are for 1 to 100 images', async () => {
    const user = await db.createUser();
    const { id } = await image(user);
    expect((await mark(user, Array(100).fill(id), { archived: true })).images).toHaveLength(1);
    for (const ids of [[], Array(101).fill(id)])
      expect(await refusal(mark(user, ids, { archived: true }))).toMatchObject({ field: 'ids' });
  });
});
