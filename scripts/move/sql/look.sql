-- Counts what the copy does, one row a finding: (part, what, rows). Each view of fates is read once.

with batches as materialized (
  select id, user_id, model_id, reason from picture_queue_move.batch_fates
), generations as materialized (
  select g.id, g.status, g.new_status, g.error_message is not null as has_error, g.model like '%:%' as has_version, g.user_id is null as owner_found, g.batch_id, g.reason,
    coalesce(g.model_id, g.model) is not null and coalesce(k.key, n.key, v.key) is null as model_unknown
  from picture_queue_move.generation_fates as g
  left join picture_queue_move.model_keys as k on k.key = g.model_id
  left join picture_queue_move.model_keys as n on n.key = g.model
  left join picture_queue_move.model_keys as v on v.key = split_part(g.model, ':', 1)
), images as materialized (
  select id, user_id is null as owner_found, public_url is null as address_made, source_image_id,
    generation_id is not null and new_generation_id is null as alone, rating not between -100 and 100 as rating_out,
    not (archived_at >= '1970-01-01Z' and archived_at < '10000-01-01Z') as archived_out, reason
  from picture_queue_move.image_fates
), profiles as (
  -- Only a table that is put aside is copied.
  select p.username, p.avatar_url from picture_queue_move.old_profiles as p join auth.users as u on u.id = p.id
  where exists (select from picture_queue_move.moved as m where m.name = 'profiles')
)
select * from (
  select 1 as ord, 'batch_generations' as part, 'rows' as what, count(*) as rows from batches
  union all
  select 2, 'batch_generations', 'not carried: ' || reason, count(*) from batches where reason is not null group by reason
  union all
  select 3, 'batch_generations', 'the owner is taken from a generation of the batch', count(*)
  from batches where user_id is null and reason is null
  union all
  select 4, 'batch_generations', 'the model is not known, and is left out', count(*)
  from batches as b left join picture_queue_move.model_keys as k on k.key = b.model_id
  where b.reason is null and b.model_id is not null and k.key is null
  union all
  select 10, 'image_generations', 'rows', count(*) from generations
  union all
  select 11, 'image_generations', 'not carried: ' || reason, count(*) from generations where reason is not null group by reason
  union all
  select 12, 'image_generations', format('status %s becomes %s', coalesce(status, 'null'), new_status), count(*)
  from generations where reason is null group by status, new_status
  union all
  select 13, 'image_generations', 'the owner is taken from the batch or the image', count(*)
  from generations where owner_found and reason is null
  union all
  select 14, 'image_generations', 'the model is not known: its name is kept, the link to a model is not', count(*)
  from generations where reason is null and model_unknown
  union all
  select 15, 'image_generations', 'the batch is not there, and the link to it is left out', count(*)
  from generations as g left join batches as b on b.id = g.batch_id
  where g.reason is null and g.batch_id is not null and (b.id is null or b.reason is not null)
  union all
  select 16, 'image_generations', 'the error message of a generation that has not failed is left out', count(*)
  from generations where reason is null and has_error and new_status <> 'failed'
  union all
  select 17, 'image_generations', 'the error message is replaced, because the generation was under way', count(*)
  from generations where reason is null and has_error and new_status = 'failed' and status is distinct from 'failed'
  union all
  select 18, 'image_generations', 'the version in its model’s name is cut', count(*)
  from generations where reason is null and has_version and not model_unknown
  union all
  select 20, 'images', 'rows', count(*) from images
  union all
  select 21, 'images', 'not carried: ' || reason, count(*) from images where reason is not null group by reason
  union all
  select 22, 'images', 'the owner is taken from the generation', count(*) from images where owner_found and reason is null
  union all
  select 23, 'images', 'the address is made from the path', count(*) from images where address_made and reason is null
  union all
  select 24, 'images', 'kept without its generation: that has a newer image, or is not there', count(*)
  from images where alone and reason is null
  union all
  select 25, 'images', 'the image it was made from is not there, and the link to it is left out', count(*)
  from images as i left join images as s on s.id = i.source_image_id
  where i.reason is null and i.source_image_id is not null and (s.id is null or s.reason is not null)
  union all
  select 26, 'images', 'the rating is out of bounds (-100 to 100), and is left out', count(*)
  from images where reason is null and rating_out
  union all
  select 27, 'images', 'archived_at is out of bounds (the years 1970 to 9999), and is left out', count(*)
  from images where reason is null and archived_out
  union all
  select 30, 'models', case when c.replicate_id is not null then 'of the catalogue: what names it gets the id that it has there'
    else 'not of the catalogue: carried, and inactive' end, count(*)
  from picture_queue_move.old_models as m
  left join picture_queue_move.catalogue as c on c.replicate_id = split_part(m.replicate_id, ':', 1)
  group by 3
  union all
  select 31, 'models', 'of the catalogue, and new to this project: users may choose them', count(*)
  from picture_queue_move.catalogue as c
  where not exists (
    select from picture_queue_move.old_models as m where split_part(m.replicate_id, ':', 1) = c.replicate_id
  )
  union all
  select 32, 'profiles', 'the username is cut after 255 characters', count(*)
  from profiles where char_length(username) > 255
  union all
  select 33, 'profiles', 'the address of the avatar is longer than 2048 characters, and is left out', count(*)
  from profiles where char_length(avatar_url) > 2048
  union all
  select 40, 'job_queue', format('not carried: %s, %s', job_type, status), count(*)
  from picture_queue_move.old_jobs group by job_type, status
) as findings
where rows > 0 or what = 'rows'
order by ord, what;
