-- How far a running generation is, how long models really take, and what both say about the time left.

-- When `progress` was last raised by what the model printed.
alter table public.image_generations add column progress_at timestamptz;

-- Notes how far the awaited prediction is, in percent of the generation (10 to 90), and where it had to
-- wait for a machine, since when it runs. Comes often, late, twice and out of order: only news about the
-- prediction that is awaited now changes anything, and nothing goes backwards. One row, no lock but its own.
create function private.record_progress(
  p_job_id uuid, p_prediction_id text, p_progress int, p_started_at timestamptz
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_progress int := least(greatest(coalesce(p_progress, 10), 10), 90);
  -- By the provider's clock, which may be ahead of ours.
  v_started timestamptz := case when p_started_at is not null then least(p_started_at, now()) end;
begin
  update public.image_generations as g set
    progress = greatest(g.progress, v_progress),
    progress_at = case when g.progress < v_progress then now() else g.progress_at end,
    started_at = greatest(g.started_at, v_started)
  where g.id = (select j.generation_id from private.running_jobs as j where j.id = p_job_id)
    and g.status = 'processing' and g.replicate_prediction_id = p_prediction_id
    and (g.progress < v_progress or g.started_at < v_started);
  if found then
    return '{"outcome": "recorded"}';
  end if;
  -- A prediction that nobody has noted may have to be adopted or stopped.
  return jsonb_build_object('outcome', case
    when exists (select from private.predictions where id = p_prediction_id) then 'stale' else 'unknown' end);
end
$$;

-- How long a model's runs take: a mean in which older runs fade.
create table private.model_times (
  model_id uuid primary key references public.models on delete cascade,
  seconds numeric not null,
  -- How many have been counted in.
  runs bigint not null
)
with (fillfactor = 50);

-- Counts in the runs that ended since the last sweep, so that no step of a generation has to; the newest
-- of 2,000 ended jobs are enough. Each run weighs a tenth, while there are fewer than ten all weigh the same.
create function private.learn_model_times() returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  insert into private.model_times as t (model_id, seconds, runs)
  select
    g.model_id,
    -- No run lasts longer than its prediction's deadline, 15 minutes.
    avg(least(greatest(
      coalesce(g.predict_time_seconds, extract(epoch from ended.completed_at - g.started_at)), 0.1
    ), 900)),
    count(*)
  from (
    select generation_id, job_type, completed_at from private.finished_jobs
    where status = 'completed' and completed_at > coalesce((select s.last_sweep_at from private.sweep as s), '-infinity')
    order by completed_at desc limit 2000
  ) as ended
  join public.image_generations as g on g.id = ended.generation_id
  where ended.job_type = 'generate-image' and g.model_id is not null and g.started_at is not null
  group by g.model_id
  order by g.model_id
  on conflict (model_id) do update set
    seconds = t.seconds + (excluded.seconds - t.seconds)
      * greatest(1 - power(0.9, excluded.runs), excluded.runs::numeric / (t.runs + excluded.runs)),
    runs = t.runs + excluded.runs;
end
$$;

-- Seconds that a run of the model takes: measured, or else as the catalogue has it.
create function private.model_seconds(p_model_id uuid, p_estimate numeric) returns numeric
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return coalesce(
    (select t.seconds from private.model_times as t where t.model_id = p_model_id), p_estimate, 20
  );
end
$$;

-- Seconds until a running generation should be there, 1 to 900. Without a sign of progress the model's time
-- counts; the further it is, the more its own pace. Between two signs the time only runs down.
create function private.remaining_seconds(p_generation public.image_generations, p_model_seconds numeric)
returns int
language plpgsql stable set search_path = '' as $$
declare
  v_done numeric := case when p_generation.progress_at is not null then (p_generation.progress - 10) / 80.0 else 0 end;
  v_told timestamptz := case when v_done > 0 then p_generation.progress_at else now() end;
  v_ran numeric := greatest(extract(epoch from v_told - coalesce(p_generation.started_at, v_told)), 0);
  v_left numeric := p_model_seconds - v_ran;
begin
  if v_done > 0 then
    v_left := (1 - v_done) * (v_ran + (1 - v_done) * p_model_seconds) - extract(epoch from now() - v_told);
  end if;
  return least(greatest(ceil(v_left), 1), 900)::int;
end
$$;

create function public.record_progress(
  p_job_id uuid, p_prediction_id text, p_progress int, p_started_at timestamptz = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.record_progress(p_job_id, p_prediction_id, p_progress, p_started_at));
end
$$;

revoke all on function
  public.record_progress, private.record_progress, private.learn_model_times, private.model_seconds,
  private.remaining_seconds
from public, anon, authenticated, service_role;

alter table private.model_times enable row level security;
revoke all on private.model_times from public, anon, authenticated, service_role;

grant execute on function public.record_progress, private.record_progress to service_role;
