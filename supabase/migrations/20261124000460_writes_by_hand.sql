-- Writes by hand ------------------------------------------------------------------------------------------------------

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
    if tg_op = 'UPDATE' and v_old is not distinct from new then
      return new;
    end if;
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
