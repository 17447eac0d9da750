import { describe, expect, test } from 'vitest';
import { createDatabase } from '../stack/testing.ts';
import { BASE } from './original.ts';
import { as, open, project } from './project.ts';
import { canDump, dump, snapshot } from './snapshot.ts';

// The move of a project of the original, with rows in every status and every oddity that was seen.

/** The id of its row in every project: shared/src/catalogue/mod.rs. */
const FLUX_SCHNELL = 'aa9ee7c4-ad4e-857e-3694-4465f5b436dc';

/** Foreign keys of an app's own tables to the original's. */
const OWN_KEYS =
  /^public \| public\.(image_tags|image_likes|board_items|generation_errors)\b.*public\.(images|image_generations|batch_generations)\(/;

describe('a project with everything', async () => {
  const { sql, superuserUrl, old, run, said } = await project();
  const { named } = old;
  const before = await snapshot(sql);
  const dumped = canDump && (await dump(superuserUrl));

  test('the dry run says what it would do, and changes nothing', async () => {
    const text = await run('dry-run');
    expect(await snapshot(sql)).toEqual(before);
    expect(text).toContain('what would be done');
    expect(text).toContain('| status processing becomes failed | 1 |');
    expect(text).toContain('| status downloading becomes completed | 1 |');
    expect(text).toContain('| not carried: it has no owner | 1 |');
    expect(text).toContain('2 versions, 20250901000000 to 20251009000000');
    expect(text).toContain('foreign key image_tags_image_id_fkey of public.image_tags');
    expect(text).toContain('- "everybody sees pictures", for select');
    expect(text).not.toContain('uploads of one');
    expect(text).toContain('batch_generations.multi_count');
    expect(text).toContain('public.get_user_limits(uuid) names image_generations');
  });

  test('it is applied, and taken back byte for byte', async () => {
    await run('apply');
    expect(await sql`select to_regclass('private.ready_jobs') is not null as is_there`).toEqual([
      { is_there: true },
    ]);
    await run('undo');
    expect(await snapshot(sql)).toEqual(before);
  });

  test.runIf(canDump)('pg_dump, too, writes the same as before', async () => {
    expect(await dump(superuserUrl)).toBe(dumped);
  });

  test('and is applied again', async () => {
    const text = await run('apply');
    expect(said.at(-1)).toContain('The rows are moved.');
    expect(text).toContain('what was done');
    expect(text).not.toContain('postgres:postgres');
  });

  test('the new tables are those of a fresh project', async () => {
    const fresh = open((await createDatabase()).url);
    const ours = (lines: string[] | undefined) =>
      (lines ?? []).filter((line) => /\b(images|image_generations|batch_generations|models)\b/.test(line));
    const [made, wanted] = [await snapshot(sql), await snapshot(fresh)];
    for (const part of ['constraints', 'indexes', 'triggers', 'columns']) {
      const isThere = new Set(made[part]);
      const missing = ours(wanted[part]).filter((line) => !isThere.has(line));
      expect(missing, part).toEqual([]);
      expect(ours(wanted[part]).length).toBeGreaterThan(5);
    }
  });

  const generation = async (id: string | undefined) =>
    (await sql`select * from public.image_generations where id = ${id ?? null}`)[0];
  const image = async (id: string | undefined) =>
    (await sql`select * from public.images where id = ${id ?? null}`)[0];

  test.each([
    ['pending', 'failed'],
    ['queued', 'failed'],
    ['processing', 'failed'],
    ['downloading', 'failed'],
    ['completed', 'completed'],
    ['failed', 'failed'],
    ['cancelled', 'cancelled'],
    [null, 'failed'],
  ])('a generation that was %s is %s', async (status, expected) => {
    const row = await generation(old.byStatus.get(status));
    expect(row).toMatchObject({
      status: expected,
      progress: expected === 'completed' ? 100 : 0,
      user_id: old.owner,
      model: 'black-forest-labs/flux-schnell',
      model_id: FLUX_SCHNELL,
      seed: '7',
      guidance_scale: '3.5',
    });
    expect(row?.completed_at).not.toBeNull();
    if (expected === 'failed') {
      expect(row?.error_message).toBe(
        status === 'failed' ? 'It was refused.' : 'The image was never finished.',
      );
    }
  });

  test('models are found by id, name, version and short name, and have the ids that the Worker knows', async () => {
    expect(await generation(named.byId)).toMatchObject({
      model: 'someone/own-model',
      model_id: old.unknownModel,
    });
    expect(await generation(named.byVersion)).toMatchObject({ model_id: FLUX_SCHNELL });
    expect(await generation(named.byShortName)).toMatchObject({ model_id: FLUX_SCHNELL });
    expect(await generation(named.unknown)).toMatchObject({ model: 'gone/model', model_id: null });
    expect(
      await sql`select id from public.models
        where id <> private.model_row_id(replicate_id) and id <> ${old.unknownModel}`,
    ).toEqual([]);
    expect(await sql`select is_active from public.models where id = ${old.unknownModel}`).toEqual([
      { is_active: false },
    ]);
    expect(
      await sql`select is_active from public.models where replicate_id = 'black-forest-labs/flux-dev'`,
    ).toEqual([{ is_active: false }]);
  });

  test('owners are found, and rows without one are kept whole', async () => {
    expect(await generation(named.ofItsImage)).toMatchObject({ user_id: old.other });
    expect(await image(named.ofItsGeneration)).toMatchObject({ user_id: old.owner, is_favorite: true });
    expect(await generation(named.orphan)).toBeUndefined();
    expect(await generation(named.ownerless)).toBeUndefined();
    const rest = await sql`select table_name, id, reason, row_data ->> 'prompt' as prompt
      from picture_queue_move.not_carried order by table_name, id`;
    expect(rest.map(({ id }) => id).sort()).toEqual(
      [named.lostBatch, named.ownerless, named.ownerlessImage, named.orphan].sort(),
    );
  });

  test('images keep their files, and no image is lost', async () => {
    expect(await image(named.withoutAddress)).toMatchObject({
      public_url: `${BASE}${old.owner}/no.webp`,
      format: 'webp',
      file_size: '1000',
    });
    expect(await image(named.newer)).toMatchObject({ generation_id: named.twice });
    expect(await image(named.older)).toMatchObject({ generation_id: null });
    expect(await image(named.remix)).toMatchObject({ source_image_id: named.newer, rating: null });
    expect(await image(named.remixOfLost)).toMatchObject({
      source_image_id: null,
      download_count: 4,
      is_public: true,
    });
    expect((await generation(named.made))?.status).toBe('completed');
  });

  test('the counts of batches are true', async () => {
    const batch = async (id: string | undefined) =>
      (await sql`select * from public.batch_generations where id = ${id ?? null}`)[0];
    expect(await batch(named.cut)).toMatchObject({
      status: 'partial',
      total_count: 3,
      completed_count: 1,
      failed_count: 2,
      model_id: FLUX_SCHNELL,
    });
    expect(await batch(named.whole)).toMatchObject({
      status: 'completed',
      total_count: 1,
      user_id: old.owner,
      model_id: FLUX_SCHNELL,
    });
    expect(await batch(named.empty)).toMatchObject({
      status: 'partial',
      total_count: 4,
      completed_count: 1,
      failed_count: 3,
      model_id: null,
    });
  });

  test('profiles stay, and each user has one', async () => {
    expect(await sql`select username from public.profiles where id = ${old.owner}`).toEqual([
      { username: 'ann' },
    ]);
    expect(
      await sql`select from auth.users as u where not exists (select from public.profiles where id = u.id)`,
    ).toEqual([]);
  });

  test('the app’s own tables, views and policies work on the new tables', async () => {
    const [tag] = await sql`select id from public.tags`;
    const [made] = await sql`insert into public.images (user_id, storage_path, public_url)
      values (${old.owner}, 'a/b.webp', ${`${BASE}a/b.webp`}) returning id`;
    await sql`insert into public.image_tags (image_id, tag_id) values (${made?.id}, ${tag?.id})`;
    await expect(
      sql`insert into public.image_tags (image_id, tag_id) values (gen_random_uuid(), ${tag?.id})`,
    ).rejects.toThrow('image_tags_image_id_fkey');
    await expect(
      sql`insert into public.image_likes (image_id) values (${named.ownerlessImage ?? null})`,
    ).rejects.toThrow('image_likes_image_id_fkey');
    const tagsOf = (user: string) =>
      as(sql, user, (inner) => inner`select image_id from public.image_tags order by image_id = ${made?.id}`);
    const seen = await tagsOf(old.owner);
    expect(await tagsOf(old.other), 'whose images these are not').toEqual([]);
    expect(seen.map((row) => row.image_id)).toEqual([named.newer, made?.id]);
    await sql`delete from public.images where id = ${made?.id}`;
    expect(await sql`select count(*)::int as n from public.image_tags`).toEqual([{ n: 1 }]);
    expect(
      await sql`select completed_count from public.batch_progress where id = ${named.cut ?? null}`,
    ).toEqual([{ completed_count: 1 }]);
    const [feed] = await sql`select id, public.title_of(i) as title, public.count_images()::int as images
      from public.get_feed() as i`;
    expect(feed).toEqual({ id: named.remixOfLost, title: 'a lamp', images: 8 });
    await sql`refresh materialized view concurrently public.tag_counts`;
  });

  test('a new picture is started beside the old ones', async () => {
    const request = sql.json({ prompt: 'a lamp', model_id: 'black-forest-labs/flux-schnell' });
    const [row] = await as(
      sql,
      old.owner,
      (inner) => inner`select public.start_generation(${request}) ->> 'status' as status`,
    );
    expect(row?.status).toBe('queued');
  });

  test('and finished, the old tables are gone, and what was not carried is kept', async () => {
    const report = await run('finish', '--drop-left-aside');
    expect(report).toContain('- table `image_generations`');
    expect(report).toContain('| image_generations | it has no owner | 2 |');
    // The clean-up by hand went through seven foreign keys and two views of the app's.
    const own = ({ constraints = [], views = [] }: Record<string, string[]>) => [
      constraints
        .filter((line) => OWN_KEYS.test(line))
        .map((line) => line.replace(/( NOT VALID)? \| false/, ' | true')),
      views.map((line) => line.split(' | ')[0]),
    ];
    const [keys = [], views = []] = own(await snapshot(sql));
    const [oldKeys = [], oldViews = []] = own(before);
    expect(oldKeys.length).toBe(5);
    expect(keys).toEqual(oldKeys);
    expect(views).toEqual(expect.arrayContaining(oldViews.filter((name) => name !== 'public.multi_batches')));
    expect(await sql`select to_regnamespace('original') as original`).toEqual([{ original: null }]);
    expect(await sql`select count(*)::int as n from picture_queue_move.not_carried`).toEqual([{ n: 4 }]);
    await expect(run('undo')).rejects.toThrow('The move is finished');
    await expect(run('apply')).rejects.toThrow('The move is finished already');
  });
});
