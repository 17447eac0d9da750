-- What a row does not say of its file is taken from Storage, from its path, from its generation: the HTTP interface
-- promises it.
insert into public.images (
  id, generation_id, user_id, filename, storage_path, public_url, file_size, width, height, format, prompt,
  negative_prompt, model, style, source_image_id, generation_strength, blurhash, is_public, is_favorite, rating,
  download_count, archived_at, created_at
)
select
  i.id, fate.new_generation_id, fate.owner_id, i.filename, i.storage_path, fate.new_public_url,
  coalesce(i.file_size, (f.metadata ->> 'size')::bigint), coalesce(i.width, g.width), coalesce(i.height, g.height),
  coalesce(i.format, lower(substring(i.storage_path from '\.([A-Za-z]{3,4})$'))), i.prompt, i.negative_prompt, i.model, i.style, null, i.generation_strength, i.blurhash,
  coalesce(i.is_public, false), coalesce(i.is_favorite, false),
  case when i.rating between -100 and 100 then i.rating end,
  coalesce(i.download_count, 0),
  case when i.archived_at >= '1970-01-01Z' and i.archived_at < '10000-01-01Z' then i.archived_at end,
  coalesce(i.created_at, now())
from picture_queue_move.old_images as i
join picture_queue_move.fated_images as fate on fate.id = i.id and fate.reason is null
left join public.image_generations as g on g.id = i.generation_id
left join storage.objects as f
  on i.file_size is null and f.bucket_id = 'generated-images' and f.name = i.storage_path;
analyze public.images;

-- Links between images, when all are there.
update public.images as c set source_image_id = source.id
from picture_queue_move.old_images as o
join public.images as source on source.id = o.source_image_id
where o.id = c.id;
