-- A batch's counts are those of its generations. A batch that was cut short has fewer than it was to have: the total
-- is what there is. One without any keeps its total, and what it does not say was completed counts as failed.
update public.batch_generations as b set
  total_count = counted.total, completed_count = counted.completed, cancelled_count = counted.cancelled,
  failed_count = counted.total - counted.completed - counted.cancelled,
  status = case
    when counted.completed = counted.total then 'completed'
    when counted.completed > 0 then 'partial'
    when counted.total > counted.cancelled then 'failed'
    else 'cancelled'
  end,
  completed_at = coalesce(o.completed_at, counted.ended_at, b.completed_at)
from picture_queue_move.old_batches as o
join (
  select batch.id, count(g.id)::int as total, max(g.completed_at) as ended_at,
    (count(*) filter (where g.status = 'completed'))::int as completed,
    (count(*) filter (where g.status = 'cancelled'))::int as cancelled
  from public.batch_generations as batch join public.image_generations as g on g.batch_id = batch.id
  group by batch.id
  union all
  select batch.id, batch.total_count, null, least(greatest(coalesce(old.completed_count, 0), 0), batch.total_count), 0
  from public.batch_generations as batch join picture_queue_move.old_batches as old on old.id = batch.id
  where not exists (select from public.image_generations as g where g.batch_id = batch.id)
) as counted on counted.id = o.id
where b.id = o.id;
