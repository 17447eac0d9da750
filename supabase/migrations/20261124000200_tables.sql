-- All tables. Draw them in this order: users and what they see; the five tables of jobs; what claims look at besides;
-- plans, money and the provider; webhooks, live channel, stored files.
--
--   auth.users ─ profiles ─┬─ batch_generations ──┐
--                          ├─ image_generations ──┴─┬─ job_id ··> one of five tables of jobs
--                          └─ images ───────────────┘  (no foreign key: jobs are pruned, generations stay)
--
--   not started   unstarted_generations
--   who is next   user_slots, ready_queues, low_water
--   counts        job_deltas, folded into job_counts and running_counts; last_cron_run, cron_runs
--   what ended    roll_up, ended_counts, ended_times, daily_totals, daily_users, user_totals; what it needs beside the
--                 jobs: bookings, gone_jobs, gone_generations, gone_users, prediction_owners
--   limits        settings, plans and user_plans, usage, idempotency_keys
--   the provider  predictions, budget_deltas, folded into budget; provider_pause, refused_models, model_times
--   webhooks      webhook_secrets, webhook_deliveries
--   alerts        alert_rules, alerts, alert_receivers, alert_notices, alert_samples
--   live          live_listeners, told_subscriptions
--   files         removed_objects, storage_scan
--   operators     audit_log
--
-- `public` is exposed by the API. `private` never is: what users need of it is reached through the functions of the
-- last file and the view public.job_queue. Rights and policies of all tables stand there, too.
--
-- Each index stands below its table, with the query that needs it.

create schema if not exists private;
comment on schema private is 'Picture Queue: its own tables and functions, for nobody else to call or change.';

-- Users and what they see ---------------------------------------------------------------------------------------------

-- A table of this name that is there already is the app's: it keeps its columns, its rights and its rows, and gets a
-- row for each user. It gets no addresses either: others may be allowed to read it.
do $do$
begin
  if to_regclass('public.profiles') is not null then
    return;
  end if;
  create table public.profiles (
    id uuid primary key references auth.users on delete cascade,
    -- What users write themselves is bounded: characters.
    username text check (char_length(username) <= 255),
    email text,
    avatar_url text check (char_length(avatar_url) <= 2048),
    created_at timestamptz not null default now()
  );
  comment on table public.profiles is
  'A row for each user, with what others may be shown of them. A user reads and changes their own.';
  -- The address is the account's, whoever adds the row; the names are what its sign-up has told, where that is a text
  -- of a length that fits. A sign-up never fails for them.
  create function private.fill_profile() returns trigger
  language plpgsql security definer set search_path = '' as $$
  declare
    v_user record;
  begin
    select u.email, u.raw_user_meta_data as told into v_user from auth.users as u where u.id = new.id;
    new.email := coalesce(v_user.email, new.email);
    if new.username is null and jsonb_typeof(v_user.told -> 'username') = 'string'
      and char_length(v_user.told ->> 'username') <= 255
    then
      new.username := v_user.told ->> 'username';
    end if;
    if new.avatar_url is null and jsonb_typeof(v_user.told -> 'avatar_url') = 'string'
      and char_length(v_user.told ->> 'avatar_url') <= 2048
    then
      new.avatar_url := v_user.told ->> 'avatar_url';
    end if;
    return new;
  end
  $$;
  create trigger profiles_fill before insert on public.profiles
  for each row execute function private.fill_profile();
end
$do$;

create function private.create_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id) select u.id from auth.users as u where u.id = new.id
  on conflict (id) do nothing;
  return null;
end
$$;

-- Deferred: a trigger of the app's own that adds the row, and fails where there is one, comes first.
create constraint trigger picture_queue_profile after insert on auth.users
deferrable initially deferred
for each row execute function private.create_profile();

-- Users from before.
insert into public.profiles (id) select id from auth.users on conflict (id) do nothing;

-- The id of a model's row: the same for a name in every project, so that the Worker knows a model of the catalogue by
-- it without asking (shared/src/catalogue/mod.rs).
create function private.model_row_id(p_replicate_id text) returns uuid
language sql immutable set search_path = '' as $$
  select encode(substring(sha256(convert_to(p_replicate_id, 'UTF8')) from 1 for 16), 'hex')::uuid
$$;

create table public.models (
  -- private.model_row_id, where none is given.
  id uuid primary key,
  -- The model's name at the provider, owner/name. Requests name a model by it.
  replicate_id text unique not null,
  version text,
  name text,
  display_name text,
  description text,
  default_width int,
  default_height int,
  default_steps int,
  default_guidance_scale numeric,
  default_strength numeric,
  min_width int,
  min_height int,
  max_width int,
  max_height int,
  max_steps int,
  strength_min numeric,
  strength_max numeric,
  supported_aspect_ratios jsonb,
  -- A model without takes a source image alone: what is written to it is a title.
  supports_prompt boolean not null default true,
  supports_negative_prompt boolean not null default false,
  supports_seed boolean not null default false,
  -- Without a mask. One that takes a mask, and no source image without it, has false here.
  supports_img2img boolean not null default false,
  -- How many source images it takes; null: one, if it takes any.
  max_source_images int,
  supports_mask boolean not null default false,
  -- How many times as wide and as high as the source it makes an image, if it can be chosen: unless asked, and at most.
  default_scale numeric,
  max_scale numeric,
  -- What the provider asks, in US dollars: by cost_per_second where that is set, else for an image and its
  -- megapixels together (private.expected_cost, private.prediction_cost).
  cost_per_generation numeric,
  -- For each megapixel of the image, 1048576 pixels, rounded up.
  cost_per_megapixel numeric,
  -- For each megapixel of a source image, rounded up; null: none. It counts max_source_megapixels at most, and as many
  -- where its size is not known here; null: 16.
  cost_per_source_megapixel numeric,
  max_source_megapixels int,
  -- For a second that the model runs.
  cost_per_second numeric,
  -- Seconds that it usually runs, until runs have been measured.
  typical_seconds numeric,
  -- Where the price comes from: the legend is in shared/src/catalogue/models.json.
  price_source text,
  estimated_time_seconds numeric,
  is_active boolean not null default true,
  is_default boolean not null default false,
  sort_order int not null default 0,
  created_at timestamptz not null default now()
);

