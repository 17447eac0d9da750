-- For operators and the cron: bring back, clean up, look.

-- Brings a failed job back with all its attempts, and its generation with it.
create function private.requeue_job(p_job_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  update public.job_queue set
    status = 'pending', attempts = 0, scheduled_at = now(), turn = null, completed_at = null,
    lease_expires_at = null, prediction_id = null, outcome_unknown = false, rescued = false, expires_at = null,
    error_message = null
  where id = p_job_id and status = 'failed'
  returning * into v_job;
  if not found then
    return jsonb_build_object('outcome', case
      when exists (select from public.job_queue where id = p_job_id) then 'not_failed' else 'unknown' end);
  end if;
  if private.carries_generation(v_job.job_type) then
    perform private.reopen_generation(
      v_job.generation_id, case v_job.job_type when 'download-image' then 'downloading' else 'queued' end
    );
  end if;
  return jsonb_build_object('outcome', 'requeued', 'job_id', p_job_id);
end
$$;

-- Deletes finished jobs past their days, at most p_limit, and what else has served its time.
create function private.prune_jobs(p_completed_days int, p_failed_days int, p_limit int) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_limit int := least(greatest(coalesce(p_limit, 10000), 1), 100000);
  v_completed interval := make_interval(days => greatest(coalesce(p_completed_days, 7), 0));
  v_failed interval := make_interval(days => greatest(coalesce(p_failed_days, 30), 0));
  v_status text;
  v_count int;
  v_pruned int := 0;
begin
  foreach v_status in array '{completed,cancelled,failed}'::text[] loop
    delete from public.job_queue where id = any(array(
      select id from public.job_queue
      where status = v_status and status in ('completed', 'failed', 'cancelled') and seq > 0
        and completed_at < now() - case v_status when 'failed' then v_failed else v_completed end
      order by completed_at limit v_limit - v_pruned for update skip locked
    ));
    get diagnostics v_count = row_count;
    v_pruned := v_pruned + v_count;
  end loop;

  delete from private.idempotency_keys where (user_id, key) in (
    select user_id, key from private.idempotency_keys
    where created_at < now() - interval '24 hours' order by created_at limit v_limit for update skip locked
  );
  return jsonb_build_object('pruned', v_pruned);
end
$$;

create function private.record_sweep(p_stats jsonb) returns void
language sql security definer set search_path = '' as $$
  insert into private.sweep (last_sweep_at, stats) values (now(), coalesce(p_stats, '{}'))
  on conflict (only_row) do update set last_sweep_at = excluded.last_sweep_at, stats = excluded.stats
$$;

-- The queue at a glance. Counts stop at 10,000, so that looking costs the same at any depth.
create function private.queue_status() returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_sweep private.sweep;
begin
  select * into v_sweep from private.sweep;
  return jsonb_build_object(
    'last_sweep_at', v_sweep.last_sweep_at,
    'last_sweep', v_sweep.stats,
    'pending', (select count(*) from (
      select from public.job_queue where status = 'pending' and turn is not null and seq > 0 limit 10000) as ready),
    'scheduled', (select count(*) from (
      select from public.job_queue where status = 'pending' and turn is null limit 10000) as later),
    'processing', (select count(*) from (
      select from public.job_queue where status = 'processing' and seq > 0 limit 10000) as running),
    'lost', (select count(*) from (
      select from public.job_queue
      where status = 'processing' and seq > 0 and lease_expires_at <= now() limit 10000) as lost),
    'failed_24h', (select count(*) from (
      select from public.job_queue
      where status = 'failed' and seq > 0 and completed_at > now() - interval '24 hours' limit 10000) as failed)
  );
end
$$;
