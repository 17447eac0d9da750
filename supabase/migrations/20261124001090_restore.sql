-- After a restore: the database knows less than the provider.

-- To be called once, before the Workers go on, in a database that was restored from a dump of p_dumped_at
-- (docs/operations/runbook/backup.md). What waited then, or ran without a prediction, may have one by now that was paid
-- for: each such job is claimed as one whose last run ended unseen, and looks at the provider's list before it creates
-- anything. Where it finds nothing it waits again. What is due later cannot have been begun.
--
-- @returns how many jobs will look
create function private.resume_after_restore(p_dumped_at timestamptz) returns bigint
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
