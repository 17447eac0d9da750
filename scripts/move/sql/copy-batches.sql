-- Counts and status follow when the generations are there: batch-counts.sql.
insert into public.batch_generations (
  id, user_id, name, total_count, completed_count, failed_count, status, model_id, model_version, width, height, steps,
  guidance_scale, created_at, completed_at
)
select
  b.id, b.owner_id, b.name, greatest(coalesce(b.total_count, 0), 0), 0, 0, 'failed', k.model_id, b.model_version,
  b.width, b.height, b.steps, b.guidance_scale, coalesce(b.created_at, b.completed_at, now()),
  coalesce(b.completed_at, b.created_at, now())
from picture_queue_move.batch_fates as b
left join picture_queue_move.model_keys as k on k.key = b.model_id
where b.reason is null;
analyze public.batch_generations;
