-- How a generation ends and comes back: its money, its batch, its announcement.

-- Puts what a generation really cost in the place of what was reserved for it, if that was today.
create function private.settle_cost(p_user_id uuid, p_day date, p_reserved numeric, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  if p_day is not null and p_reserved <> p_cost then
    update private.usage set day_cost = greatest(day_cost - p_reserved + p_cost, 0)
    where user_id = p_user_id and day = p_day;
  end if;
end
$$;

-- Counts an expected cost in the user's money of p_day, which is today.
create function private.reserve_cost(p_user_id uuid, p_day date, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  insert into private.usage as u (user_id, minute_started_at, minute_requests, day, day_images, day_cost)
  values (p_user_id, clock_timestamp(), 0, p_day, 0, p_cost)
  on conflict (user_id) do update set
    day = excluded.day,
    day_images = case when u.day = excluded.day then u.day_images else 0 end,
    day_cost = case when u.day = excluded.day then u.day_cost + p_cost else p_cost end;
end
$$;

-- Ends a generation for good, gives back what was reserved for it and counts it in its batch. The caller
-- holds the job's row: rows are always locked in the order job, generation, slots, usage, batch. With
-- p_cost_open the reservation counts until private.settle_cancelled.
create function private.end_generation(
  p_generation_id uuid, p_status text, p_error_message text, p_error_code text, p_cost_open boolean = false,
  p_cancel_job_id uuid = null
) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_ended record;
begin
  update public.image_generations as g
  set status = p_status, error_message = p_error_message, error_code = p_error_code, completed_at = now(),
    cost_open = p_cost_open, cancel_job_id = coalesce(p_cancel_job_id, g.cancel_job_id),
    -- A failed one may be brought back, and reserves it again.
    reserved_usd = case when p_status = 'cancelled' and not p_cost_open then 0 else g.reserved_usd end
  from (select id, reserved_usd, status from public.image_generations where id = p_generation_id for update) as before
  where g.id = before.id and g.status not in ('completed', 'failed', 'cancelled')
  returning g.user_id, g.batch_id, g.reserved_on, before.reserved_usd, before.status as was, g.webhook_url
  into v_ended;
  if not found then
    return;
  end if;
  if not p_cost_open then
    perform private.settle_cost(v_ended.user_id, v_ended.reserved_on, v_ended.reserved_usd, 0);
  end if;
  -- What a try to store its picture may have left is not for free either. An upload that is under way ends
  -- within its lease.
  if v_ended.was = 'downloading' then
    insert into private.removed_objects (name, due_at)
    select name, now() + interval '10 minutes'
    from unnest(private.object_names(v_ended.user_id, p_generation_id)) as name;
  end if;
  if v_ended.batch_id is not null then
    perform private.count_in_batch(v_ended.batch_id, p_status, 1);
  end if;
  if v_ended.webhook_url is not null then
    perform private.announce_generation(p_generation_id);
  end if;
end
$$;

-- Adds p_delta to a batch's counter of one end status and derives the batch's own status. In one update: a row that
-- is written twice in a transaction has its foreign keys checked, and that would wait for a deletion of the account.
create function private.count_in_batch(p_batch_id uuid, p_status text, p_delta int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_batch public.batch_generations;
  v_ended int;
begin
  select * into v_batch from public.batch_generations where id = p_batch_id for update;
  case p_status
    when 'completed' then v_batch.completed_count := v_batch.completed_count + p_delta;
    when 'failed' then v_batch.failed_count := v_batch.failed_count + p_delta;
    else v_batch.cancelled_count := v_batch.cancelled_count + p_delta;
  end case;
  v_ended := v_batch.completed_count + v_batch.failed_count + v_batch.cancelled_count;
  update public.batch_generations set
    completed_count = v_batch.completed_count,
    failed_count = v_batch.failed_count,
    cancelled_count = v_batch.cancelled_count,
    status = case
      when v_ended < v_batch.total_count then 'processing'
      when v_batch.completed_count = v_batch.total_count then 'completed'
      when v_batch.completed_count > 0 then 'partial'
      when v_batch.failed_count > 0 then 'failed'
      else 'cancelled'
    end,
    completed_at = case when v_ended >= v_batch.total_count then now() end
  where id = p_batch_id;
end
$$;

-- Takes back that a generation has failed. The caller holds the job's row.
create function private.reopen_generation(p_generation_id uuid, p_status text) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_opened public.image_generations;
begin
  update public.image_generations set
    reserved_on = private.today(),
    status = p_status, progress = case p_status when 'queued' then 0 else progress end,
    error_message = null, error_code = null, completed_at = null
  where id = p_generation_id and status = 'failed'
  returning * into v_opened;
  perform private.count_reopened(v_opened);
end
$$;

-- Counts one that is no longer failed again: its price in its user's money, itself in its batch.
create function private.count_reopened(p_generation public.image_generations) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  if p_generation.id is null then
    return;
  end if;
  perform private.reserve_cost(p_generation.user_id, p_generation.reserved_on, p_generation.reserved_usd);
  if p_generation.batch_id is not null then
    perform private.count_in_batch(p_generation.batch_id, 'failed', -1);
  end if;
end
$$;
