-- For operators and the cron: bring back, clean up, look.

-- Brings a failed job back with all its attempts, and its generation with it.
create function private.requeue_job(p_job_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  update public.job_queue set
    status = 'pending', attempts = 0, scheduled_at = now(), ready_at = null, turn = null, completed_at = null,
    lease_expires_at = null, prediction_id = null, outcome_unknown = false, rescued = false, expires_at = null,
    payload = case jsonb_typeof(payload) when 'object' then payload - 'model_refused' else payload end,
    -- Whose time is over is tried by attempts.
    retry_until = case when private.is_timed(job_type, retry_until) and retry_until > now() then retry_until end,
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
  perform private.prune_webhooks(v_limit);
  perform private.prune_predictions(v_limit);
  delete from private.refused_models where until < now() - interval '1 day';
  perform private.prune_listeners(v_limit);
  return jsonb_build_object('pruned', v_pruned);
end
$$;

-- What the cron does for the queue itself, each minute: notes that it ran, folds the counts, looks at the
-- whole of the indexes, admits held jobs of users whose plan has come to allow more, and looks at the budget.
-- Answers {alerts}: sentences that somebody has to read, each once.
create function private.record_sweep(p_stats jsonb) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_lane record;
  v_alerts text[];
begin
  perform private.roll_up_counts();
  perform private.learn_model_times();
  for v_lane in
    with recursive lanes as (
      (
        select fair_key, job_type from public.job_queue
        where status = 'pending' and (held or slot) and held
        order by fair_key, job_type limit 1
      )
      union all
      select next.fair_key, next.job_type from lanes
      cross join lateral (
        select j.fair_key, j.job_type from public.job_queue as j
        where j.status = 'pending' and (j.held or j.slot) and j.held
          and (j.fair_key, j.job_type) > (lanes.fair_key, lanes.job_type)
        order by j.fair_key, j.job_type limit 1
      ) as next
    )
    select l.fair_key, l.job_type from private.lanes as l
    join (select * from lanes limit 1000) as waiting using (fair_key, job_type)
    where l.active < private.running_limit(l.fair_key)
    order by l.fair_key, l.job_type
  loop
    perform private.admit_held(v_lane.fair_key, v_lane.job_type);
  end loop;
  insert into private.sweep (last_sweep_at, stats) values (now(), coalesce(p_stats, '{}'))
  on conflict (only_row) do update set last_sweep_at = excluded.last_sweep_at, stats = excluded.stats;
  v_alerts := private.sweep_budget();
  -- Last: whoever brings jobs of a time past lowers the marks, and has locked the lanes of their users before.
  perform private.raise_low_water(true);
  return jsonb_build_object('alerts', to_jsonb(v_alerts));
end
$$;
