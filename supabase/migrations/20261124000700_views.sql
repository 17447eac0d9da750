-- The original's views for operators. They run with the reader's rights: the service sees all jobs,
-- a user their own.

-- What is not finished, and what finished in the last 24 hours. The parts follow the partial indexes:
-- the cost is that of the rows counted, whatever the history holds.
create view public.queue_health with (security_invoker = true) as
select
  job_type,
  status,
  count(*) as count,
  min(created_at) as oldest_job,
  max(created_at) as newest_job,
  avg(extract(epoch from completed_at - started_at)) as avg_duration_seconds,
  avg(attempts) as avg_attempts
from (
  select * from public.job_queue where status = 'pending' and turn is not null and seq > 0
  union all
  select * from public.job_queue where status = 'pending' and turn is null
  union all
  select * from public.job_queue where status = 'processing' and seq > 0
  union all
  select * from public.job_queue
  where status in ('completed', 'failed', 'cancelled') and seq > 0 and completed_at > now() - interval '24 hours'
) as jobs
group by job_type, status;

create view public.failed_jobs_recent with (security_invoker = true) as
select id, job_type, payload, attempts, error_message, created_at, completed_at
from public.job_queue
where status = 'failed' and seq > 0 and completed_at > now() - interval '24 hours'
order by completed_at desc;

create view public.stuck_jobs with (security_invoker = true) as
select
  id, job_type, payload, started_at,
  extract(epoch from now() - started_at) / 60 as minutes_stuck
from public.job_queue
where status = 'processing' and seq > 0 and started_at < now() - interval '10 minutes'
order by started_at;