create function private.before_model_insert() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.id := coalesce(new.id, private.model_row_id(new.replicate_id));
  return new;
end
$$;

create trigger models_before_insert before insert on public.models
for each row execute function private.before_model_insert();

create table public.batch_generations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles on delete cascade,
  name text,
  total_count int not null default 0,
  completed_count int not null default 0,
  failed_count int not null default 0,
  cancelled_count int not null default 0,
  status text not null default 'pending'
    check (status in ('pending', 'processing', 'completed', 'partial', 'failed', 'cancelled')),
  model_id uuid references public.models on delete set null,
  model_version text,
  width int,
  height int,
  steps int,
  guidance_scale numeric,
  created_at timestamptz not null default now(),
  completed_at timestamptz
)
-- Rewritten at the end of each image, in columns that no index has: room on the page keeps the new version
-- beside the old one (HOT).
with (fillfactor = 50);
-- A user's batches, over the API.
create index batch_generations_user on public.batch_generations (user_id, created_at desc);
-- The foreign key.
create index batch_generations_model on public.batch_generations (model_id);

create table public.image_generations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles on delete cascade,
  prompt text not null,
  negative_prompt text,
  -- The model's name at the provider as it was when the request came; model_id may go away.
  model text,
  model_id uuid references public.models on delete set null,
  style text,
  width int,
  height int,
  steps int,
  guidance_scale numeric,
  -- The request's, or the one that its start has drawn.
  seed bigint,
  source_image_url text,
  generation_strength numeric,
  -- pending, processing, downloading, completed, failed or cancelled. One that waits is pending here, as its job is:
  -- the original's apps cancel what is pending. Answers call it queued, which written by hand means the same. What is
  -- written by hand is checked by private.before_generation_change: a CHECK is parsed anew by each statement, which
  -- is as dear as the statement.
  status text not null default 'pending',
  error_message text,
  -- From the start of the run to the stored image.
  generation_time_seconds numeric,
  replicate_prediction_id text,
  priority int not null default 0,
  retry_count int not null default 0,
  batch_id uuid references public.batch_generations on delete cascade,
  batch_index int,
  multi_group_id uuid,
  multi_index int,
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  -- The job 'generate-image' it was started with, the 'download-image' that stores its image, and the
  -- 'cancel-prediction' that stops its run. No foreign keys: jobs are pruned, generations stay.
  job_id uuid,
  download_job_id uuid,
  cancel_job_id uuid,
  -- Percent.
  progress smallint not null default 0,
  -- When it was last raised by what the model printed.
  progress_at timestamptz,
  -- What was changed to fit the model: [{field, requested, used, reason}].
  adjustments jsonb not null default '[]',
  operation text not null default 'generate',
  error_code text,
  cost_usd numeric,
  -- What it counts for in its user's money of that day until it is completed or fails: the model's price. Once it
  -- is cancelled, what its run has cost.
  reserved_usd numeric not null default 0,
  -- Null: in no day's. So is one for later, until it is due.
  reserved_on date,
  -- Cancelled, and what its prediction has cost is not known yet: what was reserved still counts.
  cost_open boolean not null default false,
  started_at timestamptz,
  -- The provider's own measure of the model's run.
  predict_time_seconds numeric,
  source_generation_id uuid references public.image_generations on delete set null,
  -- The upload that it starts from. No foreign key: the file goes before the generation.
  source_id uuid,
  -- Pixels that the request asked for; width and height are what is made of them. Null: the model's own.
  requested_width int,
  requested_height int,
  -- The request's shape (16:9) and file format, if it names them.
  aspect_ratio text,
  output_format text,
  -- How many times as wide and as high as the source image, if the request says so.
  scale numeric,
  -- Several source images, [{source_image_url | source_generation_id | source_id}]; null: none, or the one that the
  -- columns above name. A mask is named as one of them.
  sources jsonb,
  mask jsonb,
  -- The uploads among sources and mask.
  upload_ids uuid[],
  -- The model's version when it was started; null for a model that has none.
  model_version text,
  -- It was started with a source image, whether or not that is still there.
  has_source boolean not null default false,
  -- What its source images are billed as; 0 where the model bills none.
  source_megapixels int not null default 0,
  -- The generation that it came from: the one that it makes again, else the one whose image it starts from. No foreign
  -- key: a deletion would have to wait for those that came from it, and that it is gone changes nothing in them.
  parent_id uuid,
  -- What it holds of the budget: its expected cost, until its prediction has succeeded (then the ledger has the
  -- cost) or it has ended.
  budget_usd numeric not null default 0,
  -- Where its end is told.
  webhook_url text,
  -- Raised by every change that a listener sees (private.next_seq).
  seq bigint not null default 0,
  -- Two capital letters: where its request came from, as far as that is known.
  country text
)
-- Rewritten three or four times within a minute, all but the last time in columns that no index has (HOT),
-- then never again.
with (fillfactor = 70);
-- A user's generations by pages (private.list_generations).
create index image_generations_user on public.image_generations (user_id, created_at desc, id desc);
-- A user's open generations (completed_at is null), the oldest first, and those that ended last. Not by
-- status: what an index has may not change at each step, or no step would be HOT.
create index image_generations_ended on public.image_generations (user_id, completed_at, created_at);
-- The generations of a batch; the foreign key.
create index image_generations_batch on public.image_generations (batch_id) where batch_id is not null;
-- The foreign key.
create index image_generations_model on public.image_generations (model_id);
-- The foreign key.
create index image_generations_source on public.image_generations (source_generation_id)
where source_generation_id is not null;
-- What came from a generation, by pages (private.list_generations).
create index image_generations_parent on public.image_generations (parent_id, created_at desc, id desc)
where parent_id is not null;
-- Generations with a cancelled run whose cost is not known yet (private.close_open_costs).
create index image_generations_cost_open on public.image_generations (id) where cost_open;
-- Whether an open generation needs an upload (private.is_spent_source).
create index image_generations_upload on public.image_generations (source_id) where source_id is not null;
create index image_generations_uploads on public.image_generations using gin (upload_ids) where upload_ids is not null;

