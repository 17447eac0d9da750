import { expect, test } from 'vitest';
import { project } from './project.ts';
import { snapshot } from './snapshot.ts';

// What an app does to its own tables after a move, and that a later undo or finish has to cope with.

const KEPT = 'select table_name, change, row_data from picture_queue_undone.rows order by ord';

test('rows that name a leaving row by keys that forbid its deletion go with it', async () => {
  const { sql, old, run } = await project(`
    create table public.comments (id int primary key, image_id uuid references public.images (id) on delete cascade);
    create table public.threads (id int primary key, comment_id int references public.comments (id));
    create table public.replies (id int primary key, comment_id int references public.comments (id) on delete restrict,
      thread_id int references public.threads (id) on delete restrict, parent_id int references public.replies (id));`);
  const before = await snapshot(sql);
  await run('apply');
  await sql`insert into public.images (user_id, storage_path, public_url) values (${old.owner}, 'a/b.webp', 'https://example.com/b')`;
  await sql`insert into public.comments select 1, id from public.images where storage_path = 'a/b.webp'`;
  await sql`insert into public.threads values (1, 1)`;
  await sql`insert into public.replies values (1, 1, 1, null), (2, null, null, 1)`;
  await expect(run('undo')).rejects.toThrow('public.replies: 2 names what is new');
  await run('undo', '--put-changes-aside');
  const { schemas: _, ...after } = await snapshot(sql);
  const { schemas: _old, ...wanted } = before;
  expect(after).toEqual(wanted);
});

test('a row whose keys are set to null by several deletions keeps the rest', async () => {
  const { sql, old, run } = await project(`
    create table public.pairs (id int primary key, one uuid references public.images (id) on delete set null,
      two uuid references public.images (id) on delete set null, note text,
      three uuid references public.images (id) on delete cascade);`);
  await run('apply');
  await sql`insert into public.images (user_id, storage_path, public_url) values (${old.owner}, 'a/b.webp', 'https://example.com/b')`;
  await sql`insert into public.pairs select 1, id, id, 'kept', null from public.images where storage_path = 'a/b.webp'`;
  await sql`insert into public.pairs select 2, id, null, 'goes', id from public.images where storage_path = 'a/b.webp'`;
  await run('undo', '--put-changes-aside');
  expect(await sql`select id, one, two, note from public.pairs`).toEqual([
    { id: 1, one: null, two: null, note: 'kept' },
  ]);
  const kept = (await sql.unsafe(KEPT)).filter((row) => row.table_name === 'public.pairs');
  expect(kept.map(({ change, row_data }) => [change, row_data.id])).toEqual([
    ['named what is new', 1],
    ['names what is new', 2],
  ]);
});

test('tables and columns that were dropped since are told, and renamed ones are asked for', async () => {
  const { sql, run } = await project(`
    create table public.covers (id int primary key, image_id uuid references public.images (id), made uuid);
    create policy seen on public.covers using (exists (select from public.images as i where i.id = image_id));
    create table public.frames (id int primary key, image_id uuid references public.images (id));`);
  await run('apply');
  await sql`drop table public.image_likes`;
  await sql`alter table public.frames drop column image_id`;
  await sql`alter table public.covers rename to sleeves`;
  await sql`alter policy seen on public.sleeves rename to "seen now"`;
  await expect(run('undo')).rejects.toThrow('public.covers is public.sleeves now. Rename them back');
  await sql`alter table public.sleeves rename to covers`;
  await expect(run('undo')).rejects.toThrow(
    /public\.frames: 1 foreign key dropped since; public\.image_likes: 1 foreign key dropped since/,
  );
  const report = await run('undo', '--put-changes-aside');
  expect(report).toContain('| public.image_likes | foreign key dropped since | 1 |');
  expect(
    await sql`select confrelid::regclass::text as target from pg_constraint
      where contype = 'f' and conrelid = 'public.covers'::regclass`,
  ).toEqual([{ target: 'images' }]);
  const [policy] = await sql`select pg_get_expr(polqual, polrelid) as text from pg_policy
    where polname = 'seen now'`;
  expect(policy?.text).toContain('FROM images');
});
