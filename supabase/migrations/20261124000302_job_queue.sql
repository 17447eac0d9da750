-- All jobs as rows of one table: what the API, operators and the original's users read and write by hand. The
-- steps write the tables themselves.

-- The first branch names the columns.
-- noqa: disable=AL03,AL08
create view public.job_queue with (security_invoker = true) as
select
  id, job_type, payload, 'pending'::text as status, attempts, max_attempts, scheduled_at,
  null::timestamptz as started_at, null::timestamptz as completed_at, error_message, error_details,
  fair_key as created_by, priority, created_at, created_at as updated_at, lease, null::timestamptz as lease_expires_at,
  null::jsonb as result, null::text as prediction_id, false as outcome_unknown, false as rescued,
  generation_id, expires_at, retry_until, fair_key,
  -- A pending job is scheduled (neither blocked nor ready), blocked, or ready since ready_at. Claims see ready ones.
  null::timestamptz as ready_at, false as blocked, false as slot, null::bigint as virtual_time, seq
from private.scheduled_jobs
union all
select
  id, job_type, payload, 'pending', attempts, max_attempts, scheduled_at,
  null, null, error_message, error_details,
  fair_key, priority, created_at, created_at, lease, null,
  null, null, false, false,
  generation_id, expires_at, retry_until, fair_key,
  null, true, false, null, seq
from private.blocked_jobs
union all
select
  id, job_type, payload, 'pending', attempts, max_attempts, scheduled_at,
  null, null, error_message, error_details,
  fair_key, priority, created_at, created_at, lease, null,
  null, null, false, false,
  generation_id, expires_at, retry_until, fair_key,
  greatest(created_at, scheduled_at), false, slot, virtual_time, seq
from private.ready_jobs
union all
select
  id, job_type, payload, 'processing', attempts, max_attempts, scheduled_at,
  started_at, null, error_message, error_details,
  fair_key, priority, created_at, started_at, lease, lease_expires_at,
  null, prediction_id, outcome_unknown, rescued,
  generation_id, expires_at, retry_until, fair_key,
  null, false, slot, null, seq
from private.running_jobs
union all
select
  id, job_type, payload, status, attempts, max_attempts, scheduled_at,
  started_at, completed_at, error_message, error_details,
  fair_key, priority, created_at, completed_at, lease, null,
  result, prediction_id, false, false,
  generation_id, expires_at, retry_until, fair_key,
  null, false, false, null, seq
from private.finished_jobs;
-- noqa: enable=AL03,AL08

alter view public.job_queue alter column id set default gen_random_uuid();
alter view public.job_queue alter column payload set default '{}';
alter view public.job_queue alter column status set default 'pending';
alter view public.job_queue alter column attempts set default 0;
alter view public.job_queue alter column max_attempts set default 3;
alter view public.job_queue alter column scheduled_at set default now();
alter view public.job_queue alter column priority set default 0;
alter view public.job_queue alter column created_at set default now();
alter view public.job_queue alter column lease set default 0;
alter view public.job_queue alter column outcome_unknown set default false;
alter view public.job_queue alter column rescued set default false;
alter view public.job_queue alter column blocked set default false;
alter view public.job_queue alter column slot set default false;

-- The table that a job stands in.
create function private.place_of(p_job public.job_queue) returns text
language sql stable
return case
  when p_job.id is null then 'nowhere'
  when p_job.status = 'processing' then 'running'
  when p_job.status <> 'pending' then 'finished'
  when p_job.blocked then 'blocked'
  when p_job.virtual_time is not null then 'ready'
  else 'scheduled'
end;

-- A job by its id, whichever table it stands in; its row is locked. Null where there is none. A job that moves while
-- its tables are looked through is looked for again.
create function private.lock_job(p_id uuid) returns public.job_queue
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
  v_running private.running_jobs;
begin
  for v_try in 1..5 loop
    select * into v_running from private.running_jobs where id = p_id for update;
    if found then
      return private.as_job(v_running);
    end if;
    perform 1 from private.ready_jobs where id = p_id for update;
    if not found then
      perform 1 from private.blocked_jobs where id = p_id for update;
    end if;
    if not found then
      perform 1 from private.scheduled_jobs where id = p_id for update;
    end if;
    if not found then
      perform 1 from private.finished_jobs where id = p_id for update;
    end if;
    if found then
      select * into v_job from public.job_queue where id = p_id;
      return v_job;
    end if;
    exit when not exists (select from public.job_queue where id = p_id);
  end loop;
  return v_job;
end
$$;

create function private.insert_row(p_job public.job_queue) returns void
language plpgsql set search_path = '' as $$
declare
  v private.scheduled_jobs := row(
    p_job.id, p_job.seq, p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until,
    p_job.fair_key, p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type,
    p_job.payload, p_job.error_message, p_job.error_details
  );
