-- Jobs that the original began within the last ten minutes and may still be at work on: (jobs).
select count(*)::int as jobs from picture_queue_move.old_jobs
where status = 'processing' and started_at > now() - interval '10 minutes';
