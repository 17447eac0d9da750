import { describe, expect, test } from 'vitest';
import { createDatabase } from '../stack/testing.ts';
import { project, runner } from './project.ts';
import { snapshot } from './snapshot.ts';

// Old projects that are not as the original was published, and what stands in the way of a move.

/** Applies it, gives the database to a look, and takes it back. */
async function thereAndBack(
  changes: string,
  look: (made: Awaited<ReturnType<typeof project>>) => Promise<void>,
) {
  const made = await project(changes);
  const before = await snapshot(made.sql);
  await made.run('dry-run');
  expect(await snapshot(made.sql)).toEqual(before);
  await made.run('apply');
  await look(made);
  await made.run('undo');
  expect(await snapshot(made.sql)).toEqual(before);
}

describe('a project', () => {
  test('whose profiles do not fit: they are put aside and copied', async () => {
    await thereAndBack(
      'alter table public.profiles disable row level security',
      async ({ sql, old, run }) => {
        expect(await sql`select username, avatar_url from public.profiles where id = ${old.owner}`).toEqual([
          { username: 'ann', avatar_url: 'https://example.com/a.png' },
        ]);
        const [key] = await sql`select confrelid::regclass::text as target from pg_constraint
        where conname = 'prompt_templates_user_id_fkey'`;
        expect(key?.target).toBe('profiles');
        expect(await sql`select count(*)::int as n from original.profiles`).toEqual([{ n: 2 }]);
        await expect(run('dry-run')).rejects.toThrow('A move is under way');
      },
    );
  });

  test('without batches, and without newer columns', async () => {
    await thereAndBack(
      `drop view public.batch_progress, public.multi_batches;
       alter table public.generation_errors drop column batch_id;
       alter table public.image_generations drop column batch_id, drop column generation_strength;
       drop table public.batch_generations;
       alter table public.images drop column rating, drop column archived_at;
       alter table public.models drop column sort_order`,
      async ({ sql }) => {
        expect(await sql`select count(*)::int > 10 as are_there from public.image_generations`).toEqual([
          { are_there: true },
        ]);
      },
    );
  });

  test('whose ids of batches are texts', async () => {
    await thereAndBack(
      `drop view public.batch_progress, public.multi_batches;
       alter table public.generation_errors drop constraint generation_errors_batch_id_fkey;
       alter table public.image_generations drop constraint image_generations_batch_id_fkey;
       alter table public.batch_generations alter column id type text, alter column id drop default;
       alter table public.image_generations alter column batch_id type text;
       insert into public.batch_generations (id, total_count) values ('first', 1)`,
      async ({ sql, old }) => {
        expect(
          await sql`select total_count from public.batch_generations where id = ${old.named.cut ?? null}`,
        ).toEqual([{ total_count: 3 }]);
        expect(await sql`select reason from picture_queue_move.not_carried where id = 'first'`).toEqual([
          { reason: 'its id is no uuid' },
        ]);
      },
    );
  });

  test('whose own tables name models', async () => {
    await thereAndBack(
      `create table public.favourite_models (
         user_id uuid, model_id uuid references public.models (id) deferrable initially deferred, touched int default 0,
         primary key (user_id, model_id));
       create table public.last_models (model_id uuid references public.models (id));
       create function public.touch() returns trigger language plpgsql as $$
         begin new.touched := old.touched + 1; return new; end $$;
       create trigger touched before update on public.favourite_models for each row execute function public.touch();
       alter table public.favourite_models enable always trigger touched;
       insert into public.favourite_models (user_id, model_id)
         select u.id, m.id from (select id from auth.users limit 1) as u, public.models as m
         where m.replicate_id <> 'black-forest-labs/flux-schnell';
       insert into public.last_models select id from public.models`,
      async ({ sql }) => {
        expect(
          await sql`select m.replicate_id, f.touched
            from public.favourite_models as f join public.models as m on m.id = f.model_id order by 1`,
        ).toEqual([
          { replicate_id: 'black-forest-labs/flux-dev', touched: 0 },
          { replicate_id: 'black-forest-labs/flux-schnell', touched: 0 },
          { replicate_id: 'someone/own-model', touched: 0 },
        ]);
        const [key] = await sql`select orphans from picture_queue_move.foreign_keys
          where table_name = 'public.last_models'`;
        expect(key?.orphans, 'no primary key tells its rows apart').toBe('3');
      },
    );
  });

  test('without a history of migrations', async () => {
    await thereAndBack('drop schema supabase_migrations cascade', async ({ sql }) => {
      expect(
        await sql`select count(*)::int > 10 as are_there from supabase_migrations.schema_migrations`,
      ).toEqual([{ are_there: true }]);
    });
  });

  test('with unusual names, rights and keys', async () => {
    await thereAndBack(
      `create schema "My app";
       create table "My app"."Likes of" (id int primary key, "the image" uuid not null
         constraint "the 'key'" references public.images (id) on update cascade on delete restrict deferrable);
       alter table "My app"."Likes of" add foreign key ("the image") references public.images (id) not valid;
       create view "My app"."All jobs" as select * from public.job_queue;
       create view "My app".health with (security_barrier = true) as select * from public.queue_health;
       grant select on "My app".health to authenticated with grant option;
       create table public.job_notes (job_id uuid references public.job_queue (id));
       create policy "notes" on public.tags as restrictive for insert with check (
         (select count(*) from public.images) < 100);
       create type public.queue_latency as enum ('slow');
       create function public.prune_jobs(p_days int) returns void language sql as $$ select $$`,
      async ({ sql }) => {
        const [row] =
          await sql`select outcome from picture_queue_move.foreign_keys where table_name = 'public.job_notes'`;
        expect(row?.outcome, 'job_queue is a view now: nothing refers to it').toBe('dropped');
        expect(await sql`select * from "My app".health`).toEqual([]);
      },
    );
  });
});