begin
  case private.place_of(p_job)
    when 'scheduled' then
      insert into private.scheduled_jobs values (v.*);
    when 'blocked' then
      insert into private.blocked_jobs values (v.*);
    when 'ready' then
      insert into private.ready_jobs values (v.*, p_job.virtual_time, p_job.slot);
    when 'running' then
      insert into private.running_jobs
      values (
        v.*, coalesce(p_job.started_at, now()), p_job.lease_expires_at, p_job.slot, p_job.rescued,
        p_job.outcome_unknown, p_job.prediction_id
      );
    when 'finished' then
      insert into private.finished_jobs
      values (
        v.*, p_job.started_at, coalesce(p_job.completed_at, now()), p_job.status, p_job.prediction_id, p_job.result
      );
    else null;
  end case;
end
$$;

-- Rewrites a row in place: who waits for it finds it, and not that it was deleted.
create function private.update_row(p_job public.job_queue) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  case private.place_of(p_job)
    when 'scheduled' then
      update private.scheduled_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details
      )
      where id = p_job.id;
    when 'blocked' then
      update private.blocked_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details
      )
      where id = p_job.id;
    when 'ready' then
      update private.ready_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, virtual_time, slot
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.virtual_time, p_job.slot
      )
      where id = p_job.id;
    when 'running' then
      update private.running_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, started_at, lease_expires_at, slot, rescued,
        outcome_unknown, prediction_id
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.started_at, p_job.lease_expires_at, p_job.slot,
        p_job.rescued, p_job.outcome_unknown, p_job.prediction_id
      )
      where id = p_job.id;
    when 'finished' then
      update private.finished_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, started_at, completed_at, status,
        prediction_id, result
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.started_at, p_job.completed_at, p_job.status,
        p_job.prediction_id, p_job.result
      )
      where id = p_job.id;
    else null;
  end case;
end
$$;

create function private.delete_row(p_job public.job_queue) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  case private.place_of(p_job)
    when 'scheduled' then
      delete from private.scheduled_jobs where id = p_job.id;
    when 'blocked' then
      delete from private.blocked_jobs where id = p_job.id;
    when 'ready' then
      delete from private.ready_jobs where id = p_job.id;
    when 'running' then
      delete from private.running_jobs where id = p_job.id;
    when 'finished' then
      delete from private.finished_jobs where id = p_job.id;
    else null;
  end case;
end
$$;

-- Puts a job whose row the caller has locked into another state, or the same with other values: moves the row,
-- counts it, and hands its user's slot on where it gives one up. p_old null: the job is new; p_new null: it goes.
create function private.save_job(p_old public.job_queue, p_new public.job_queue) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  if private.place_of(p_old) = private.place_of(p_new) then
    perform private.update_row(p_new);
  else
    perform private.delete_row(p_old);
    perform private.insert_row(p_new);
  end if;
  perform private.count_change(p_old, p_new);
  if p_new.virtual_time is not null and p_new.status = 'pending' then
    perform private.open_queue(p_new.job_type, p_new.priority);
  end if;
  if p_old.slot and p_new.slot is not true and p_new.blocked is not true then
    perform private.free_slot(p_old.fair_key, p_old.job_type);
  end if;
  if (p_new.status = 'pending' and least(p_new.scheduled_at, p_new.expires_at) < now() - interval '1 second')
    or (p_new.status = 'processing' and p_new.lease_expires_at < now() - interval '1 second')
    or p_new.virtual_time < p_old.virtual_time
  then
    perform private.lower_marks(p_new.job_type, p_new.priority);
  end if;
end
$$;

