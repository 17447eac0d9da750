-- With its own number of a change (seq) a row is taken as it is: the trigger that counts what is written by hand
-- leaves it alone.
insert into public.image_generations (
  id, user_id, prompt, negative_prompt, model, model_id, style, width, height, steps, guidance_scale, seed,
  source_image_url, generation_strength, status, progress, error_message, error_code, generation_time_seconds,
  replicate_prediction_id, priority, retry_count, batch_id, batch_index, multi_group_id, multi_index, created_at,
  completed_at, operation, seq
)
select
  g.id, f.owner_id, coalesce(g.prompt, ''), g.negative_prompt,
  coalesce(k.replicate_id, n.replicate_id, v.replicate_id, g.model, g.model_id, 'unknown'),
  coalesce(k.model_id, n.model_id, v.model_id),
  g.style, g.width, g.height, g.steps, g.guidance_scale, g.seed, g.source_image_url, g.generation_strength,
  f.new_status,
  case f.new_status when 'completed' then 100 else 0 end,
  case f.new_status
    when 'failed' then case when g.status = 'failed' then g.error_message else 'The image was never finished.' end
  end,
  case f.new_status when 'failed' then 'failed' end,
  g.generation_time_seconds, g.replicate_prediction_id, coalesce(g.priority, 0), coalesce(g.retry_count, 0),
  b.id, g.batch_index, g.multi_group_id, g.multi_index, f.began_at, f.ended_at,
  case when g.source_image_url is null then 'generate' else 'variation' end,
  greatest(1, extract(epoch from f.ended_at) * 1000)::bigint
from picture_queue_move.old_generations as g
join picture_queue_move.fated_generations as f on f.id = g.id and f.reason is null
left join public.batch_generations as b on b.id = g.batch_id
left join picture_queue_move.model_keys as k on k.key = g.model_id
left join picture_queue_move.model_keys as n on n.key = g.model
left join picture_queue_move.model_keys as v on v.key = split_part(g.model, ':', 1);
analyze public.image_generations;
