-- The queue's tables. `private` is never exposed by the API; what the API needs of it is reached through the
-- functions of `public`, and through the view public.job_queue, which shows all jobs as the rows of one table.
--
-- A job stands in one of five tables, and that table is its state. A step moves it: it deletes the row here and
-- inserts it there, in one transaction. So every table has the indexes of its own readers and no others, what has
-- finished is out of a claim's sight, and no wide row is rewritten for a state that changes.
--
--   scheduled_jobs   not due yet                     → ready or blocked when due
--   blocked_jobs     its user has no free slot       → ready when one becomes free
--   ready_jobs       the next ones of each type      → running by a claim
--   running_jobs     under a lease                   → finished; scheduled for a retry
--   finished_jobs    completed, failed or cancelled  → deleted after some days
--
-- What a job must look like is checked on its way in (private.check_job, private.write_job), once: a CHECK is parsed
-- anew by each statement that writes its table, which is an eighth of a completion, and jobs only move from there on.

-- Order of arrival.
create sequence private.job_seq;

create table private.scheduled_jobs (
  id uuid primary key,
  seq bigint not null,
  created_at timestamptz not null,
  -- Due since then, or not before then.
  scheduled_at timestamptz not null,
  -- Fencing token: raised by every claim, named by every later write.
  lease bigint not null,
  -- Not started by then: cancelled.
  expires_at timestamptz,
  -- Time decides how long it is tried, and no run uses an attempt (private.is_timed). Of a generate-image job:
  -- when it is given up if nobody can serve it, set when it is first put off.
  retry_until timestamptz,
  -- Whose turn and slots it uses: the user it is made for, known to auth.users or not. Null: the system's own.
  fair_key uuid,
  -- No foreign key: a check at each move would cost more than the move. image_generations.job_id points back.
  generation_id uuid,
  priority int not null,
  -- Runs that ended in an error or whose lease ran out; waiting for a prediction is no attempt.
  attempts int not null,
  max_attempts int not null,
  job_type text not null,
  payload jsonb not null,
  -- The last error, in words for users.
  error_message text,
  -- Every attempt's error: [{attempt, at, message, prediction_id?, ...details}].
  error_details jsonb
)
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- The claim's look for what is due.
create index scheduled_jobs_due on private.scheduled_jobs (scheduled_at);
-- Images that are not stored yet (private.unstored_outputs).
create index scheduled_jobs_unstored on private.scheduled_jobs (created_at) where job_type = 'download-image';
create index scheduled_jobs_expiry on private.scheduled_jobs (expires_at) where expires_at is not null;

create table private.blocked_jobs (like private.scheduled_jobs, primary key (id))
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- A user's next job when a slot becomes free.
create index blocked_jobs_next on private.blocked_jobs (fair_key, job_type, priority desc, seq);
create index blocked_jobs_expiry on private.blocked_jobs (expires_at) where expires_at is not null;

create table private.ready_jobs (
  like private.scheduled_jobs,
  -- Place in the order of its type and priority, in microseconds (private.next_time).
  virtual_time bigint not null,
  -- Takes one of its user's slots (private.user_slots counts them).
  slot boolean not null,
  primary key (id)
)
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- A claim reads this one from its head.
create index ready_jobs_order on private.ready_jobs (job_type, priority desc, virtual_time, seq);
-- A user's ready job of the lowest priority, which gives its slot to one of a higher (private.reorder_user).
create index ready_jobs_user on private.ready_jobs (fair_key, job_type, priority, seq desc) where slot;
create index ready_jobs_expiry on private.ready_jobs (expires_at) where expires_at is not null;

create table private.running_jobs (
  like private.scheduled_jobs,
  started_at timestamptz not null,
  lease_expires_at timestamptz not null,
  slot boolean not null,
  -- The current claim took the job over from a lease that ran out.
  rescued boolean not null,
  -- A create may or may not have reached the provider: look before creating again.
  outcome_unknown boolean not null,
  -- The provider's prediction whose end is awaited.
  prediction_id text,
  -- Leased in the answer to its start (private.hand_over): whether a worker has heard of it is not known.
  handed_over boolean not null default false,
  primary key (id)
)
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- The claim's look for lost leases.
create index running_jobs_lease on private.running_jobs (lease_expires_at);

create table private.finished_jobs (
  like private.scheduled_jobs,
  started_at timestamptz,
  completed_at timestamptz not null,
  -- completed, failed or cancelled.
  status text not null,
  prediction_id text,
  -- What complete_job was given to keep.
  result jsonb,
  primary key (id)
);
-- The views and the pruner, from either end.
create index finished_jobs_ended on private.finished_jobs (status, completed_at);
-- A user's own jobs, over the API.
create index finished_jobs_user on private.finished_jobs (fair_key, created_at) where fair_key is not null;

create table private.settings (
  only_row boolean primary key default true check (only_row),
  -- A job whose virtual time is this long ago is never overtaken again, whatever its priority.
  age_after interval not null default '10 minutes',
  -- How much later a user's next job is in virtual time for each one that is ready or running already.
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
  -- Jobs of one type that a user has running at once; further ones are blocked.
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

-- How many slots of a user are taken, by type of job: jobs that are ready or running (their column slot).
-- The row's lock makes the count exact. No foreign key: a job's user need not exist.
create table private.user_slots (
  fair_key uuid not null,
  job_type text not null,
  taken int not null,
  -- Slots given to the latest request, so that it learns from the same statement how many it got.
  granted int not null,
  -- How many the user's plan allowed at the latest request. While fewer are taken no job of the user is blocked; where
  -- a plan has come to allow more since, the cron looks.
  most int not null default 0,
  primary key (fair_key, job_type)
)
with (fillfactor = 50);

-- The ready queues that have ever had a job, by type and priority: what a claim looks through.
create table private.ready_queues (
  job_type text not null,
  priority int not null,
  -- Low-water mark (private.raise_low_water): no ready job of this queue has an earlier virtual time.
  low_time bigint not null default -9223372036854775808,
  -- The head when the mark was raised last: the next mark.
  head_time bigint not null default -9223372036854775808,
  primary key (job_type, priority)
)
with (fillfactor = 50);

-- Those that every deployment has, so that no two transactions wait for each other to make them.
insert into private.ready_queues (job_type, priority)
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