-- Generations that their users have inserted themselves, as the original's apps do, and that nobody has started yet
-- (private.start_inserted). A table of their own: no index of image_generations has to tell them from the others. No
-- foreign key: one that was deleted is passed over when its time is over.
create table private.unstarted_generations (
  generation_id uuid primary key,
  user_id uuid not null,
  created_at timestamptz not null default now()
);
-- How many a user has (private.before_own_insert).
create index unstarted_generations_user on private.unstarted_generations (user_id);
-- Those whose time is over (private.end_unstarted).
create index unstarted_generations_age on private.unstarted_generations (created_at);

create table public.images (
  id uuid primary key default gen_random_uuid(),
  generation_id uuid references public.image_generations on delete cascade,
  user_id uuid not null references public.profiles on delete cascade,
  filename text,
  storage_path text not null,
  public_url text not null,
  -- Bytes.
  file_size bigint,
  width int,
  height int,
  format text,
  prompt text,
  negative_prompt text,
  model text,
  style text,
  source_image_id uuid references public.images on delete set null,
  generation_strength numeric,
  blurhash text,
  is_public boolean not null default false,
  is_favorite boolean not null default false,
  -- Its owner's: stars, percent or thumbs, as the app has it.
  rating int check (rating between -100 and 100),
  download_count int not null default 0,
  -- Its owner's: a time that every client can read.
  archived_at timestamptz check (archived_at >= '1970-01-01Z' and archived_at < '10000-01-01Z'),
  created_at timestamptz not null default now()
);
-- One image for a generation, however often its storing is repeated. An index and no constraint: of a constraint
-- PostgREST would conclude that it is one to one, and embed an object where the original's apps read a list.
create unique index images_generation on public.images (generation_id);
-- A user's images, over the API.
create index images_user on public.images (user_id, created_at desc);
-- The foreign key.
create index images_source on public.images (source_image_id) where source_image_id is not null;
-- Whether a row names an object (private.is_unreferenced).
create index images_storage_path on public.images (storage_path);

-- Jobs ----------------------------------------------------------------------------------------------------------------
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
  -- Time decides how long it is tried, and no run uses an attempt (private.has_deadline). Of a generate-image job:
  -- when it is given up if nobody can serve it, set when it is first put off.
  retry_until timestamptz,
  -- Whose virtual time and slots it uses: the user it is made for, known to auth.users or not. Null: the system's own.
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
-- How many a user has (private.user_usage).
create index scheduled_jobs_user on private.scheduled_jobs (fair_key, job_type) where fair_key is not null;
-- The claim's look for what has expired.
create index scheduled_jobs_expiry on private.scheduled_jobs (expires_at) where expires_at is not null;
-- The next one of a type (private.queues_now).
create index scheduled_jobs_next on private.scheduled_jobs (job_type, scheduled_at);

create table private.blocked_jobs (like private.scheduled_jobs, primary key (id))
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- A user's next job when a slot becomes free.
create index blocked_jobs_next on private.blocked_jobs (fair_key, job_type, priority desc, seq);
-- The claim's look for what has expired.
create index blocked_jobs_expiry on private.blocked_jobs (expires_at) where expires_at is not null;
-- The oldest one of a type (private.queues_now).
create index blocked_jobs_oldest on private.blocked_jobs (job_type, created_at);

create table private.ready_jobs (
  like private.scheduled_jobs,
  -- Position in the order of its type and priority, in microseconds (private.next_time).
  virtual_time bigint not null,
  -- Takes one of its user's slots (private.user_slots counts them).
  slot boolean not null,
  -- Of a standing queue (private.is_standing); false is never wrong.
  standing boolean not null default false,
  primary key (id)
)
with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- A claim reads this one from its head.
create index ready_jobs_order on private.ready_jobs (job_type, priority desc, virtual_time, seq);
-- The same for jobs outside the standing queues, whatever their type: with a thousand queues a claim need not look at
-- each (private.pick_across).
create index ready_jobs_across on private.ready_jobs (priority desc, virtual_time, seq) where not standing;
-- A user's ready job of the lowest priority, which gives its slot to one of a higher (private.reorder_user).
create index ready_jobs_user on private.ready_jobs (fair_key, job_type, priority, seq desc) where slot;
-- The claim's look for what has expired.
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
  -- When it was claimed, once started_at is when its prediction was recorded.
  claimed_at timestamptz,
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

