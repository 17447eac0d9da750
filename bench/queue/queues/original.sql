-- The original's queue, written anew from its description: one table, three functions.
create table job_queue (
  id uuid primary key default gen_random_uuid(),
  job_type text not null check (job_type in ('generate-image', 'download-image', 'process-webhook', 'cleanup-storage')),
  payload jsonb not null default '{}',
  status text not null default 'pending'
    check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  attempts int not null default 0,
  max_attempts int not null default 3,
  scheduled_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  error_message text,
  error_details jsonb,
  created_by uuid,
  priority int not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index job_queue_pending on job_queue (priority desc, created_at) where status = 'pending';
create index job_queue_status on job_queue (status);
create index job_queue_job_type on job_queue (job_type);
create index job_queue_created_by on job_queue (created_by);

create function touch() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end
$$;
create trigger job_queue_touch before update on job_queue for each row execute function touch();

create function enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int = 0, p_scheduled_at timestamptz = now(), p_max_attempts int = 3
) returns uuid language plpgsql as $$
declare
  v_id uuid;
begin
  insert into job_queue (job_type, payload, priority, scheduled_at, max_attempts)
  values (p_job_type, p_payload, p_priority, p_scheduled_at, p_max_attempts) returning id into v_id;
  return v_id;
end
$$;

create function claim_next_job(p_job_types text[] = null) returns setof job_queue language plpgsql as $$
declare
  v_id uuid;
begin
  select id into v_id from job_queue
  where status = 'pending' and scheduled_at <= now() and (p_job_types is null or job_type = any(p_job_types))
  order by priority desc, created_at limit 1 for update skip locked;
  return query update job_queue set status = 'processing', started_at = now(), attempts = attempts + 1
  where id = v_id returning *;
end
$$;

create function complete_job(p_job_id uuid, p_error_message text = null, p_error_details jsonb = null)
returns void language plpgsql as $$
begin
  update job_queue set
    status = case when p_error_message is null then 'completed' when attempts < max_attempts then 'pending' else 'failed' end,
    completed_at = now(), error_message = p_error_message, error_details = p_error_details
  where id = p_job_id;
end
$$;
