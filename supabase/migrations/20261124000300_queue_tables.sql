-- The queue's tables. `private` is never exposed by the API; what the API needs of it
-- is reached through the functions of `public`.

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
  -- Finite: durations are taken of them, and before PostgreSQL 17 none with an infinite end.
  started_at timestamptz check (isfinite(started_at)),
  completed_at timestamptz check (isfinite(completed_at)),
  -- The last error, in words for users.
  error_message text,
  -- Every attempt's error: [{attempt, at, message, prediction_id?, ...details}].
  error_details jsonb,
  -- No foreign key: its check would wait for a deletion of the account, which waits for the job.
  created_by uuid,
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
  -- Time decides how long it is tried, and no run uses an attempt (private.is_timed). Of a generate-image job:
  -- when it is given up if nobody can serve it, set when it is first put off.
  retry_until timestamptz,
  -- Whose turn it uses: the user it is made for, known to auth.users or not. Null: the system's own.
  fair_key uuid,
  -- A pending job is in one of three states: scheduled (ready_at null, not held), held (its user has as
  -- many jobs running or ready as the plan allows), or ready since ready_at. Only ready ones are claimed.
  ready_at timestamptz,
  held boolean not null default false,
  -- Ready or running on one of its user's places (private.lanes counts them).
  slot boolean not null default false,
  -- Place in the order of its type and priority, in microseconds (private.next_turn). Null: not ready.
  turn bigint,
  -- Order of arrival, for equal turns.
  seq bigint generated always as identity
)
-- Every row is rewritten two or three times within seconds, each time into other indexes: no free space
-- on the pages would save that (fillfactor stays 100). Vacuum by the change, not by the size of the
-- history, and without pauses: what it removes stands at the front of the ready index.
with (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);

-- `seq > 0` and `max_attempts >= 1` are always true. They are there so that only queries that repeat them can be
-- planned on that index: with statistics of a moment ago the planner took these small indexes for smaller than a
-- look-up by id. No two of these indexes may serve one query: after an ANALYZE while nothing runs both look empty,
-- and the planner takes whichever.

-- The claim reads this one: ready jobs and nothing else, in the order they are handed out.
create index job_queue_ready on public.job_queue (job_type, priority desc, turn, seq)
where status = 'pending' and ready_at is not null;
-- A user's jobs that are held, and those that hold a place and are not running yet.
create index job_queue_lane on public.job_queue (fair_key, job_type, held, priority desc, seq)
where status = 'pending' and (held or slot);
-- Not due yet: made ready by the claim when due.
create index job_queue_scheduled on public.job_queue (scheduled_at)
where status = 'pending' and ready_at is null and not held;
create index job_queue_lease on public.job_queue (lease_expires_at)
where status = 'processing' and seq > 0;
create index job_queue_expiry on public.job_queue (expires_at)
where status = 'pending' and expires_at is not null;
-- For the views: the oldest and the newest of what is not finished.
create index job_queue_live on public.job_queue (job_type, status, created_at)
where status in ('pending', 'processing') and max_attempts >= 1;
-- For pruning and for the views.
create index job_queue_finished on public.job_queue (status, completed_at)
where status in ('completed', 'failed', 'cancelled') and seq > 0;
create index job_queue_owner on public.job_queue (created_by, created_at desc) where created_by is not null;
create index job_queue_generation on public.job_queue (generation_id) where generation_id is not null;

create table private.settings (
  only_row boolean primary key default true check (only_row),
  -- A job whose turn is this long ago is never overtaken again, whatever its priority.
  age_after interval not null default '10 minutes',
  -- How much later a user's next job has its turn for each one that is ready or running already.
  turn_step interval not null default '10 seconds',
  -- Images made at the same time, for estimates.
  parallel_images int not null default 3 check (parallel_images >= 1)
);
insert into private.settings default values;

-- What a user may do; null is no limit. A user without a row in user_plans has the plan 'default'.
create table private.plans (
  name text primary key,
  requests_per_minute int,
  images_per_day int,
  priorities text[] not null default '{low,normal,high}',
  -- Jobs of one type that a user has running at once; further ones are held.
  running_jobs int check (running_jobs >= 1),
  -- US dollars a day (UTC), by the models' prices.
  money_per_day numeric
);
insert into private.plans (name, requests_per_minute, images_per_day, running_jobs)
values ('default', 60, 500, 5);

create table private.user_plans (
  user_id uuid primary key references auth.users on delete cascade,
  plan text not null references private.plans
);
create index user_plans_plan on private.user_plans (plan);

-- Fixed windows, one row per user: the row's lock makes the count exact under parallel requests.
-- No foreign key: a row written twice in a transaction is checked, and the check would wait for a deletion of the
-- account that waits for the caller. private.after_user_delete removes it.
create table private.usage (
  user_id uuid primary key,
  minute_started_at timestamptz not null,
  minute_requests int not null,
  day date not null,
  day_images int not null,
  -- US dollars: what finished images cost, and what unfinished ones are expected to.
  day_cost numeric not null default 0
)
-- Rewritten by every request: room on the page keeps the new version beside the old one (HOT).
with (fillfactor = 50);

-- How many places of a user are taken, by type of job: jobs that are ready or running (job_queue.slot).
-- The row's lock makes the count exact. No foreign key: a job's user need not exist.
create table private.lanes (
  fair_key uuid not null,
  job_type text not null,
  active int not null,
  -- Places given to the latest request, so that it learns from the same statement how many it got.
  granted int not null,
  primary key (fair_key, job_type)
)
with (fillfactor = 50);

-- The types and priorities that have ever had a ready job: what a claim looks through.
create table private.lines (
  job_type text not null,
  priority int not null,
  -- Low-water mark (private.raise_low_water): no ready job of this line has an earlier turn.
  low_turn bigint not null default -9223372036854775808,
  primary key (job_type, priority)
)
with (fillfactor = 50);

-- Those that every deployment has, so that no two transactions wait for each other to make them.
insert into private.lines (job_type, priority)
values ('generate-image', -10), ('generate-image', 0), ('generate-image', 10),
  ('download-image', 100), ('cancel-prediction', 100), ('process-webhook', -10), ('process-webhook', 0);

-- The same for what a claim looks after besides: no live entry of the index is before the mark.
create table private.low_water (
  only_row boolean primary key default true check (only_row),
  lease_expires_at timestamptz not null default '-infinity',
  scheduled_at timestamptz not null default '-infinity',
  expires_at timestamptz not null default '-infinity',
  raised_at timestamptz not null default '-infinity'
)
with (fillfactor = 50);
insert into private.low_water default values;

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