-- Who is next ---------------------------------------------------------------------------------------------------------

-- How many slots of a user are taken, by type of job: jobs that are ready or running (their column slot).
-- The row's lock makes the count exact. No foreign key: a job's user need not exist.
-- There is one row for a user and type, which private.lock_slots makes. It gets a higher version with one change in 32
-- (private.next_version) and is looked up from the highest: a lookup meets only what has died since, and not each
-- version that an old snapshot keeps.
create type private.blocked_mark as (priority int, seq bigint);
create table private.user_slots (
  fair_key uuid not null,
  job_type text not null,
  version bigint not null default 0,
  taken int not null,
  -- How many the user's plan allowed at the latest request. While fewer are taken no job of the user is blocked; where
  -- a plan has come to allow more since, the cron looks.
  most int not null default 0,
  -- Low-water marks of the user's blocked jobs: none of that priority has a lower seq. Null while there is nothing to
  -- step over (private.raise_blocked_mark).
  passed private.blocked_mark[],
  primary key (fair_key, job_type, version)
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

-- Low-water marks of the other three indexes that a claim reads: no live entry is before the mark.
create table private.low_water (
  only_row boolean primary key default true check (only_row),
  lease_expires_at timestamptz not null default '-infinity',
  scheduled_at timestamptz not null default '-infinity',
  expires_at timestamptz not null default '-infinity',
  -- No blocked job was created before, unless it has come to be blocked since the cron last ran.
  blocked_at timestamptz not null default '-infinity',
  raised_at timestamptz not null default '-infinity',
  -- No ready job has an earlier virtual time, unless it was committed ten seconds after it was given it.
  oldest_time bigint not null default -9223372036854775808
)
with (fillfactor = 50);
insert into private.low_water default values;

-- Counts of jobs, and the cron's last run -----------------------------------------------------------------------------
--
-- How many jobs there are of each type and status, without counting them. Every step appends what it moves, one row
-- for a type and a move, in its own transaction: no row is shared, so nothing waits, and what is rolled back was never
-- counted. The cron folds the rows into the totals; a reader adds up both, in one snapshot.

create table private.job_deltas (
  job_type text not null,
  -- Where the jobs came from; null: they are new, or go on as what they were.
  from_status text,
  -- Where they are now; null: deleted, or pending as before.
  status text,
  -- The hour (UTC) in which a finished job ended; -infinity for jobs that are not finished.
  hour timestamptz not null default '-infinity',
  jobs int not null,
  -- Attempts of these jobs, before and after.
  from_attempts int not null default 0,
  attempts int not null default 0,
  -- Jobs whose run time is known, and their sum in seconds.
  measured int not null default 0,
  seconds double precision not null default 0,
  oldest timestamptz,
  newest timestamptz,
  -- By how many more, or fewer, of the type are blocked and scheduled; null: as many. The other pending ones are ready.
  blocked int,
  scheduled int,
  -- The minute in which the run began of jobs that come to run, or have run.
  run_minute timestamptz
)
-- Filled and emptied all the time, and read whole.
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create table private.job_counts (
  job_type text not null,
  status text not null,
  hour timestamptz not null,
  jobs bigint not null,
  attempts bigint not null,
  measured bigint not null,
  seconds double precision not null,
  -- Of all that ever ended in that hour: a job that is taken back later does not move them.
  oldest timestamptz,
  newest timestamptz,
  -- Of those that are pending.
  blocked bigint not null default 0,
  scheduled bigint not null default 0,
  primary key (job_type, status, hour)
)
with (fillfactor = 50);

-- How many jobs run whose run began in that minute: which of them run for too long, without looking at the others.
create table private.running_counts (
  job_type text not null,
  minute timestamptz not null,
  jobs bigint not null,
  primary key (job_type, minute)
)
with (fillfactor = 50);

-- When the cron last ran, and what it did.
create table private.last_cron_run (
  only_row boolean primary key default true check (only_row),
  -- Null: it has never run.
  ran_at timestamptz,
  stats jsonb,
  -- What it found (private.note_findings): images that are made and not stored, and until when the provider keeps the
  -- first of them; what was spent that day and in its month, of what had ended.
  outputs_at_risk int,
  outputs_until timestamptz,
  spent_day date,
  spent_today_usd numeric,
  spent_this_month_usd numeric,
  -- When a first run that has not come counts as one that was missed: Cloudflare takes up to 15 minutes until a new
  -- trigger runs, https://developers.cloudflare.com/workers/configuration/cron-triggers/.
  first_run_by timestamptz not null default now() + interval '15 minutes',
  check ((ran_at is null) = (stats is null))
);
insert into private.last_cron_run default values;

-- The runs of a day: each minute writes over what it wrote a day before (private.note_run).
create table private.cron_runs (
  minute int primary key check (minute between 0 and 1439),
  ran_at timestamptz not null,
  -- Since the run before.
  gap_seconds numeric,
  stats jsonb not null,
  -- Ends that its roll-up took in.
  rolled_up int not null
)
with (fillfactor = 50);

-- What has ended, rolled up -------------------------------------------------------------------------------------------
--
-- The cron adds each job that has ended to these once, a little later (private.roll_up_ended): what reads them costs
-- what it shows, however many jobs there are.

create table private.roll_up (
  only_row boolean primary key default true check (only_row),
  -- What has ended until then has been added.
  counted_until timestamptz not null default now(),
  -- And from then on: what was moved here had ended before.
  since timestamptz not null default now()
);
insert into private.roll_up default values;

-- Jobs that have ended, by minutes (kept for six hours and a bit) and by quarters of an hour (14 days).
create table private.ended_counts (
  -- 60 or 900.
  seconds int not null,
  -- When the time begins.
  at timestamptz not null,
  job_type text not null,
  completed int not null,
  failed int not null,
  cancelled int not null,
  primary key (seconds, at, job_type)
)
with (fillfactor = 50);

-- How long they waited and ran: how many stand in each class of times (private.time_class).
create table private.ended_times (
  seconds int not null,
  at timestamptz not null,
  job_type text not null,
  -- wait or run.
  measure text not null,
  class smallint not null,
  jobs int not null,
  primary key (seconds, at, job_type, measure, class)
)
with (fillfactor = 50);

-- Generations that have ended and what predictions have cost, by days (UTC), kept for 400: of everybody, and of each
-- user. Unknown is ''. The roll-up alone writes these.
create table private.daily_totals (
  day date not null,
  -- The model's name at the provider.
  model text not null,
  -- completed, failed or cancelled: of a generation its end, of a cost the end of the prediction.
  status text not null,
  country text not null,
  error_code text not null,
  generations bigint not null,
  -- From the start of the run to the stored image, of completed ones.
  seconds numeric not null,
  -- As the ledger (private.predictions) has it, on the day on which the prediction ended.
  cost_usd numeric not null,
  primary key (day, model, status, country, error_code)
)
with (fillfactor = 50);

-- No foreign key: an account's go with the next roll-up (private.gone_users).
create table private.daily_users (
  user_id uuid not null,
  like private.daily_totals,
  primary key (user_id, day, model, status, country, error_code)
)
with (fillfactor = 50);
-- The users of one day (private.admin_analytics), and those whose time is over.
create index daily_users_day on private.daily_users (day, user_id);

-- The same added up, of each user for a day (kept for 35) and for a month (14): who has used most.
create table private.user_totals (
  user_id uuid not null,
  -- day or month.
  period text not null,
  -- Its first day.
  since date not null,
  completed bigint not null,
  failed bigint not null,
  cancelled bigint not null,
  generations bigint not null,
  cost_usd numeric not null,
  primary key (user_id, period, since)
)
with (fillfactor = 50);
-- The most first (private.admin_users).
create index user_totals_cost on private.user_totals (period, since, cost_usd desc, user_id desc);
create index user_totals_generations on private.user_totals (period, since, generations desc, user_id desc);

-- What a roll-up cannot see in the jobs that have ended (*_bookings.sql). All of it is rare, so that no usual step
-- writes here; a roll-up takes it in and deletes it.

-- Changes of the daily roll-ups: what a prediction has cost where it has not completed its job, what puts a cost
-- right, and ends that were taken back.
create table private.bookings (
  id bigint generated always as identity primary key,
  -- When it happened: it is added with what ended by then.
  at timestamptz not null,
  user_id uuid,
  day date not null,
  model text not null,
  status text not null,
  country text not null,
  error_code text not null,
  generations int not null default 0,
  cost_usd numeric not null default 0,
  -- The prediction whose cost was changed after it had completed its job.
  corrects text
)
with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);
-- What a roll-up takes in.
create index bookings_at on private.bookings (at);
-- What has been put right of a cost that it takes in itself.
create index bookings_corrects on private.bookings (corrects) where corrects is not null;

