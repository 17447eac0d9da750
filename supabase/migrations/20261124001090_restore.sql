-- After a restore: the database knows less than the provider.

-- To be called once, before the Workers go on, in a database that was restored from a dump of p_dumped_at
-- (docs/operations/runbook/backup.md). What waited then, or ran without a prediction, may have one by now that was paid
-- for: each such job is claimed as one whose last run ended unseen, and looks at the provider's list before it creates
-- anything. Where it finds nothing it waits again. What is due later cannot have been begun.
--
-- Refused where something has run on this database since the dump: Workers that were not stopped, or a second call of
-- this after they went on. What they do meanwhile would be done twice. p_force: it is known and wanted. Workers that
-- still run on the old database cannot be seen from here.
--
-- @returns how many jobs will look
create function private.resume_after_restore(p_dumped_at timestamptz, p_force boolean = false) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_id uuid;
  v_job public.job_queue;
  v_new public.job_queue;
  v_jobs bigint := 0;
begin
  if p_dumped_at is null or p_dumped_at > now() then
    raise exception 'p_dumped_at is the moment of the dump, at the latest now: % is not', coalesce(p_dumped_at::text, 'null');
  end if;
  if p_force is not true then
    perform private.check_nothing_runs(p_dumped_at);
  end if;
  for v_id in
    select id from public.job_queue
    where job_type = 'generate-image' and status in ('pending', 'processing') and prediction_id is null
      and scheduled_at <= now()
    order by seq
  loop
    v_job := private.lock_job(v_id);
    continue when v_job.status not in ('pending', 'processing') or v_job.prediction_id is not null;
    v_new := v_job;
    v_new.status := 'processing';
    v_new.started_at := least(v_job.started_at, p_dumped_at);
    v_new.lease_expires_at := now();
    v_new.outcome_unknown := true;
    v_new.slot := v_job.slot and v_job.status = 'processing';
    perform private.save_job(v_job, v_new);
    v_jobs := v_jobs + 1;
  end loop;
  return v_jobs;
end
$$;

-- Refuses a database on which something has run since the dump. A minute is for the dump's own beginning.
create function private.check_nothing_runs(p_dumped_at timestamptz) returns void
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_after timestamptz := p_dumped_at + interval '1 minute';
  v_seen record;
begin
  select what, at into v_seen from (
    select 'the cron ran' as what, r.ran_at as at from private.last_cron_run as r
    union all
    select 'a run of a job began', r.started_at from private.running_jobs as r
    union all
    (select 'a prediction was recorded', p.recorded_at from private.predictions as p order by p.recorded_at desc limit 1)
  ) as last
  where at > v_after order by at desc limit 1;
  if found then
    raise exception using
      message = format('Workers run on this database: %s at %s, after the dump of %s.', v_seen.what, v_seen.at, p_dumped_at),
      hint = 'Stop them (docs/operations/runbook/spending-stop.md) and restore again. If p_dumped_at is earlier than '
        || 'the dump was, give its time; to go on all the same, call it with p_force => true.';
  end if;
end
$$;
