import type postgres from 'postgres';
import { describe, expect, test } from 'vitest';
import { BASE } from './original.ts';
import { as, project } from './project.ts';
import { snapshot } from './snapshot.ts';

// Taking a move back when people have gone on working since: what does not go back is told, and kept.

/** Without what an undo has kept. */
async function without(sql: postgres.Sql): Promise<Record<string, string[]>> {
  const made = await snapshot(sql);
  return {
    ...made,
    schemas: (made.schemas ?? []).filter((line) => !line.startsWith('picture_queue_undone ')),
  };
}

const kept = (sql: postgres.Sql) =>
  sql<{ table_name: string; change: string; row_data: Record<string, unknown> }[]>`
    select table_name, change, row_data from picture_queue_undone.rows order by ord`;

const start = (sql: postgres.Sql, user: string) =>
  as(sql, user, async (inner) => {
    const request = inner.json({ prompt: 'a lamp', model_id: 'black-forest-labs/flux-schnell' });
    const [row] = await inner`select public.start_generation(${request}) ->> 'generation_id' as id`;
    return row?.id as string;
  });

describe('after a move', async () => {
  const { sql, old, run, said } = await project(`
    create table public.comments (id int primary key, image_id uuid references public.images (id) on delete cascade);
    create table public.replies (id int primary key, comment_id int references public.comments (id) on delete cascade);
    create table public.covers (id int primary key, image_id uuid references public.images (id) on delete set null);
    alter table public.comments enable row level security;
    create policy "of one’s own images" on public.comments for select using (
      exists (select from public.images as i where i.id = image_id and i.user_id = auth.uid()));
    create policy "on public images" on public.comments for insert with check (
      exists (select from public.images as i where i.id = image_id and i.is_public));
    insert into public.comments select 1, id from public.images limit 1;
    insert into public.replies values (1, 1); insert into public.covers select 1, image_id from public.comments`);
  const before = await snapshot(sql);
  const { named } = old;

  test('nothing was written: nothing is kept, and the report says so', async () => {
    await run('apply');
    const report = await run('undo');
    expect(report).toContain('Nothing was written since');
    expect(report).toContain('- table `image_generations`');
    expect(said.at(-1)).toBe('Everything is as it was before the move.');
    expect(await snapshot(sql)).toEqual(before);
  });

  test('what was written is told, and nothing is taken back unless that is asked for', async () => {
    await run('apply');
    const generation = await start(sql, old.owner);
    await sql`insert into public.images (user_id, generation_id, storage_path, public_url)
      values (${old.owner}, ${generation}, 'a/new.webp', ${`${BASE}a/new.webp`})`;
    await as(sql, old.owner, async (inner) => {
      await inner`update public.images set is_public = false, is_favorite = true where id = ${named.remixOfLost ?? null}`;
      await inner`delete from public.images where id = ${named.withoutAddress ?? null}`;
    });
    await sql`update public.models set is_active = false where replicate_id = 'google/imagen-4'`;
    await sql`update private.plans set images_per_day = 7 where name = 'default'`;
    await sql`insert into supabase_migrations.schema_migrations (version, name) values ('20270101000000', 'of_the_app')`;
    await sql`insert into public.comments select 2, id from public.images where generation_id = ${generation}`;
    await sql`insert into public.replies values (2, 2)`;
    await sql`update public.covers set image_id = (select image_id from public.comments where id = 2) where id = 1`;
    await sql`create or replace view public.batch_progress with (security_invoker = true) as
      select id, user_id, name, status, total_count, completed_count, failed_count, created_at,
        0::bigint as processing_count, '[]'::jsonb as items from public.batch_generations`;
    await sql`alter policy "of one’s own images" on public.comments using (
      exists (select from public.images as i where i.id = image_id))`;
    await sql`update storage.buckets set file_size_limit = 1000 where id = 'generated-images'`;
    const there = await snapshot(sql);
    const error = await run('undo').catch((thrown: Error) => thrown);
    for (const part of [
      'public.image_generations: 1 new',
      'public.images: 1 new; public.images: 1 changed',
      'public.images: 1 deleted',
      'public.models: 1 changed',
      'private.plans: 1 changed',
      'private.ready_jobs: 1 new',
      'supabase_migrations.schema_migrations: 1 new',
      'public.comments: 1 names what is new',
      'public.replies: 1 names what is new',
      'public.covers: 1 named what is new',
      'public.batch_progress: 1 definition changed',
      'public.comments: 1 policy changed',
      'storage.buckets: 1 changed',
    ]) {
      expect((error as Error).message).toContain(part);
    }
    expect(await snapshot(sql)).toEqual(there);
  });

  test('with that it goes back, and each row that does not is kept whole', async () => {
    const report = await run('undo', '--put-changes-aside');
    const rows = await kept(sql);
    const of = (table: string, change: string) =>
      rows.filter((row) => row.table_name === table && row.change === change).map((row) => row.row_data);
    expect(of('public.images', 'new')).toMatchObject([{ storage_path: 'a/new.webp' }]);
    expect(of('public.image_generations', 'new')).toMatchObject([{ prompt: 'a lamp', status: 'pending' }]);
    expect(of('public.images', 'changed')).toMatchObject([
      { id: named.remixOfLost, is_public: false, is_favorite: true },
    ]);
    expect(of('public.images', 'deleted')).toMatchObject([{ id: named.withoutAddress }]);
    expect(of('public.replies', 'names what is new')).toEqual([{ id: 2, comment_id: 2 }]);
    expect(of('public.covers', 'named what is new')).toMatchObject([{ id: 1 }]);
    expect(of('private.plans', 'changed')).toMatchObject([{ name: 'default', images_per_day: 7 }]);
    const [bucket] = of('storage.buckets', 'changed');
    expect(bucket).toMatchObject({ id: 'generated-images', file_size_limit: 1000 });
    const [policy] = of('public.comments', 'policy changed');
    expect(policy).toMatchObject({ policy: 'of one’s own images', check: null });
    expect(policy?.using).not.toContain('user_id');
    expect(report).toContain('| public.images | deleted | 1 |');
    expect(said.at(-1)).toContain(`${rows.length} rows that were written since are kept`);
    const after = await without(sql);
    expect(after['rows of public.covers']).toEqual(['(1,)']);
    expect({ ...after, 'rows of public.covers': before['rows of public.covers'] }).toEqual(before);
    expect(
      await sql`select has_schema_privilege('authenticated', 'picture_queue_undone', 'usage') as may`,
    ).toEqual([{ may: false }]);
  });

  test('and again', async () => {
    const known = (await kept(sql)).length;
    await run('apply');
    await start(sql, old.owner);
    await run('undo', '--put-changes-aside');
    const rows = (await kept(sql)).slice(known);
    expect(rows.map((row) => [row.table_name, row.change])).toContainEqual([
      'public.image_generations',
      'new',
    ]);
  });
});

test('a policy that was dropped since is told, and stays dropped', async () => {
  const { sql, run } = await project(`
    create table public.notes (image_id uuid);
    create policy mine on public.notes using (exists (select from public.images as i where i.id = image_id))`);
  await run('apply');
  await sql`drop policy mine on public.notes`;
  await expect(run('undo')).rejects.toThrow('public.notes: 1 policy dropped');
  const report = await run('undo', '--put-changes-aside');
  expect(report).toContain('| public.notes | policy dropped | 1 |');
  expect(await sql`select from pg_policy where polname = 'mine'`).toEqual([]);
});

test('one whose report cannot be written is not taken back', async () => {
  const { sql, run } = await project();
  await run('apply');
  const there = await snapshot(sql);
  await expect(run('undo', '--report', '/no/such/folder/report.md')).rejects.toThrow('cannot be written');
  expect(await snapshot(sql)).toEqual(there);
});

test('what hinders it is named', async () => {
  const { sql, run } = await project();
  await run('apply');
  await sql`create view public.mine as select id from public.images`;
  const there = await snapshot(sql);
  await expect(run('undo')).rejects.toThrow('view public.mine depends on');
  expect(await snapshot(sql)).toEqual(there);
});
