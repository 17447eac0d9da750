-- The queue's tables. `private` is never exposed by the API; what the API needs of it
-- is reached through the functions of `public`.

create schema if not exists private;

create table public.job_queue (
  id uuid primary key default gen_random_uuid(),
  job_type text not null check (length(job_type) between 1 and 100),
  payload jsonb not null default '{}',
  status text not null default 'pending'
    check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  -- Runs that ended in an error or whose lease ran out; waiting for a prediction is no attempt.
  attempts int not null default 0,
  max_attempts int not null default 3 check (max_attempts >= 1),
  scheduled_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  -- The last error, in words for users.
  error_message text,
  -- Every attempt's error: [{attempt, at, message, prediction_id?, ...details}].
  error_details jsonb,
  created_by uuid references auth.users on delete set null,
  priority int not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Fencing token: raised by every claim, named by every later write.
  lease bigint not null default 0,
  lease_expires_at timestamptz,
  -- What complete_job was given to keep.
  result jsonb,
  -- The provider's prediction whose end is awaited.
  prediction_id text,
  -- A create may or may not have reached the provider: look before creating again.
  outcome_unknown boolean not null default false,
  -- The current claim took the job over from a lease that ran out.
  rescued boolean not null default false,
  generation_id uuid references public.image_generations on delete cascade,
  -- Not started by then: cancelled.
  expires_at timestamptz,
  -- Whose turn it uses: the user it is made for, known to auth.users or not. Null: the system's own.
  fair_key uuid,
  -- Place in the fair order of its priority, in microseconds of a virtual clock (private.next_turn).
  -- A pending job without a turn is not ready: it waits for scheduled_at, outside the ready index.
  turn bigint,
  -- Order of arrival, for equal turns.
  seq bigint generated always as identity
)
-- Most rows change within seconds: vacuum by the change, not by the size of the history.
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- `seq > 0` is always true. It is there so that only queries that repeat it can be planned on that index:
-- with statistics of a moment ago the planner took these small indexes for smaller than a look-up by id,
-- and for as good as the index by type.

-- The claim reads one of these two: ready jobs and nothing else, in the order they are handed out.
create index job_queue_ready on public.job_queue (priority desc, turn, seq)
where status = 'pending' and turn is not null and seq > 0;
create index job_queue_ready_by_type on public.job_queue (job_type, priority desc, turn, seq)
where status = 'pending' and turn is not null;
-- The last turn given to a user.
create index job_queue_turns on public.job_queue (fair_key, priority, turn)
where status = 'pending' and turn is not null and fair_key is not null;
-- Not ready yet: promoted by the claim when due.
create index job_queue_scheduled on public.job_queue (scheduled_at)
where status = 'pending' and turn is null;
create index job_queue_lease on public.job_queue (lease_expires_at)
where status = 'processing' and seq > 0;
create index job_queue_expiry on public.job_queue (expires_at)
where status = 'pending' and expires_at is not null;
-- For pruning and for the views.
create index job_queue_finished on public.job_queue (status, completed_at)
where status in ('completed', 'failed', 'cancelled') and seq > 0;
create index job_queue_owner on public.job_queue (created_by, created_at desc) where created_by is not null;
create index job_queue_generation on public.job_queue (generation_id) where generation_id is not null;

create function private.touch_updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create trigger job_queue_updated_at before update on public.job_queue
for each row when (new.updated_at = old.updated_at) execute function private.touch_updated_at();

create table private.settings (
  only_row boolean primary key default true check (only_row),
  -- A lower priority whose next job has waited this long …
  age_after interval not null default '10 minutes',
  -- … gets this share of the claimed jobs ahead of the higher ones.
  aged_share numeric not null default 0.25 check (aged_share between 0 and 1),
  -- Images made at the same time, for estimates.
  parallel_images int not null default 3 check (parallel_images >= 1)
);
insert into private.settings default values;

-- Counts claims that met an aged priority, so that a share of single claims is exact too.
create sequence private.aged_claims;

-- What a user may do. A user without a row in user_plans has the plan 'default'.
create table private.plans (
  name text primary key,
  requests_per_minute int not null,
  images_per_day int not null,
  priorities text[] not null
);
insert into private.plans values ('default', 60, 500, '{low,normal,high}');

create table private.user_plans (
  user_id uuid primary key references auth.users on delete cascade,
  plan text not null references private.plans
);
create index user_plans_plan on private.user_plans (plan);

-- Fixed windows, one row per user: the row's lock makes the count exact under parallel requests.
create table private.usage (
  user_id uuid primary key references auth.users on delete cascade,
  minute_started_at timestamptz not null,
  minute_requests int not null,
  day date not null,
  day_images int not null
)
with (fillfactor = 50);

-- Answers already given, kept for 24 hours.
create table private.idempotency_keys (
  user_id uuid not null references auth.users on delete cascade,
  key text not null,
  request_hash text not null,
  -- Null only inside the transaction that is still working on the answer.
  response jsonb,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);
create index idempotency_keys_age on private.idempotency_keys (created_at);

-- When the cron last ran, and what it did.
create table private.sweep (
  only_row boolean primary key default true check (only_row),
  last_sweep_at timestamptz not null,
  stats jsonb not null
);
