-- Who may do what. Hosted projects grant every new table and function of `public` to anon and
-- authenticated, and Postgres grants every function to everybody: all of it is taken back first.

do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_proc as p
    where p.pronamespace = 'private'::regnamespace
      or (p.pronamespace = 'public'::regnamespace and p.proname = any(array[
        'enqueue_job', 'enqueue_jobs', 'claim_next_job', 'complete_job', 'complete_jobs', 'claim_jobs', 'fail_job', 'snooze_job', 'extend_lease',
        'record_prediction', 'record_predictions', 'finish_prediction', 'finish_download', 'start_generation', 'get_generation',
        'list_generations', 'cancel_generation', 'requeue_job', 'prune_jobs', 'record_sweep', 'queue_status'
      ]))
  loop
    execute format('revoke all on function %s from public, anon, authenticated, service_role', v_function);
  end loop;
end
$$;

revoke all on schema private from public, anon, authenticated, service_role;
revoke all on all tables in schema private from public, anon, authenticated, service_role;
revoke all on all sequences in schema private from public, anon, authenticated, service_role;
revoke all on
  public.models, public.batch_generations, public.image_generations, public.images,
  public.job_queue, public.queue_health, public.failed_jobs_recent, public.stuck_jobs,
  public.queue_latency, public.tenant_usage
from public, anon, authenticated, service_role;
-- Tables: everybody reads their own; the queue and what the pipeline writes is written by nobody
-- but the service and the functions.
alter table public.models enable row level security;
alter table public.batch_generations enable row level security;
alter table public.image_generations enable row level security;
alter table public.images enable row level security;
alter table private.settings enable row level security;
alter table private.plans enable row level security;
alter table private.user_plans enable row level security;
alter table private.usage enable row level security;
alter table private.idempotency_keys enable row level security;
alter table private.sweep enable row level security;
alter table private.scheduled_jobs enable row level security;
alter table private.blocked_jobs enable row level security;
alter table private.ready_jobs enable row level security;
alter table private.running_jobs enable row level security;
alter table private.finished_jobs enable row level security;
alter table private.user_slots enable row level security;
alter table private.ready_queues enable row level security;
alter table private.low_water enable row level security;
alter table private.job_deltas enable row level security;
alter table private.job_counts enable row level security;

grant all on
  public.models, public.batch_generations, public.image_generations, public.images
to service_role;
-- The view reads with its reader's rights, and writes by a trigger.
grant select, insert, update, delete on public.job_queue to service_role;
grant select on
  private.scheduled_jobs, private.blocked_jobs, private.ready_jobs, private.running_jobs, private.finished_jobs
to service_role, authenticated;
grant select on public.queue_health, public.failed_jobs_recent, public.stuck_jobs to service_role, authenticated;
grant select on public.queue_latency, public.tenant_usage to service_role;

grant select on public.models to anon, authenticated;
create policy "active models are public" on public.models for select to anon, authenticated
using (is_active);

grant select on public.batch_generations, public.image_generations, public.job_queue to authenticated;
create policy "own batches" on public.batch_generations for select to authenticated
using (user_id = (select auth.uid()));
create policy "own generations" on public.image_generations for select to authenticated
using (user_id = (select auth.uid()));
-- Not those that store a picture: they know its address at the provider, which is nobody's before the picture is.
create policy "own jobs" on private.scheduled_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');
create policy "own jobs" on private.blocked_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');
create policy "own jobs" on private.ready_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');
create policy "own jobs" on private.running_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');
create policy "own jobs" on private.finished_jobs for select to authenticated
using (fair_key = (select auth.uid()) and job_type <> 'download-image');

grant select on public.images to authenticated;
grant update (is_public, is_favorite, rating, archived_at) on public.images to authenticated;
create policy "own and public images" on public.images for select to authenticated
using (user_id = (select auth.uid()) or is_public);
create policy "own images' marks" on public.images for update to authenticated
using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

-- Functions, one by one. A public function needs its private one, reached by name only: the API does
-- not expose the schema.
grant usage on schema private to authenticated, service_role;

grant execute on function
  public.start_generation, private.start_generation,
  public.get_generation, private.get_generation,
  public.list_generations, private.list_generations,
  public.cancel_generation, private.cancel_generation,
  public.enqueue_job, private.enqueue_own_job
to authenticated;

-- What the view queue_health is made of.
grant execute on function private.queue_totals, private.is_user to authenticated, service_role;

grant execute on function
  public.enqueue_job, private.enqueue_job,
  public.enqueue_jobs, private.enqueue_jobs,
  private.tenants, private.latencies,
  public.claim_next_job, public.claim_jobs, private.claim_jobs,
  public.complete_job(uuid, text, jsonb, jsonb, text), private.complete_job_unfenced,
  public.complete_job(uuid, bigint, jsonb), private.complete_job,
  public.complete_jobs, private.complete_jobs,
  public.fail_job, private.fail_job,
  public.snooze_job, private.snooze_job,
  public.extend_lease, private.extend_lease,
  public.record_prediction, private.record_prediction,
  public.record_predictions, private.record_predictions,
  public.finish_prediction, private.finish_prediction,
  public.finish_download, private.finish_download,
  public.requeue_job, private.requeue_job,
  public.prune_jobs, private.prune_jobs,
  public.record_sweep, private.record_sweep,
  public.queue_status, private.queue_status
to service_role;
