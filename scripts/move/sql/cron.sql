-- The original's pg_cron jobs: those that call its functions. pg_cron shows a role its own jobs only.

insert into picture_queue_move.cron_jobs (id, name, schedule, command, owner)
select jobid, jobname, schedule, command, username
from cron.job
where active and database = current_database()
  and command ~ '\m(process-jobs|process-generation|generate-image|claim_next_job|recover_stale_generations|process_error_recovery)\M'
order by jobid;
