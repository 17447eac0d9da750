-- Counts and sums of the old rows, without those that were not carried, beside those of the new ones.

insert into picture_queue_move.compared (what, expected, found)
select side.what, max(side.n) filter (where side.is_old), max(side.n) filter (where not side.is_old)
from (
  select true as is_old, v.what, v.n
  from (
    select count(*) as rows, sum(hashtextextended(coalesce(prompt, ''), 0)) as prompts,
      count(*) filter (where status = 'completed') as completed, sum(generation_time_seconds) as seconds,
      sum(seed) as seeds, count(model) as models, sum(coalesce(width, 0)::bigint * coalesce(height, 0)) as pixels
    from picture_queue_move.old_generations as o
    where o.id is not null and not exists (
      select from picture_queue_move.not_carried as n where n.table_name = 'image_generations' and n.id = o.id::text
    )
  ) as t
  cross join lateral (values ('generations', t.rows), ('generations: prompts, as a sum', t.prompts),
    ('generations: seconds', t.seconds), ('generations: seeds, as a sum', t.seeds), ('generations: pixels', t.pixels)
  ) as v (what, n)
  union all
  select false, v.what, v.n
  from (
    select count(*) as rows, sum(hashtextextended(c.prompt, 0)) as prompts, sum(c.generation_time_seconds) as seconds,
      sum(c.seed) as seeds, sum(coalesce(c.width, 0)::bigint * coalesce(c.height, 0)) as pixels
    from public.image_generations as c join picture_queue_move.old_generations as o on o.id = c.id
  ) as t
  cross join lateral (values ('generations', t.rows), ('generations: prompts, as a sum', t.prompts),
    ('generations: seconds', t.seconds), ('generations: seeds, as a sum', t.seeds), ('generations: pixels', t.pixels)
  ) as v (what, n)
  union all
  select true, v.what, v.n
  from (
    select count(*) as rows, sum(hashtextextended(storage_path, 0)) as paths, sum(file_size) as bytes,
      count(*) filter (where is_favorite) as favorites, count(*) filter (where is_public) as published,
      count(*) filter (where archived_at >= '1970-01-01Z' and archived_at < '10000-01-01Z') as archived, sum(coalesce(download_count, 0)) as downloads
    from picture_queue_move.old_images as o
    where o.id is not null and not exists (select from picture_queue_move.not_carried as n where n.table_name = 'images' and n.id = o.id::text)
  ) as t
  cross join lateral (values ('images', t.rows), ('images: paths, as a sum', t.paths), ('images: bytes', t.bytes),
    ('images: favourites', t.favorites), ('images: public', t.published), ('images: downloads', t.downloads),
    ('images: archived', t.archived)
  ) as v (what, n)
  union all
  select false, v.what, v.n
  from (
    select count(*) as rows, sum(hashtextextended(c.storage_path, 0)) as paths, sum(c.file_size) filter (where o.file_size is not null) as bytes,
      count(*) filter (where c.is_favorite) as favorites, count(*) filter (where c.is_public) as published,
      sum(c.download_count) as downloads, count(c.archived_at) as archived
    from public.images as c join picture_queue_move.old_images as o on o.id = c.id
  ) as t
  cross join lateral (values ('images', t.rows), ('images: paths, as a sum', t.paths), ('images: bytes', t.bytes),
    ('images: favourites', t.favorites), ('images: public', t.published), ('images: downloads', t.downloads),
    ('images: archived', t.archived)
  ) as v (what, n)
  union all
  select true, 'batches', count(*) from picture_queue_move.old_batches as o
  where o.id is not null and not exists (
    select from picture_queue_move.not_carried as n where n.table_name = 'batch_generations' and n.id = o.id::text
  )
  union all
  select false, 'batches', count(*)
  from public.batch_generations as c join picture_queue_move.old_batches as o on o.id = c.id
) as side
group by side.what
order by side.what;

-- Each old row is here or there.
insert into picture_queue_move.compared (what, expected, found)
select 'batches, with those not carried', (select count(*) from picture_queue_move.old_batches),
  (select count(*) from public.batch_generations as c join picture_queue_move.old_batches as o on o.id = c.id)
  + (select count(*) from picture_queue_move.not_carried where table_name = 'batch_generations')
union all
select 'generations, with those not carried', (select count(*) from picture_queue_move.old_generations),
  (select count(*) from public.image_generations as c join picture_queue_move.old_generations as o on o.id = c.id)
  + (select count(*) from picture_queue_move.not_carried where table_name = 'image_generations')
union all
select 'images, with those not carried', (select count(*) from picture_queue_move.old_images),
  (select count(*) from public.images as c join picture_queue_move.old_images as o on o.id = c.id)
  + (select count(*) from picture_queue_move.not_carried where table_name = 'images');
