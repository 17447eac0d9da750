import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { Database, refusal } from '../support.ts';

// The tables of the original's apps, on a project that has none: supabase/optional/original-apps.sql.
const FILE = fileURLToPath(new URL('../../../supabase/optional/original-apps.sql', import.meta.url));
const db = await Database.open();
let user: string;
let other: string;
let image: string;
let hidden: string;

type Row = Record<string, unknown>;

const as = <T extends Row>(who: string, text: string, values: unknown[] = []) =>
  db.as('authenticated', who, async (sql) => [...(await sql.unsafe<T[]>(text, values as never[]))]);

async function addImage(owner: string, isPublic: boolean): Promise<string> {
  const { generation_id } = await db.start(owner);
  const [row] =
    await db.sql`insert into public.images (generation_id, user_id, storage_path, public_url, is_public)
    values (${generation_id}, ${owner}, ${`${owner}/${generation_id}.webp`}, 'https://x.example/a.webp', ${isPublic})
    returning id`;
  return row?.id;
}

beforeAll(async () => {
  const text = await readFile(FILE, 'utf8');
  // Twice: what is there stays.
  const session = await db.sql.reserve();
  for (let run = 0; run < 2; run += 1) await session.unsafe(text).simple();
  session.release();
  [user, other] = [
    await db.createUser({ images_per_day: 10, requests_per_minute: 5, running_jobs: 2 }),
    await db.createUser(),
  ];
  [image, hidden] = [await addImage(user, true), await addImage(other, false)];
});

test('a tag is everybody’s to read, and its maker’s to change', async () => {
  const [tag] = await as(user, `insert into public.tags (name, color) values ('sea', '#123456') returning *`);
  expect(tag).toMatchObject({ name: 'sea', created_by: user });
  expect(await as(other, 'select name from public.tags')).toEqual([{ name: 'sea' }]);
  expect(await as(other, `update public.tags set color = 'x' where name = 'sea' returning id`)).toEqual([]);
  expect((await refusal(as(other, `insert into public.tags (name) values ('sea')`))).sqlstate).toBe('23505');
});

test('an image of one’s own gets tags, and they go with it', async () => {
  const [tag] = await as(user, `insert into public.tags (name) values ('sky') returning id`);
  const mine = await addImage(user, false);
  await as(user, 'insert into public.image_tags (image_id, tag_id) values ($1, $2)', [mine, tag?.id]);
  const foreign = as(other, 'insert into public.image_tags (image_id, tag_id) values ($1, $2)', [
    mine,
    tag?.id,
  ]);
  expect((await refusal(foreign)).sqlstate).toBe('42501');
  expect(await as(user, 'delete from public.images where id = $1 returning id', [mine])).toHaveLength(1);
  expect(await db.sql`select from public.image_tags where image_id = ${mine}`).toHaveLength(0);
});

test('an image that one sees can be liked once', async () => {
  const like = (who: string, what: string) =>
    as(who, 'insert into public.image_likes (image_id, user_id) values ($1, $2) returning id', [what, who]);
  expect(await like(other, image)).toHaveLength(1);
  expect((await refusal(like(other, image))).sqlstate).toBe('23505');
  expect((await refusal(like(user, hidden))).sqlstate).toBe('42501');
  expect(await as(user, 'select image_id from public.image_likes')).toEqual([{ image_id: image }]);
});

describe('boards', () => {
  test('have items, counts and an owner', async () => {
    const [board] = await as(user, `insert into public.boards (user_id, name) values ($1, 'B') returning *`, [
      user,
    ]);
    await as(user, 'insert into public.board_items (board_id, image_id) values ($1, $2)', [board?.id, image]);
    expect(await as(user, 'select name, item_count from public.get_boards_with_counts($1)', [user])).toEqual([
      { name: 'B', item_count: '1' },
    ]);
    expect(await as(other, 'select * from public.get_boards_with_counts($1)', [user])).toEqual([]);
    expect(await as(other, 'select id from public.boards')).toEqual([]);
    await as(user, 'update public.boards set is_public = true where id = $1', [board?.id]);
    expect(await as(other, 'select image_id from public.board_items')).toEqual([{ image_id: image }]);
    expect(await as(other, 'delete from public.board_items where true returning id')).toEqual([]);
  });
});

test('a batch tells its progress', async () => {
  const { batch_id, generations } = await db.start(user, { items: [{ prompt: 'a' }, { prompt: 'b' }] });
  await db.callAs(user, 'cancel_generation', { p_generation_id: generations[0]?.generation_id });
  const [row] = await as(user, 'select * from public.batch_progress where id = $1', [batch_id]);
  expect(row).toMatchObject({ total_count: 2, failed_count: 1, status: 'processing', pending_count: '1' });
  expect(row?.items).toMatchObject([
    { index: 0, prompt: 'a', status: 'cancelled', image_url: null },
    { index: 1, prompt: 'b', status: 'pending' },
  ]);
  expect(await as(other, 'select id from public.batch_progress where id = $1', [batch_id])).toEqual([]);
});

test('limits are those of the plan', async () => {
  const [row] = await as<{ limits: Row }>(user, 'select public.get_user_limits($1) as limits', [user]);
  expect(row?.limits).toMatchObject({
    daily_limit: 10,
    hourly_limit: 10,
    max_concurrent: 2,
    can_generate: true,
    limit_reason: null,
  });
  expect(row?.limits.daily_used).toBeGreaterThan(0);
  const foreign = as(other, 'select public.get_user_limits($1)', [user]);
  expect(await refusal(foreign)).toMatchObject({ sqlstate: 'PT403', code: 'forbidden' });
});

test('an upload of one’s own becomes an image, and nothing else does', async () => {
  const path = `${user}/17-abc.png`;
  const url = (of: string) => `https://p.supabase.co/storage/v1/object/public/user-uploads/${of}`;
  const add = (owner: string, storagePath: string, address: string) =>
    as(
      user,
      'insert into public.images (user_id, public_url, storage_path, filename, prompt) values ($1, $2, $3, $4, $5) returning id',
      [owner, address, storagePath, 'a.png', 'Uploaded: a.png'],
    );
  expect(await add(user, path, url(path))).toHaveLength(1);
  for (const [owner, storagePath, address] of [
    [other, path, url(path)],
    [user, `${other}/x.png`, url(`${other}/x.png`)],
    [user, path, 'https://evil.example/x.png'],
    // Others see its address, once it is public.
    [user, path, `javascript:alert(1)//${url(path)}`],
    [user, path, `https://evil.example/track?of=${url(path)}`],
    [user, `${user}/%`, url(`${user}/../../../evil`)],
  ] as const)
    expect((await refusal(add(owner, storagePath, address))).sqlstate).toBe('42501');
});

test('nothing of it is open to those who are not signed in, and row-level security is on', async () => {
  for (const table of ['tags', 'image_tags', 'image_likes', 'boards', 'board_items', 'batch_progress'])
    expect(
      (await refusal(db.as('anon', null, (sql) => sql`select from ${sql(`public.${table}`)}`))).sqlstate,
    ).toBe('42501');
  const open = await db.sql`select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r' and not relrowsecurity`;
  expect([...open]).toEqual([]);
});
