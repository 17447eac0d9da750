-- The queue's numbers for monitoring, in one call whose cost does not grow with the number of jobs: the
-- newest of what has ended are taken from the end of the index, not sorted out of all.

create function private.queue_metrics() returns jsonb
language plpgsql stable security definer
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_status jsonb := private.queue_status();
  v_jobs jsonb;
  v_wait jsonb;
  v_run jsonb;
  v_failed jsonb;
  v_outputs record;
begin
  select jsonb_agg(jsonb_build_object(
    'type', job_type, 'status', status, 'jobs', count,
    'oldest_seconds', case
      when status in ('pending', 'processing') then round(extract(epoch from now() - oldest_job), 3)
    end
  ) order by job_type, status) into v_jobs
  from private.queue_totals();

  select
    jsonb_agg(jsonb_build_object(
      'type', l.job_type, 'quantile', q.quantile, 'seconds', round(q.wait::numeric, 3)
    ) order by l.job_type, q.quantile),
    jsonb_agg(jsonb_build_object(
      'type', l.job_type, 'quantile', q.quantile, 'seconds', round(q.run::numeric, 3)
    ) order by l.job_type, q.quantile)
  into v_wait, v_run
  from public.queue_latency as l
  cross join lateral (values
    ('0.5', l.wait_p50_seconds, l.run_p50_seconds),
    ('0.95', l.wait_p95_seconds, l.run_p95_seconds),
    ('0.99', l.wait_p99_seconds, l.run_p99_seconds)
  ) as q (quantile, wait, run);

  -- The commonest twenty kinds, so that error codes of somebody's own do not become so many series.
  select jsonb_agg(jsonb_build_object('type', kind.job_type, 'code', kind.code, 'jobs', kind.jobs)) into v_failed
  from (
    select ended.job_type, ended.code, count(*) as jobs
    from (
      select j.job_type, left(coalesce(j.error_details -> -1 ->> 'code', 'unknown'), 100) as code
      from private.finished_jobs as j
      where j.status = 'failed' and j.completed_at > now() - interval '24 hours'
      order by j.completed_at desc limit 10000
    ) as ended
    group by ended.job_type, ended.code
    order by count(*) desc, ended.job_type, ended.code limit 20
  ) as kind;

  select * into v_outputs from private.unstored_outputs();

  return jsonb_build_object(
    'jobs', v_jobs,
    'held', v_status -> 'held',
    'scheduled', v_status -> 'scheduled',
    'lost', v_status -> 'lost',
    'budget', v_status -> 'budget_periods',
    'last_sweep_at', (select round(extract(epoch from last_sweep_at), 3) from private.sweep),
    'wait', v_wait,
    'run', v_run,
    'failed', v_failed,
    'outputs_at_risk', v_outputs.at_risk,
    'output_seconds_left', v_outputs.seconds_left,
    'refused_models', (
      select jsonb_agg(jsonb_build_object('model', name, 'refused', 1))
      from jsonb_array_elements_text(private.refused_model_names()) as listed (name)
    ),
    'enqueued', coalesce(pg_sequence_last_value('private.job_seq'::regclass), 0),
    'removed_files', (
      select count(*) from (select from private.removed_objects limit 10000) as removed
    )
  );
end
$$;

create function public.queue_metrics()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.queue_metrics();
end
$$;

revoke all on function public.queue_metrics, private.queue_metrics from public, anon, authenticated, service_role;
grant execute on function public.queue_metrics, private.queue_metrics to service_role;