-- No constraint spans the tables: ids that come from outside are looked for in all of them. Those who bring the same
-- id at the same time wait for each other.
create function private.refuse_taken_ids(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_taken uuid;
begin
  perform pg_catalog.pg_advisory_xact_lock(726359, bucket)
  from (select distinct hashtext(id::text) & 63 as bucket from unnest(p_ids) as id order by 1) as buckets;
  select id into v_taken from public.job_queue where id = any(p_ids) limit 1;
  if not found then
    select id into v_taken from unnest(p_ids) as id group by id having count(*) > 1 limit 1;
  end if;
  if found then
    raise exception using errcode = '23505', message = format('There is a job with the id %s already.', v_taken);
  end if;
end
$$;

-- Writes by hand. Keeps a row in one of its states: one that is set to pending, put off, moved to another type or
-- priority, or ready without a virtual time is scheduled, and made ready when due; one whose time is set back has
-- waited longer. One that runs without a lease has ten minutes.
create function private.write_job() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_old public.job_queue;
begin
  if tg_op <> 'INSERT' then
    v_old := private.lock_job(old.id);
    -- Moved on by somebody else since it was read: as if it had not been found.
    if v_old.id is null or (v_old.status, v_old.lease) <> (old.status, old.lease) then
      return null;
    end if;
  end if;
  if tg_op = 'UPDATE' and v_old is distinct from old then
    -- What a step has changed since the statement read the job stays changed, save what the statement sets.
    new := jsonb_populate_record(v_old, (
      select coalesce(jsonb_object_agg(n.key, n.value), '{}')
      from jsonb_each(to_jsonb(new)) as n
      join jsonb_each(to_jsonb(old)) as o on o.key = n.key
      where n.value <> o.value
    ));
  end if;
  if tg_op = 'DELETE' then
    perform private.save_job(v_old, null);
    if v_old.job_type = 'generate-image' and v_old.status = 'processing' then
      -- Its user and generation may be going, too.
      v_old.fair_key := null;
      v_old.generation_id := null;
      perform private.stop_run(v_old, gen_random_uuid());
    end if;
    return old;
  end if;

  if tg_op = 'UPDATE' and new.id is distinct from old.id then
    raise exception using errcode = '22023', message = 'The id of a job cannot be changed.';
  end if;
  if new.created_by is distinct from v_old.created_by and new.fair_key is not distinct from v_old.fair_key then
    new.fair_key := new.created_by;
  end if;
  new.created_by := new.fair_key;
  new.id := coalesce(new.id, gen_random_uuid());
  new.job_type := coalesce(new.job_type, '');
  new.payload := coalesce(new.payload, '{}');
  new.status := coalesce(new.status, 'pending');
  new.attempts := coalesce(new.attempts, 0);
  new.max_attempts := coalesce(new.max_attempts, 3);
  new.scheduled_at := coalesce(new.scheduled_at, now());
  new.priority := coalesce(new.priority, 0);
  new.created_at := coalesce(new.created_at, now());
  new.lease := coalesce(new.lease, 0);
  new.seq := case tg_op when 'INSERT' then nextval('private.job_seq') else v_old.seq end;
  new.outcome_unknown := coalesce(new.outcome_unknown, false);
  new.rescued := coalesce(new.rescued, false);
  new.blocked := coalesce(new.blocked, false) and tg_op = 'UPDATE';
  new.slot := coalesce(v_old.slot, false);
  perform private.check_job(new.job_type, new.max_attempts);
  if new.status not in ('pending', 'processing', 'completed', 'failed', 'cancelled') then
    raise exception using errcode = '23514',
      message = 'The status of a job is pending, processing, completed, failed or cancelled.';
  end if;

  if not isfinite(new.started_at) or not isfinite(new.completed_at) then
    raise exception using errcode = '23514', message = 'started_at and completed_at of a job are times of day.';
  end if;

  -- Its prediction runs on, and is paid for: what would start it again looks at that first.
  if v_old.status = 'processing' and new.status = 'pending' and new.prediction_id is not null then
    new.status := 'processing';
    new.lease_expires_at := greatest(new.scheduled_at, now());
  end if;
  if new.status not in ('pending', 'processing') then
    new.slot := false;
    new.blocked := false;
    new.virtual_time := null;
    new.completed_at := coalesce(new.completed_at, now());
  elsif new.status = 'processing' then
    new.blocked := false;
    new.virtual_time := null;
    new.started_at := coalesce(new.started_at, now());
    new.lease_expires_at := coalesce(new.lease_expires_at, now() + interval '10 minutes');
    new.slot := new.slot and new.job_type = v_old.job_type and new.fair_key is not distinct from v_old.fair_key;
  elsif tg_op = 'INSERT' or v_old.status <> 'pending' or new.priority <> v_old.priority or new.job_type <> v_old.job_type
    or new.fair_key is distinct from v_old.fair_key
    or (new.scheduled_at <> v_old.scheduled_at and new.scheduled_at > now())
    or (new.virtual_time is null) <> (v_old.virtual_time is null) or new.blocked <> v_old.blocked
  then
    new.slot := false;
    new.blocked := false;
    new.virtual_time := null;
  elsif new.scheduled_at <> v_old.scheduled_at and new.virtual_time is not null then
    new.virtual_time := least(new.virtual_time, private.time_at(new.scheduled_at));
  end if;
  if new.status <> 'processing' then
    new.lease_expires_at := null;
  end if;
  if new.status in ('pending', 'processing') then
    new.completed_at := null;
  end if;
  if tg_op = 'INSERT' then
    perform private.refuse_taken_ids(array[new.id]);
  end if;
  perform private.save_job(v_old, new);
  return new;
end
$$;

create trigger job_queue_write instead of insert or update or delete on public.job_queue
for each row execute function private.write_job();
