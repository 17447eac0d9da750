-- A user's places. A user may have only so many jobs of one type ready or running at once
-- (plans.running_jobs); further ones are held, outside every index that a claim reads, and each place
-- that becomes free goes to the user's best held job, in the same transaction. So a claim never meets a
-- job that it may not hand out, however long a user's backlog.
--
-- Rows are locked in the order job, lane; lanes of several users in the order of their keys.

-- The jobs that a plan limits. What follows an image already made is not: holding it back would only
-- put a paid picture at risk.
create function private.is_limited(p_fair_key uuid, p_job_type text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return p_fair_key is not null
    and p_job_type <> all('{download-image,process-webhook,cleanup-storage,cancel-prediction}'::text[]);
end
$$;

-- Jobs of one type that a user may have ready or running at once.
create function private.running_limit(p_fair_key uuid) returns int
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_most int;
begin
  select p.running_jobs into v_most from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = p_fair_key), 'default');
  return coalesce(v_most, 1000000000);
end
$$;

-- Takes up to p_count places. first: how many the user had taken before; granted: how many more it has
-- now. For a job that is not limited all are granted, and nothing is counted.
create function private.take_slots(
  p_fair_key uuid, p_job_type text, p_count int, out first int, out granted int
) language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_most int;
begin
  if not private.is_limited(p_fair_key, p_job_type) then
    first := 0;
    granted := p_count;
    return;
  end if;
  v_most := private.running_limit(p_fair_key);
  insert into private.lanes as l (fair_key, job_type, active, granted)
  values (p_fair_key, p_job_type, least(p_count, v_most), least(p_count, v_most))
  on conflict (fair_key, job_type) do update set
    active = l.active + least(p_count, greatest(v_most - l.active, 0)),
    granted = least(p_count, greatest(v_most - l.active, 0))
  returning l.active - l.granted, l.granted into first, granted;
end
$$;

-- Sees to it that claims look through a line, the ready jobs of one type and priority.
create function private.open_line(p_job_type text, p_priority int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  if not exists (select from private.lines where job_type = p_job_type and priority = p_priority) then
    insert into private.lines (job_type, priority) values (p_job_type, p_priority) on conflict do nothing;
  end if;
end
$$;

-- The turn at the head of a line; null when it is empty.
create function private.head_turn(p_job_type text, p_priority int) returns bigint
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_low bigint;
begin
  select low_turn into v_low from private.lines where job_type = p_job_type and priority = p_priority;
  if not found then
    perform private.open_line(p_job_type, p_priority);
    v_low := -9223372036854775808;
  end if;
  return (
    select turn from public.job_queue
    where status = 'pending' and ready_at is not null
      and job_type = p_job_type and priority = p_priority and turn >= v_low
    order by turn, seq limit 1
  );
end
$$;

create function private.turn_now() returns bigint
language plpgsql volatile set search_path = '' as $$
begin
  return extract(epoch from clock_timestamp()) * 1000000;
end
$$;

-- The turn of a job that is due since p_at, which may be -infinity.
create function private.turn_at(p_at timestamptz) returns bigint
language plpgsql immutable set search_path = '' as $$
begin
  return greatest(extract(epoch from p_at) * 1000000, -1000000000000000000);
end
$$;

-- The first turn of a job that becomes ready now: now, or the turn at the head of its line if that is
-- later, as in start-time fair queueing. A user's further jobs follow in steps of settings.turn_step
-- for each place that the user has taken: the fewer jobs a user has running, the sooner the next one.
create function private.next_turn(p_job_type text, p_priority int) returns bigint
language plpgsql volatile set search_path = '' as $$
begin
  return greatest(private.turn_now(), private.head_turn(p_job_type, p_priority));
end
$$;

create function private.turn_step() returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (select extract(epoch from turn_step) * 1000000 from private.settings);
end
$$;

-- Gives a lane's free places to its held jobs, best priority first, then by age. At most 10.
create function private.admit_held(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_id uuid;
  v_priority int;
  v_first int;
begin
  for v_try in 1..10 loop
    select id, priority into v_id, v_priority from public.job_queue
    where status = 'pending' and (held or slot) and held and fair_key = p_fair_key and job_type = p_job_type
    order by priority desc, seq limit 1 for update skip locked;
    exit when not found;
    update private.lanes set active = active + 1
    where fair_key = p_fair_key and job_type = p_job_type and active < private.running_limit(p_fair_key)
    returning active - 1 into v_first;
    exit when not found;
    update public.job_queue set
      held = false, slot = true, ready_at = clock_timestamp(),
      turn = private.next_turn(p_job_type, v_priority) + v_first * private.turn_step()
    where id = v_id;
  end loop;
end
$$;

-- A place is free: whatever ended the job, it goes on to the next.
create function private.free_slot(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.lanes set active = active - 1 where fair_key = p_fair_key and job_type = p_job_type;
  perform private.admit_held(p_fair_key, p_job_type);
end
$$;

-- After a job was held: where the user's ready jobs include one of a lower priority, the two change places.
create function private.reorder_lane(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_best int;
  v_last record;
begin
  for v_try in 1..10 loop
    select priority into v_best from public.job_queue
    where status = 'pending' and (held or slot) and held and fair_key = p_fair_key and job_type = p_job_type
    order by priority desc, seq limit 1;
    exit when not found;
    select id, priority into v_last from public.job_queue
    where status = 'pending' and (held or slot) and not held
      and fair_key = p_fair_key and job_type = p_job_type and priority < v_best
    order by priority, seq desc limit 1 for update skip locked;
    exit when not found;
    update public.job_queue set held = true, slot = false, ready_at = null, turn = null where id = v_last.id;
    perform private.free_slot(p_fair_key, p_job_type);
  end loop;
end
$$;

-- Locks the lanes of several jobs, whose rows the caller holds, before their places are freed together.
create function private.lock_lanes(p_job_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  perform 1 from (
    select distinct fair_key, job_type from public.job_queue
    where id = any(p_job_ids) and slot order by fair_key, job_type
  ) as mine
  cross join lateral (
    select 1 from private.lanes as l
    where l.fair_key = mine.fair_key and l.job_type = mine.job_type for update
  ) as lane;
end
$$;
