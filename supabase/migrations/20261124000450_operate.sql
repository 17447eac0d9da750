-- For operators and the cron: bring back, clean up, look.

-- Brings a failed job back with all its attempts, and its generation with it.
create function private.requeue_job(p_job_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_old public.job_queue := private.lock_job(p_job_id);
  v_job public.job_queue := v_old;
begin
  if v_old.status is distinct from 'failed' then
    return jsonb_build_object('outcome', case when v_old.id is null then 'unknown' else 'not_failed' end);
  end if;
  v_job.status := 'pending';
  v_job.attempts := 0;
  v_job.scheduled_at := now();
  v_job.started_at := null;
  v_job.completed_at := null;
  v_job.prediction_id := null;
  v_job.expires_at := null;
  v_job.error_message := null;
  v_job.payload := case jsonb_typeof(v_old.payload) when 'object' then v_old.payload - 'model_refused' else v_old.payload end;
  -- Whose time is over is tried by attempts.
  v_job.retry_until := case
    when private.is_timed(v_old.job_type, v_old.retry_until) and v_old.retry_until > now() then v_old.retry_until
  end;
  perform private.save_job(v_old, v_job);
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
    with gone as (
      delete from private.finished_jobs where id = any(array(
        select id from private.finished_jobs
        where status = v_status and completed_at < now() - case v_status when 'failed' then v_failed else v_completed end
        order by completed_at limit v_limit - v_pruned for update skip locked
      ))
      returning *
    ), counted as (
      -- What ended long ago is no longer counted.
      insert into private.job_deltas (job_type, status, hour, jobs, attempts, timed, seconds)
      select job_type, status, date_trunc('hour', completed_at, 'UTC'), -count(*), -sum(attempts),
        -count(*) filter (where completed_at >= started_at),
        -coalesce(sum(extract(epoch from completed_at - started_at)) filter (where completed_at >= started_at), 0)
      from gone where completed_at > now() - interval '48 hours' group by 1, 2, 3
    )
    select count(*) into v_count from gone;
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
-- whole of the indexes, admits blocked jobs of users whose plan has come to allow more, and looks at the budget.
-- Answers {alerts}: sentences that somebody has to read, each once.
create function private.record_sweep(p_stats jsonb) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_fair_keys uuid[];
  v_job_types text[];
  v_alerts text[];
begin
  perform private.roll_up_counts();
  perform private.learn_model_times();
  -- Users whose plan has come to allow more.
  with recursive users as (
    (
      select fair_key, job_type from private.blocked_jobs order by fair_key, job_type limit 1
    )
    union all
    select next.fair_key, next.job_type from users
    cross join lateral (
      select j.fair_key, j.job_type from private.blocked_jobs as j
      where (j.fair_key, j.job_type) > (users.fair_key, users.job_type)
      order by j.fair_key, j.job_type limit 1
    ) as next
  )
  select array_agg(s.fair_key order by s.fair_key, s.job_type), array_agg(s.job_type order by s.fair_key, s.job_type)
  into v_fair_keys, v_job_types
  from (select * from users limit 1000) as blocked
  join private.user_slots as s using (fair_key, job_type)
  where s.taken < private.running_limit(s.fair_key);
  if v_fair_keys is not null then
    perform private.free_slots(v_fair_keys, v_job_types, array_fill(0, array[cardinality(v_fair_keys)]));
  end if;
  insert into private.sweep (last_sweep_at, stats) values (now(), coalesce(p_stats, '{}'))
  on conflict (only_row) do update set last_sweep_at = excluded.last_sweep_at, stats = excluded.stats;
  v_alerts := private.sweep_budget();
  -- Last: whoever brings jobs of a time past lowers the marks, and has locked the slots of their users before.
  perform private.raise_low_water(true);
  return jsonb_build_object('alerts', to_jsonb(v_alerts));
end
$$;
