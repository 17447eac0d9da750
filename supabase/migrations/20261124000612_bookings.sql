-- What the roll-ups (*_roll_ups.sql) cannot see in the jobs that have ended.
--
-- A roll-up reads the jobs that ended since the last one, with the generations that they ended and the predictions that
-- completed them. No usual step writes anything for it. What follows writes down, in the transaction in which it
-- happens, what such a look misses:
--
--   an ended job, or a generation, that goes or begins again     gone_jobs, gone_generations, as it ended
--   an end that is taken back                                    bookings, one less
--   a cost that came without a job's completion, or changes      bookings, the difference
--   an account that goes                                         gone_users
--
-- So whatever statement a roll-up reads with, an end stands in one place exactly, under the time at which it ended:
-- among the finished jobs, or here. Neither waits for the other.

-- Jobs whose end is their generation's. The image of one that is made goes on to be stored.
create function private.ends_generation(p_job_type text, p_status text) returns boolean
language sql stable
return private.carries_generation(p_job_type) and (p_job_type = 'download-image' or p_status <> 'completed');

-- Why a generation has ended, as the roll-ups tell them apart; '' for a completed one.
create function private.end_reason(p_status text, p_error_code text) returns text
language sql stable
return case when p_status = 'completed' then '' else coalesce(p_error_code, p_status) end;

-- How the end of a prediction is told in the roll-ups. One that we gave up or that runs unwanted counts as cancelled.
create function private.prediction_end(p_status text) returns text
language sql stable
return case p_status when 'succeeded' then 'completed' when 'failed' then 'failed' else 'cancelled' end;

-- Keeps how a generation has ended, where no roll-up has counted that: it goes, begins again, or has no job.
create function private.keep_end(p_generation public.image_generations) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into private.gone_generations (id, completed_at, user_id, model, status, country, error_code, seconds)
  select
    p_generation.id, p_generation.completed_at, p_generation.user_id, coalesce(p_generation.model, 'unknown'),
    p_generation.status, coalesce(p_generation.country, ''),
    private.end_reason(p_generation.status, p_generation.error_code),
    case p_generation.status when 'completed' then coalesce(p_generation.generation_time_seconds, 0) else 0 end
  from private.roll_up as r
  where p_generation.completed_at > r.counted_until and p_generation.status in ('completed', 'failed', 'cancelled')
  on conflict (id, completed_at) do nothing;
end
$$;

-- Takes back that a generation has ended. Given is how it stands until now.
create function private.take_back_end(p_generation public.image_generations) returns void
language plpgsql set search_path = '' as $$
begin
  -- What ended before there was a roll-up is in none.
  if p_generation.completed_at is null or p_generation.completed_at <= (select r.since from private.roll_up as r) then
    return;
  end if;
  perform private.keep_end(p_generation);
  insert into private.bookings (at, user_id, day, model, status, country, error_code, generations)
  values (
    greatest(now(), p_generation.completed_at), p_generation.user_id,
    (p_generation.completed_at at time zone 'UTC')::date, coalesce(p_generation.model, 'unknown'),
    p_generation.status, coalesce(p_generation.country, ''),
    private.end_reason(p_generation.status, p_generation.error_code), -1
  );
end
$$;

-- Keeps whose the predictions of a deleted generation were, where a roll-up or a late end is still to ask.
create function private.keep_owner(p_generation public.image_generations) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into private.prediction_owners (prediction_id, user_id, country)
  select p.id, p_generation.user_id, coalesce(p_generation.country, '')
  from private.predictions as p
  where p.generation_id = p_generation.id and (
    p.ended_at is null or p.status = 'unknown' or p.closed_at > (select r.counted_until from private.roll_up as r)
  )
  on conflict (prediction_id) do nothing;
end
$$;

-- Books what has become known of a prediction's cost, on the day on which it ended; one that runs holds its price on
-- the day on which it was recorded. What was booked before it completed its job is taken back: the roll-up finds all
-- of it by the job.
create function private.book_prediction(p_old private.predictions, p_new private.predictions) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_closes boolean := p_new.closed_at is not null and p_old.closed_at is null;
begin
  insert into private.bookings (at, user_id, day, model, status, country, error_code, cost_usd, corrects)
  select
    greatest(now(), p_old.closed_at), its.user_id, sides.day, coalesce(p_new.model, 'unknown'), sides.status,
    its.country, '', sum(sides.cost), case when p_old.closed_at is not null then p_new.id end
  from (
    select coalesce(g.user_id, o.user_id) as user_id, coalesce(g.country, o.country, '') as country
    from (select p_new.generation_id as id) as named
    left join public.image_generations as g on g.id = named.id
    left join private.prediction_owners as o on o.prediction_id = p_new.id
  ) as its
  cross join lateral (
    select
      (coalesce(p_old.ended_at, p_old.recorded_at) at time zone 'UTC')::date as day,
      private.prediction_end(p_old.status) as status, -p_old.cost_usd as cost
    where p_old.cost_usd <> 0
    union all
    select
      (coalesce(p_new.ended_at, p_new.recorded_at) at time zone 'UTC')::date,
      private.prediction_end(p_new.status), p_new.cost_usd
    where p_new.cost_usd <> 0 and not v_closes
  ) as sides
  group by its.user_id, its.country, sides.day, sides.status
  having sum(sides.cost) <> 0;
end
$$;

-- Jobs that had ended and go: by hand, with their generation, back into the queue, or pruned before a roll-up came.
create function private.after_finished_delete() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_from timestamptz := (select r.counted_until from private.roll_up as r);
begin
  insert into private.gone_jobs (id, completed_at, job_type, status, scheduled_at, started_at, prediction_id)
  select id, completed_at, job_type, status, scheduled_at, started_at, prediction_id from gone
  where completed_at > v_from
  on conflict (id, completed_at) do nothing;
  if found then
    perform private.keep_end(g)
    from gone as j
    inner join public.image_generations as g on g.id = j.generation_id and g.completed_at = j.completed_at
    where j.completed_at > v_from and private.ends_generation(j.job_type, j.status);
  end if;
  return null;
end
$$;

create trigger finished_jobs_after_delete after delete on private.finished_jobs
referencing old table as gone
for each statement execute function private.after_finished_delete();

-- One that had failed, and is completed by a prediction that ended later than was thought. One whose status alone is
-- changed by hand is counted once, as it stands when the roll-up comes by.
create function private.after_finished_change() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into private.gone_jobs (id, completed_at, job_type, status, scheduled_at, started_at, prediction_id)
  select old.id, old.completed_at, old.job_type, old.status, old.scheduled_at, old.started_at, old.prediction_id
  from private.roll_up as r where old.completed_at > r.counted_until
  on conflict (id, completed_at) do nothing;
  if found and private.ends_generation(old.job_type, old.status) then
    perform private.keep_end(g) from public.image_generations as g
    where g.id = old.generation_id and g.completed_at = old.completed_at;
  end if;
  return null;
end
$$;

create trigger finished_jobs_after_change after update on private.finished_jobs
for each row when (old.status <> new.status and old.completed_at <> new.completed_at)
execute function private.after_finished_change();