-- Jobs that had ended and are no more, or have another end, since the last roll-up.
create table private.gone_jobs (
  id uuid not null,
  completed_at timestamptz not null,
  job_type text not null,
  status text not null,
  scheduled_at timestamptz not null,
  started_at timestamptz,
  prediction_id text,
  primary key (id, completed_at)
);
create index gone_jobs_ended on private.gone_jobs (completed_at);

-- The same of generations; and those that ended without a job.
create table private.gone_generations (
  id uuid not null,
  completed_at timestamptz not null,
  user_id uuid not null,
  model text not null,
  status text not null,
  country text not null,
  error_code text not null,
  seconds numeric not null,
  primary key (id, completed_at)
);
create index gone_generations_ended on private.gone_generations (completed_at);

-- Accounts that were deleted, whose rows the next roll-up deletes.
create table private.gone_users (
  user_id uuid primary key,
  deleted_at timestamptz not null default now()
);
-- The first ones.
create index gone_users_age on private.gone_users (deleted_at);

-- Whose the predictions of deleted generations were, as far as something is still to be booked of them. With an account
-- its id goes, and the country stays.
create table private.prediction_owners (
  prediction_id text primary key,
  user_id uuid,
  country text not null
);
-- Those of an account (private.after_user_delete).
create index prediction_owners_user on private.prediction_owners (user_id) where user_id is not null;

-- Settings, plans and what is used of them ----------------------------------------------------------------------------

