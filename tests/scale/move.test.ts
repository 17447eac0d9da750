import { expect, test } from 'vitest';
import { project } from '../move/project.ts';

// A million generations and a million images are moved in less than two minutes on two cores.

/** Fewer, to try it. */
const MILLION = Number(process.env.MOVE_ROWS ?? 1_000_000);
const MOST_SECONDS = 120;

test('a million generations and a million images', { timeout: 1_800_000 }, async () => {
  const { sql, run, said } = await project();
  await sql
    .unsafe(`
    insert into auth.users (id, email)
    select gen_random_uuid(), format('many%s@example.com', n) from generate_series(1, 1000) as n;
    insert into public.profiles (id) select id from auth.users on conflict do nothing;
    create table public.numbered as select id, row_number() over () - 1 as n from public.profiles;
    create index on public.numbered (n);
    insert into public.image_generations (
      id, user_id, prompt, model, width, height, guidance_scale, seed, status, generation_time_seconds,
      replicate_prediction_id, created_at, completed_at
    )
    select gen_random_uuid(), p.id, 'a lighthouse in a storm, number ' || g.n, 'Flux Fast', 1024, 768, 3.5, g.n,
      case g.n % 50 when 0 then 'failed' when 1 then 'processing' else 'completed' end, 12, md5(g.n::text),
      now() - interval '1 year' + g.n * interval '20 s', now() - interval '1 year' + g.n * interval '20 s'
    from generate_series(1, ${MILLION}) as g (n) join public.numbered as p on p.n = g.n % 1000;
    insert into public.images (
      generation_id, user_id, filename, storage_path, public_url, file_size, width, height, format, prompt, model,
      created_at
    )
    select id, user_id, id || '.webp', user_id || '/' || id || '.webp',
      'https://old.supabase.co/storage/v1/object/public/generated-images/' || user_id || '/' || id || '.webp', 150000,
      1024, 768, 'webp', prompt, model, created_at
    from public.image_generations where replicate_prediction_id is not null;
    insert into public.image_tags (image_id, tag_id)
    select i.id, t.id from public.images as i, public.tags as t limit 200000 on conflict do nothing;
    drop table public.numbered;
  `)
    .simple();
  await sql`vacuum analyze`;
  const started = Date.now();
  await run('apply');
  const seconds = (Date.now() - started) / 1000;
  console.log(`moved in ${seconds.toFixed(1)} s: ${said.join(', ')}`);
  expect(
    await sql`select (select count(*) from public.image_generations)::int > ${MILLION} as generations,
    (select count(*) from public.images)::int >= ${MILLION} as images`,
  ).toEqual([{ generations: true, images: true }]);
  const again = Date.now();
  await run('undo');
  console.log(`taken back in ${((Date.now() - again) / 1000).toFixed(1)} s`);
  expect(seconds).toBeLessThan(MOST_SECONDS);
});
