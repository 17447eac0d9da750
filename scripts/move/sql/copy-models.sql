-- Models of the catalogue have the same id in every project, and the Worker knows them by it: they keep that one, and
-- what names them by an old id is given it, here (model_keys) and in an app's own tables (rename-models.sql).

-- What was switched off stays off.
update public.models as n set is_active = false
from picture_queue_move.old_models as o
where n.replicate_id = split_part(o.replicate_id, ':', 1) and n.is_active and o.is_active is false
  and not exists (
    select from picture_queue_move.old_models as twin
    where split_part(twin.replicate_id, ':', 1) = n.replicate_id and twin.is_active is not false
  );

-- Their other columns are the catalogue's. What was different, and what was not there, is told.
insert into picture_queue_move.remarks (topic, what)
select 'model', format('%s: %s', n.replicate_id, string_agg(
  format('%s was %s, is %s', old.key, old.value, coalesce(to_jsonb(n) -> old.key, 'null')), '; ' order by old.key))
from (
  select distinct on (split_part(replicate_id, ':', 1)) * from picture_queue_move.old_models
  where id is not null and replicate_id <> ''
  order by split_part(replicate_id, ':', 1), is_default desc nulls last, created_at nulls last
) as o
join public.models as n on n.replicate_id = split_part(o.replicate_id, ':', 1)
cross join lateral jsonb_each(to_jsonb(o)) as old (key, value)
where old.key not in ('id', 'replicate_id', 'created_at') and old.value <> 'null'
  and old.value is distinct from to_jsonb(n) -> old.key
group by n.replicate_id order by n.replicate_id;
insert into picture_queue_move.remarks (topic, what)
select 'offered', n.replicate_id from public.models as n
where n.is_active and not exists (
  select from picture_queue_move.old_models as o where split_part(o.replicate_id, ':', 1) = n.replicate_id
)
order by n.replicate_id;

-- The others are kept for the rows that name them. Picture Queue does not know how to call them: they are inactive.
insert into public.models (
  id, replicate_id, version, name, display_name, description, default_width, default_height, default_steps,
  default_guidance_scale, default_strength, min_width, min_height, max_width, max_height, max_steps, strength_min,
  strength_max, supported_aspect_ratios, supports_negative_prompt, supports_seed, supports_img2img,
  cost_per_generation, estimated_time_seconds, is_active, is_default, sort_order, created_at
)
select distinct on (split_part(replicate_id, ':', 1))
  id, split_part(replicate_id, ':', 1), version, name, display_name, description, default_width, default_height,
  default_steps, default_guidance_scale, default_strength, min_width, min_height, max_width, max_height, max_steps,
  strength_min, strength_max, supported_aspect_ratios, coalesce(supports_negative_prompt, false),
  coalesce(supports_seed, false), coalesce(supports_img2img, false), cost_per_generation, estimated_time_seconds,
  false, false, coalesce(sort_order, 0), coalesce(created_at, now())
from picture_queue_move.old_models
where id is not null and replicate_id <> ''
order by split_part(replicate_id, ':', 1), is_default desc nulls last, created_at nulls last
on conflict (replicate_id) do nothing;

update picture_queue_move.model_keys as k set model_id = n.id
from public.models as n where n.replicate_id = k.replicate_id;
analyze picture_queue_move.model_keys;