create table private.settings (
  only_row boolean primary key default true check (only_row),
  -- A job whose virtual time is this long ago is never overtaken again, whatever its priority.
  age_after interval not null default '10 minutes',
  -- How much later a user's next job is in virtual time for each one that is ready or running already.
  virtual_time_step interval not null default '10 seconds',
  -- Images made at the same time, for estimates.
  parallel_images int not null default 3 check (parallel_images >= 1),
  -- Origins that a webhook's address may have although they are not public https ones, for local development. The
  -- Workers have a list of their own, WEBHOOK_ALLOWED_ORIGINS: both must agree.
  webhook_allowed_origins text[] not null default '{}',
  -- What a start reserves for an image of a model that has no price of its own. Null: such a model is refused
  -- wherever money is limited. US dollars.
  default_price_usd numeric check (default_price_usd >= 0),
  -- What everybody together may spend in a day and in a month (UTC), US dollars. Null: no bound.
  budget_per_day_usd numeric check (budget_per_day_usd >= 0),
  budget_per_month_usd numeric check (budget_per_month_usd >= 0),
  -- Pixels. How wide thumbnail_url of an image is, by Supabase's image transformation, which a project must have. Null:
  -- thumbnail_url is the image itself.
  thumbnail_width int check (thumbnail_width between 16 and 2500),
  -- All of private.refused_words in one regular expression, which a start looks for in its prompts. Null: none.
  refused_prompts text
);
insert into private.settings default values;

-- What no prompt may have in it (private.check_prompts).
create table private.refused_words (
  -- A word or a phrase, found as a whole and whatever its case; or, with is_pattern, a regular expression.
  word text primary key check (length(word) between 1 and 200),
  is_pattern boolean not null default false,
  -- What the user is told. Null: a general sentence.
  message text check (length(message) between 1 and 300),
  added_at timestamptz not null default now()
);

-- What a user may do; null is no limit. A user without a row in user_plans has the plan 'default'.
create table private.plans (
  name text primary key,
  requests_per_minute int,
  images_per_day int,
  priorities text[] not null default '{low,normal,high}',
  -- Jobs of one type that a user has running at once; further ones are blocked.
  running_jobs int check (running_jobs >= 1),
  -- US dollars a day (UTC), by the models' prices.
  money_per_day numeric,
  -- Source images that a user has stored at the same time.
  stored_sources int default 100
);
insert into private.plans (name, requests_per_minute, images_per_day, running_jobs)
values ('default', 60, 500, 5);

create table private.user_plans (
  user_id uuid primary key references auth.users on delete cascade,
  plan text not null references private.plans
);
-- The foreign key.
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
  day_cost numeric not null default 0,
  -- The same in the month of that day. No plan limits it: it is for its user to see (private.user_usage).
  month_cost numeric not null default 0
)
-- Rewritten by every request: room on the page keeps the new version beside the old one (HOT).
with (fillfactor = 50);

-- Answers already given, kept for 24 hours. No foreign key: every start holds the account's row, and
-- private.after_user_delete removes them.
create table private.idempotency_keys (
  user_id uuid not null,
  key text not null,
  request_hash text not null,
  -- Of which the answer is made (private.start_answer).
  batch_id uuid,
  generations jsonb not null,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);
-- Those whose time is over (private.prune_jobs).
create index idempotency_keys_age on private.idempotency_keys (created_at);

-- The provider: predictions, budget, pause ----------------------------------------------------------------------------

-- The ledger: the provider's predictions, one row each, and what they cost. Written inside the steps that learn of
-- them: no step takes a further round trip. Not for users: what an image cost its user stands in
-- image_generations.cost_usd.
create table private.predictions (
  -- The provider's.
  id text primary key,
  -- No foreign keys: jobs are pruned and generations deleted, what was paid stays.
  job_id uuid not null,
  generation_id uuid,
  -- Which of the job's attempts it was, from 1, and the lease then.
  attempt int not null,
  lease bigint not null,
  -- The model's name at the provider.
  model text,
  -- How we came to know of it: by the answer to our create, from the provider's list, from a webhook.
  source text not null check (source in ('created', 'adopted', 'webhook')),
  recorded_at timestamptz not null default now(),
  -- When we were told that it had ended. Null: it runs, as far as we know.
  ended_at timestamptz,
  -- The provider's word for how it ended: succeeded, failed, canceled, aborted. 'unknown': we gave it up.
  status text,
  -- Seconds that the model ran, by the provider's own measure.
  predict_time numeric,
  -- US dollars; null where it is not known.
  cost_usd numeric,
  -- We stop it: no job wants it.
  is_unwanted boolean not null default false,
  -- When it completed its job, in the step that told its end: the roll-up finds its cost by that job.
  closed_at timestamptz
);
-- All attempts of one generation: what operators ask for (docs/operations/operate.md).
create index predictions_generation on private.predictions (generation_id);
-- Those whose time is over (private.prune_predictions), and the newest (private.is_account_refused).
create index predictions_age on private.predictions (recorded_at);

-- What is spent and reserved of the budget (private.settings), once one is set.
create table private.budget (
  only_row boolean primary key default true check (only_row),
  day date not null default '-infinity',
  day_spent numeric not null default 0,
  -- Its first day.
  month date not null default '-infinity',
  month_spent numeric not null default 0,
  reserved numeric not null default 0,
  -- How much of it, in percent, has been alerted of in that time: 0, 80 or 100.
  day_alert int not null default 0,
  month_alert int not null default 0
)
with (fillfactor = 50);
insert into private.budget default values;

-- What is not in private.budget yet.
create table private.budget_deltas (
  id bigint generated always as identity primary key,
  day date not null,
  spent numeric not null default 0,
  reserved numeric not null default 0
)
with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);

