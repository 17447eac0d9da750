-- What moves a job, in seven files: this one, *_slots.sql (whose turn it is), *_job_rows.sql, *_enqueue.sql,
-- *_claim.sql, *_outcomes.sql and *_writes_by_hand.sql. Its life, from table to table; private.insert_job,
-- private.claim_jobs and private.complete_job are the three functions to begin with:
--
--   enqueue ─┬─► ready_jobs ────── claim ──────► running_jobs ────── end ──────► finished_jobs ─── prune ──► gone
--            │      ▲   │                        │   ▲  │           (completed, failed, cancelled)
--            │ slot │   │ outranked by      retry,   └──┘
--            │ free │   ▼ a higher priority snooze   rescue: the lease ran out, another claim takes it
--            ├─► blocked_jobs                    │
--            │      ▲                            │
--            │      │ due, no slot free (else ready)
--            └─► scheduled_jobs ◄────────────────┘
--
-- Besides: a pending job (in one of the three tables on the left) ends when it is cancelled, when it expires, when its
-- user may not have it any more (private.reserve_due), or when its prediction turns out to have ended. What follows
-- from a step comes in running (private.insert_running), and so does a start's one job that is next at once
-- (private.insert_leased). A failed job comes back by requeue_job, or is completed by a prediction that ended later
-- than was thought.
--
-- Beside the job each step writes, in the same transaction: user_slots (a ready or running job of a limited type takes
-- one of its user's slots), job_deltas (what `queue_health` counts), ready_queues (which queues a claim looks at).
--
-- Rows are locked in this order: account; job (of many, by id); a ready queue that is new (whoever opens the same one
-- waits); the job's generation and its user's slots (of many, by key), in either order, for a generation is locked
-- under its job's lock only; predictions before a generation whose job is not locked; usage; batch; budget. Claims skip
-- what is locked; the marks are last.
--
-- Every function that looks rows up pins `enable_seqscan = off`: plpgsql keeps its plans for the life of a connection,
-- and one made while a table was empty would read it whole for as long as statistics lag behind. And `jit = off` with
-- it: where a scan is all there is, of a table of one row say, that setting makes the plan look like the dearest there
-- can be, and a Postgres built with LLVM would compile it before it runs: half a second for a claim of one millisecond.
-- And `plan_cache_mode = force_generic_plan`: such a cost does not tell whether a plan for all arguments is as good as
-- one for these, and each call would be planned anew.

-- All jobs as one table -----------------------------------------------------------------------------------------------
--
-- What the API, operators and the original's users read and write by hand. The steps write the tables themselves.

-- The first branch names the columns.
-- noqa: disable=AL03,AL08
create view public.job_queue with (security_invoker = true) as
select
  id, job_type, payload, 'pending'::text as status, attempts, max_attempts, scheduled_at,
  null::timestamptz as started_at, null::timestamptz as completed_at, error_message, error_details,
  fair_key as created_by, priority, created_at, created_at as updated_at, lease, null::timestamptz as lease_expires_at,
  null::jsonb as result, null::text as prediction_id, false as outcome_unknown, false as rescued,
  generation_id, expires_at, retry_until, fair_key,
  -- A pending job is scheduled (neither blocked nor ready), blocked, or ready since ready_at. Claims see ready ones.
  null::timestamptz as ready_at, false as blocked, false as slot, null::bigint as virtual_time, seq
from private.scheduled_jobs
union all
select
  id, job_type, payload, 'pending', attempts, max_attempts, scheduled_at,
  null, null, error_message, error_details,
  fair_key, priority, created_at, created_at, lease, null,
  null, null, false, false,
  generation_id, expires_at, retry_until, fair_key,
  null, true, false, null, seq
from private.blocked_jobs
union all
select
  id, job_type, payload, 'pending', attempts, max_attempts, scheduled_at,
  null, null, error_message, error_details,
  fair_key, priority, created_at, created_at, lease, null,
  null, null, false, false,
  generation_id, expires_at, retry_until, fair_key,
  greatest(created_at, scheduled_at), false, slot, virtual_time, seq
from private.ready_jobs
union all
select
  id, job_type, payload, 'processing', attempts, max_attempts, scheduled_at,
  started_at, null, error_message, error_details,
  fair_key, priority, created_at, started_at, lease, lease_expires_at,
  null, prediction_id, outcome_unknown, rescued,
  generation_id, expires_at, retry_until, fair_key,
  null, false, slot, null, seq
from private.running_jobs
union all
select
  id, job_type, payload, status, attempts, max_attempts, scheduled_at,
  started_at, completed_at, error_message, error_details,
  fair_key, priority, created_at, completed_at, lease, null,
  result, prediction_id, false, false,
  generation_id, expires_at, retry_until, fair_key,
  null, false, false, null, seq
from private.finished_jobs;
-- noqa: enable=AL03,AL08

alter view public.job_queue alter column id set default gen_random_uuid();
alter view public.job_queue alter column payload set default '{}';
alter view public.job_queue alter column status set default 'pending';
alter view public.job_queue alter column attempts set default 0;
alter view public.job_queue alter column max_attempts set default 3;
alter view public.job_queue alter column scheduled_at set default now();
alter view public.job_queue alter column priority set default 0;
alter view public.job_queue alter column created_at set default now();
alter view public.job_queue alter column lease set default 0;
alter view public.job_queue alter column outcome_unknown set default false;
alter view public.job_queue alter column rescued set default false;
alter view public.job_queue alter column blocked set default false;
alter view public.job_queue alter column slot set default false;

-- Which of the five tables a job stands in: its state.
create function private.state_of(p_job public.job_queue) returns text
language sql stable
return case
  when p_job.id is null then 'nowhere'
  when p_job.status = 'processing' then 'running'
  when p_job.status <> 'pending' then 'finished'
  when p_job.blocked then 'blocked'
  when p_job.virtual_time is not null then 'ready'
  else 'scheduled'
end;

-- Small things that many functions need -------------------------------------------------------------------------------

-- A function of SQL whose body is one expression is put in the place of its call; with settings of its own, or
-- immutable and called with constants, it would be planned anew at each call, which costs more than most statements.

-- Refuses a call with an answer that PostgREST hands on as HTTP: status, a sentence, a stable code.
-- p_retry_after: seconds until it is worth trying again; p_limit: which of the plan's limits it met.
create function private.refuse(
  p_status int, p_code text, p_message text, p_retry_after int = null, p_limit text = null
) returns void
language plpgsql set search_path = '' as $$
begin
  if p_retry_after is null then
    raise exception using errcode = 'PT' || p_status, message = p_message, detail = p_code;
  end if;
  raise exception using errcode = 'PT' || p_status, message = p_message, detail = p_code,
    hint = concat_ws(' ', 'retry_after=' || p_retry_after, 'limit=' || p_limit);
end
$$;

-- Refuses a member of a request for what it holds.
create function private.refuse_field(p_field text, p_message text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PT422', message = p_message, detail = 'invalid_request',
    hint = 'field=' || p_field;
end
$$;

-- The jobs that a plan limits. What follows an image already made is not: holding it back would only
-- put a paid image at risk.
create function private.is_limited(p_fair_key uuid, p_job_type text) returns boolean
language sql stable
return p_fair_key is not null
  and p_job_type <> all('{download-image,process-webhook,cleanup-storage,cancel-prediction}'::text[]);

-- Jobs that are tried until a time, however often.
create function private.has_deadline(p_job_type text, p_retry_until timestamptz) returns boolean
language sql stable
return p_retry_until is not null and p_job_type <> 'generate-image';

-- From how many ready queues on a claim looks across them: that costs as much as a dozen heads.
create function private.many_queues() returns int
language sql stable
return 17;

-- So many dead rows, by the statistics, that reading over their entries costs more than keeping low-water marks.
create function private.has_many_dead(p_table regclass) returns boolean
language sql stable
return pg_stat_get_dead_tuples(p_table) > 2000;

-- The standing ready queues are those that every deployment has: so few that a claim may look at each.
create function private.standing_types() returns text[]
language sql stable
return '{generate-image,download-image,cancel-prediction,process-webhook,cleanup-storage}'::text[];

create function private.is_standing(p_job_type text, p_priority int) returns boolean
language sql stable
return p_job_type = any(private.standing_types()) and p_priority = any('{-10,0,10,100}'::int[]);

-- They are there from the beginning, so that no two transactions wait for each other to make them.
insert into private.ready_queues (job_type, priority)
values ('generate-image', -10), ('generate-image', 0), ('generate-image', 10),
  ('download-image', 100), ('cancel-prediction', 100), ('process-webhook', -10), ('process-webhook', 0),
  ('cleanup-storage', -10);

-- Job types whose end is their generation's end.
create function private.carries_generation(p_job_type text) returns boolean
language sql stable
return p_job_type in ('generate-image', 'download-image');

-- Those that end what was begun: they go on while operators pause the whole queue.
create function private.is_ending(p_job_type text) returns boolean
language sql immutable
return p_job_type in ('download-image', 'cancel-prediction', 'process-webhook');

-- Null where it is none. Asking Postgres first needs version 16; reading it takes a subtransaction.
create function private.read_uuid(p_text text) returns uuid
language plpgsql immutable set search_path = '' as $$
begin
  if p_text is null then
    return null;
  end if;
  return p_text::uuid;
exception when invalid_text_representation then
  return null;
end
$$;

-- The same. What is written as Postgres writes it is recognised without a call: this is inlined.
create function private.as_uuid(p_text text) returns uuid
language sql stable
return case
  when p_text like '________-____-____-____-____________'
    and translate(p_text, '0123456789abcdefABCDEF', '') = '----' then p_text::uuid
  else private.read_uuid(p_text)
end;

-- What the tables of jobs have no constraint for: each statement would read and check it anew.
create function private.check_job(p_job_type text, p_max_attempts int) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if p_job_type is null or length(p_job_type) not between 1 and 100 then
    raise exception using errcode = '23514', message = 'The type of a job has 1 to 100 characters.';
  elsif p_max_attempts < 1 then
    raise exception using errcode = '23514', message = 'A job has at least one attempt: max_attempts is 1 or more.';
  end if;
end
$$;

-- A time as virtual time, which may be -infinity.
create function private.time_at(p_at timestamptz) returns bigint
language sql stable
return greatest(extract(epoch from p_at) * 1000000, -1000000000000000000)::bigint;

create function private.this_hour() returns timestamptz
language sql stable
return date_trunc('hour', now(), 'UTC');

-- A running job as public.job_queue shows it, updated_at being now: who gets it reckons its times from there, by this
-- clock.
create function private.as_job(p_job private.running_jobs) returns public.job_queue
language sql stable
return row(
  p_job.id, p_job.job_type, p_job.payload, 'processing'::text, p_job.attempts, p_job.max_attempts,
  p_job.scheduled_at, p_job.started_at, null::timestamptz, p_job.error_message, p_job.error_details, p_job.fair_key,
  p_job.priority, p_job.created_at, now(), p_job.lease, p_job.lease_expires_at, null::jsonb,
  p_job.prediction_id, p_job.outcome_unknown, p_job.rescued, p_job.generation_id, p_job.expires_at,
  p_job.retry_until, p_job.fair_key, null::timestamptz, false, p_job.slot, null::bigint, p_job.seq
)::public.job_queue;

-- A job's history with one more attempt's error.
create function private.with_error(
  p_history jsonb, p_attempt int, p_prediction_id text, p_message text, p_details jsonb
) returns jsonb
language sql stable
return case jsonb_typeof(p_history) when 'array' then p_history else '[]' end
  || jsonb_build_array(
    jsonb_strip_nulls(jsonb_build_object(
      'attempt', p_attempt, 'at', now(), 'message', p_message, 'prediction_id', p_prediction_id
    )) || case jsonb_typeof(p_details) when 'object' then p_details else '{}' end
  );