test('a project whose images have no address asks for the project’s', async () => {
  const { sql, run, old } = await project('update public.images set public_url = null');
  expect(await run('dry-run')).toContain('--project-url');
  await run('apply', '--project-url', 'https://abc.supabase.co/');
  expect(
    await sql`select public_url from public.images where id = ${old.named.withoutAddress ?? null}`,
  ).toEqual([
    { public_url: `https://abc.supabase.co/storage/v1/object/public/generated-images/${old.owner}/no.webp` },
  ]);
});

describe('it is refused', () => {
  test('while the original is at work', async () => {
    const { sql, run } = await project(
      `insert into public.job_queue (job_type, status, started_at) values ('generate-image', 'processing', now())`,
    );
    const before = await snapshot(sql);
    await expect(run('apply')).rejects.toThrow('has begun 1 jobs within the last ten minutes');
    expect(await snapshot(sql)).toEqual(before);
    await run('apply', '--abandon-running');
  });

  test.each([
    ['create schema private; create table private.mine ()', '"private"'],
    // An empty one too: an undo could not tell it from the one that the push makes.
    ['create schema private', 'drop it if it is empty, or rename it'],
    ["create schema private; create type private.mood as enum ('fine')", 'or rename it'],
    ['create schema original', '"original"'],
    ['create index images_user on public.image_likes (user_id)', 'the index public.images_user'],
    [
      'create policy "owners find their generated images" on storage.objects for select using (true)',
      'the policy "owners find their generated images" on storage.objects',
    ],
    ['drop table public.image_generations cascade', 'no table public.image_generations'],
  ])('%s', async (changes, sentence) => {
    const { sql, run } = await project(changes);
    const before = await snapshot(sql);
    for (const action of ['dry-run', 'apply'] as const) await expect(run(action)).rejects.toThrow(sentence);
    expect(await snapshot(sql)).toEqual(before);
  });

  test('in a database that has Picture Queue', async () => {
    const { run } = runner((await createDatabase()).url);
    await expect(run('apply')).rejects.toThrow('there is nothing to move');
    await expect(run('undo')).rejects.toThrow('There is no move in this database');
  });

  test('to be finished while something of the app’s uses the old tables', async () => {
    const { sql, run } = await project();
    await run('apply');
    await sql`create view public.still as select id from original.images`;
    await expect(run('finish', '--drop-left-aside')).rejects.toThrow('the view still');
    await sql`drop view public.still`;
    await run('finish', '--drop-left-aside');
  });

  test('where no server answers', async () => {
    const { run } = runner('postgres://postgres:secret@127.0.0.1:1/postgres');
    const error = await run('dry-run').catch((thrown: Error) => thrown);
    expect((error as Error).message).toMatch(/^The database cannot be reached: /);
    expect((error as Error).message).not.toContain('secret');
  });
});