-- While the provider refuses to create predictions, to everybody, none is asked for.
create table private.provider_pause (
  only_row boolean primary key default true check (only_row),
  -- It ends by itself.
  until timestamptz not null default '-infinity',
  since timestamptz,
  -- throttled: 429. account: 401, 402 or 403, which a person must settle. outage: no answer, or an error of the
  -- provider's own.
  reason text check (reason in ('throttled', 'account', 'outage')),
  -- The provider's HTTP status; 503 for every outage.
  code int,
  -- Nothing has been created since it began.
  probing boolean not null default false,
  -- Nobody else is let out to try before that.
  probe_until timestamptz not null default '-infinity',
  -- How often it was taken up again in one outage: each time it lasts longer.
  failures int not null default 0,
  -- What operators pause (private.admin_pause): all job types, these, images of these models. Here and not in a table
  -- of its own: each claim reads this row anyway.
  all_paused boolean not null default false,
  paused_types text[] not null default '{}',
  paused_models text[] not null default '{}'
)
with (fillfactor = 50);
insert into private.provider_pause default values;

-- Models that the provider refuses: not there any more, not for us, or their version gone.
create table private.refused_models (
  -- The model's name at the provider.
  model text primary key,
  since timestamptz not null,
  -- Until then nobody asks the provider for it.
  until timestamptz not null,
  -- One start is let in to try; the next one not before this.
  probe_until timestamptz not null default '-infinity',
  -- The provider's status: 403, 404 or 422.
  status int not null,
  -- How often a try has failed: each doubles the wait.
  refusals int not null default 1
);

-- How long a model's runs take: a mean in which older runs fade.
create table private.model_times (
  model_id uuid primary key references public.models on delete cascade,
  seconds numeric not null,
  -- How many have been counted in.
  runs bigint not null
)
with (fillfactor = 50);

-- Webhooks ------------------------------------------------------------------------------------------------------------

-- What a user's webhooks are signed with. One is current; after a rotation the old one signs as well
-- until it expires.
create table private.webhook_secrets (
  secret text primary key,
  user_id uuid not null references auth.users on delete cascade,
  created_at timestamptz not null default now(),
  -- Null for the current one.
  expires_at timestamptz
);
-- One current secret for each user (private.ensure_webhook_secret).
create unique index webhook_secrets_current on private.webhook_secrets (user_id) where expires_at is null;
-- A user's secrets (private.webhook_message); the foreign key.
create index webhook_secrets_user on private.webhook_secrets (user_id);
-- Those whose time is over (private.prune_webhooks).
create index webhook_secrets_expiry on private.webhook_secrets (expires_at) where expires_at is not null;

-- One row for each end of a generation that is announced, kept for 30 days: what is sent, and the log.
create table private.webhook_deliveries (
  id uuid primary key default gen_random_uuid(),
  generation_id uuid not null references public.image_generations on delete cascade,
  ended_at timestamptz not null,
  event_type text not null
    check (event_type in ('generation.completed', 'generation.failed', 'generation.cancelled')),
  url text not null,
  -- {type, timestamp, data} as it stood at that end: as text, so that every attempt sends the same bytes.
  body text not null,
  -- gone: the receiver answered 410.
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed', 'gone')),
  -- The last 20: [{attempt, at, status, duration_ms, error, response}].
  attempts jsonb not null default '[]',
  -- No foreign key: jobs are pruned, the log stays.
  job_id uuid,
  resent_at timestamptz,
  -- A generation that is brought back ends again: another event.
  unique (generation_id, ended_at)
);
-- The deliveries whose time is over (private.prune_webhooks).
create index webhook_deliveries_age on private.webhook_deliveries (ended_at);
-- The delivery that a job sends (private.record_delivery).
create index webhook_deliveries_job on private.webhook_deliveries (job_id);

-- Alerts --------------------------------------------------------------------------------------------------------------

-- What operators are told of, and when. private.alert_values measures a value for each; operators change all but the
-- name and the comparison (private.set_alert_rule).
create table private.alert_rules (
  name text primary key,
  -- What a notice begins with.
  title text not null,
  severity text not null check (severity in ('warning', 'critical')),
  comparison text not null check (comparison in ('over', 'at_least', 'under')),
  threshold numeric not null,
  -- How long the value must be beyond the threshold before anybody is told.
  holds interval not null default '0' check (holds between '0' and '1 day'),
  -- How often an open alert is told again. Null: never.
  repeats interval default '4 hours' check (repeats between '5 minutes' and '30 days'),
  is_on boolean not null default true
);
insert into private.alert_rules (name, title, severity, comparison, threshold, holds)
values
  ('cron_stopped', 'The cron does not run', 'critical', 'over', 180, '0'),
  ('queue_depth', 'Jobs pile up', 'warning', 'over', 50, '5 minutes'),
  ('success_rate', 'Images fail', 'warning', 'under', 90, '2 minutes'),
  ('stuck_jobs', 'Jobs are stuck', 'warning', 'over', 0, '3 minutes'),
  ('outputs_at_risk', 'Paid images may be lost', 'critical', 'over', 0, '2 minutes'),
  ('budget_near', 'The budget is nearly used up', 'warning', 'at_least', 80, '0'),
  ('budget_used_up', 'The budget is used up', 'critical', 'at_least', 100, '0'),
  ('provider_refuses', 'The provider refuses our account', 'critical', 'over', 0, '0'),
  ('provider_down', 'The provider creates nothing', 'critical', 'over', 0, '5 minutes'),
  ('model_refused', 'The provider refuses a model', 'warning', 'over', 0, '0'),
  ('webhooks_failing', 'Webhook receivers fail', 'warning', 'over', 20, '10 minutes'),
  ('realtime_unread', 'Subscriptions of Realtime cannot be read', 'warning', 'over', 0, '0');

