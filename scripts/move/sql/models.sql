-- Each way in which an old row may name a model: its id, its name at the provider (with or without a version), the
-- short name of the old table (the original's code stores that one), the catalogue's short name. Of two rows with one
-- name, the default and then the older one counts.

insert into picture_queue_move.model_keys (key, replicate_id)
select distinct on (key) key, replicate_id
from (
  select id::text as key, split_part(replicate_id, ':', 1) as replicate_id, 1 as rank, is_default, created_at
  from picture_queue_move.old_models
  union all
  select replicate_id, split_part(replicate_id, ':', 1), 2, is_default, created_at from picture_queue_move.old_models
  union all
  select split_part(replicate_id, ':', 1), split_part(replicate_id, ':', 1), 2, is_default, created_at
  from picture_queue_move.old_models
  union all
  select replicate_id, replicate_id, 3, null, null from picture_queue_move.catalogue
  union all
  select name, split_part(replicate_id, ':', 1), 4, is_default, created_at from picture_queue_move.old_models
  union all
  select display_name, split_part(replicate_id, ':', 1), 5, is_default, created_at from picture_queue_move.old_models
  union all
  select split_part(replicate_id, '/', 2), replicate_id, 6, null, null from picture_queue_move.catalogue
) as named
where key <> '' and replicate_id <> ''
order by key, rank, is_default desc nulls last, created_at nulls last;