-- Where each rule stands.
create table private.alerts (
  rule text primary key references private.alert_rules on delete cascade,
  is_open boolean not null default false,
  -- Since when the value has been beyond the threshold, while it has not lasted long enough.
  pending_since timestamptz,
  opened_at timestamptz,
  -- Since when the value of an open alert has been on the right side again.
  clear_since timestamptz,
  resolved_at timestamptz,
  last_sent_at timestamptz,
  -- How often in a row it came back within an hour: each time it must stay clear twice as long.
  comebacks int not null default 0,
  value numeric,
  detail text
)
-- Rewritten while an alert is open.
with (fillfactor = 50);
insert into private.alerts (rule) select name from private.alert_rules;

-- Whom notices are sent to. url and secret stand here alone: no answer, log or job has them.
create table private.alert_receivers (
  name text primary key check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  kind text not null check (kind in ('slack', 'discord', 'json', 'email')),
  url text not null,
  -- json: what signs. email: the mailer's token.
  secret text,
  -- email: the header that carries the token, and the body with {subject} and {text}.
  header text,
  template jsonb,
  -- What its notices begin with, where several installations tell the same receiver.
  label text check (char_length(label) between 1 and 60),
  least_severity text not null default 'warning' check (least_severity in ('warning', 'critical')),
  is_on boolean not null default true,
  tested_at timestamptz
);

-- What was sent to whom, kept for 30 days.
create table private.alert_notices (
  id uuid primary key default gen_random_uuid(),
  at timestamptz not null default now(),
  receiver text not null references private.alert_receivers on delete cascade,
  -- Null: a test.
  rule text references private.alert_rules on delete cascade,
  kind text not null check (kind in ('raised', 'repeated', 'resolved', 'test')),
  -- As text, so that every attempt sends the same bytes.
  body text not null,
  -- cancelled: its job was, before it was delivered.
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed', 'gone', 'cancelled')),
  -- The last attempt: {attempt, at, status, duration_ms, error, response}.
  last_attempt jsonb,
  -- No foreign key: jobs are pruned, the log stays.
  job_id uuid
);
-- Those that wait for what their job comes to (private.end_notices).
create index alert_notices_pending on private.alert_notices (at) where status = 'pending';
-- The newest (private.alert_state), and those whose time is over (private.prune_alert_notices).
create index alert_notices_age on private.alert_notices (at);
-- The newest of a receiver (private.alert_state); the foreign key.
create index alert_notices_receiver on private.alert_notices (receiver, at);
-- The foreign key.
create index alert_notices_rule on private.alert_notices (rule);

-- What had ended in the hour of each run of the cron by then, of the last 20 minutes: the difference to now is what has
-- ended since.
create table private.alert_samples (
  at timestamptz primary key,
  made bigint not null,
  failed bigint not null
);

-- The live channel ----------------------------------------------------------------------------------------------------

-- Users that somebody listens to.
create table private.live_listeners (
  user_id uuid primary key references auth.users on delete cascade,
  until timestamptz not null
);
-- Those whose time is over (private.prune_listeners).
create index live_listeners_until on private.live_listeners (until);

-- Subscriptions of Supabase Realtime that private.tell_late_subscribers has dealt with: their ids in
-- realtime.subscription, which is not ours to refer to or to write in.
create table private.told_subscriptions (
  id bigint primary key,
  told_at timestamptz not null default now()
);

-- Stored files --------------------------------------------------------------------------------------------------------

-- Files of rows that are no more, until the cron makes jobs of them: deleting a user with 10,000 images
-- deletes the rows one by one, and is to be 100 jobs.
create table private.removed_objects (
  id bigint generated always as identity primary key,
  name text not null,
  bucket text not null default 'generated-images',
  -- Not before: somebody may still be uploading.
  due_at timestamptz not null default now()
);
-- The next ones to make jobs of (private.sweep_storage).
create index removed_objects_due on private.removed_objects (due_at, id);

-- How far the look through the bucket has come.
create table private.storage_scan (
  only_row boolean primary key default true check (only_row),
  -- Older objects are left alone: after a move they may be there before their rows are.
  objects_since timestamptz not null default now(),
  began_at timestamptz not null default '-infinity',
  -- Names up to this one have been looked at; null: all of them.
  after_name text,
  -- The same in source-images, which is looked through again and again.
  after_source text not null default '',
  -- The jobs made of what was found there; while one is open, no further ones are made.
  source_jobs uuid[] not null default '{}'
);
insert into private.storage_scan default values;

-- Operators -----------------------------------------------------------------------------------------------------------

-- What operators have done through the functions admin_…, written with it (private.note_action). Never deleted.
create table private.audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  -- No foreign key: what an account has done stays. Null: a server with the secret key, or SQL.
  actor uuid,
  -- As which role: authenticated (an admin), service_role, or who was connected to the database.
  role text not null,
  action text not null,
  -- What private.get_state and private.set_state know it by. Null: it cannot be undone.
  subject text,
  target text,
  reason text not null,
  before jsonb,
  after jsonb,
  -- The entry that took it back, and the one that it takes back.
  undone_by bigint,
  undoes bigint
);
-- Of one actor, one target or one action, the newest first (private.admin_audit).
create index audit_log_actor on private.audit_log (actor, id desc) where actor is not null;
create index audit_log_target on private.audit_log (target, id desc) where target is not null;
create index audit_log_action on private.audit_log (action, id desc);
