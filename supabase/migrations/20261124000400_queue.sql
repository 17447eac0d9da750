-- What moves a job. Its life, from table to table; private.insert_job, private.claim_jobs and private.complete_job are
-- the three functions to begin with:
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

-- Job types whose end is their generation's end.
create function private.carries_generation(p_job_type text) returns boolean
language sql stable
return p_job_type in ('generate-image', 'download-image');

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

-- Virtual time --------------------------------------------------------------------------------------------------------
--
-- A ready queue is the ready jobs of one type and priority: one range of one index, in the order of their virtual time.

-- Sees to it that claims look through the ready queue of a type and priority.
create function private.open_queue(p_job_type text, p_priority int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if not exists (select from private.ready_queues where job_type = p_job_type and priority = p_priority) then
    insert into private.ready_queues (job_type, priority) values (p_job_type, p_priority) on conflict do nothing;
  end if;
end
$$;

create function private.virtual_time_step() returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (select extract(epoch from virtual_time_step) * 1000000 from private.settings);
end
$$;

-- The virtual time of a job that becomes ready now: now, or the one at the head of its queue if that is later, as
-- in start-time fair queueing. A user's further jobs follow in steps of settings.virtual_time_step for each slot that
-- the user has taken: the fewer jobs a user has running, the sooner the next one. Never before the head of a second
-- ago, which may be ahead of the clock and is the next low-water mark (private.raise_low_water).
create function private.next_time(p_job_type text, p_priority int) returns bigint
language plpgsql volatile set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v_time bigint;
begin
  for v_try in 1..2 loop
    select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, q.head_time, (
      select j.virtual_time from private.ready_jobs as j
      where j.job_type = p_job_type and j.priority = p_priority and j.virtual_time >= q.low_time
      order by j.virtual_time, j.seq limit 1
    )) into v_time
    from private.ready_queues as q where q.job_type = p_job_type and q.priority = p_priority;
    exit when found;
    perform private.open_queue(p_job_type, p_priority);
  end loop;
  -- An older snapshot does not see a queue that somebody else has opened.
  return coalesce(v_time, (extract(epoch from clock_timestamp()) * 1000000)::bigint);
end
$$;

-- The virtual time of a job that was claimed before and is ready again: the head of its ready queue.
create function private.head_time(p_job_type text, p_priority int) returns bigint
language plpgsql volatile set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
begin
  return coalesce(
    (
      select j.virtual_time from private.ready_jobs as j
      where j.job_type = p_job_type and j.priority = p_priority and j.virtual_time >= (
        select low_time from private.ready_queues where job_type = p_job_type and priority = p_priority
      )
      order by j.virtual_time, j.seq limit 1
    ),
    private.next_time(p_job_type, p_priority)
  );
end
$$;

-- A user's slots ------------------------------------------------------------------------------------------------------
--
-- A user may have only so many jobs of one type ready or running at once (plans.running_jobs); further ones are
-- blocked, outside every index that a claim reads, and each slot that becomes free goes to the user's best blocked job,
-- in the same transaction. So a claim never meets a job that it may not hand out, however long a user's backlog.

-- Jobs of one type that a user may have ready or running at once.
create function private.running_limit(p_fair_key uuid) returns int
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_most int;
begin
  select p.running_jobs into v_most from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = p_fair_key), 'default');
  return coalesce(v_most, 1000000000);
end
$$;

-- What a change writes as the version of the user's row. The others are HOT: they leave the index alone.
create function private.next_version(p_version bigint) returns bigint
language sql volatile
return p_version + (random() < 0.03125)::int;

-- Locks the row of a user and type, which is made where there is none, and writes nothing else.
create function private.lock_slots(p_fair_key uuid, p_job_type text, out rid tid, out taken int, out most int)
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  loop
    select s.ctid, s.taken, s.most into rid, taken, most from private.user_slots as s
    where s.fair_key = p_fair_key and s.job_type = p_job_type order by s.version desc limit 1 for update;
    exit when found;
    -- In the place of the row's lock: no constraint spans the versions.
    perform pg_catalog.pg_advisory_xact_lock(hashtextextended(p_job_type, hashtextextended(p_fair_key::text, 0)));
    insert into private.user_slots (fair_key, job_type, taken)
    select p_fair_key, p_job_type, 0
    where not exists (select from private.user_slots where fair_key = p_fair_key and job_type = p_job_type);
  end loop;
end
$$;

-- Takes up to p_count slots of p_most. first: how many the user had taken before; added: how many more it has now.
create function private.take_slots(
  p_fair_key uuid, p_job_type text, p_count int, p_most int, out first int, out added int
) language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_slots record;
begin
  v_slots := private.lock_slots(p_fair_key, p_job_type);
  first := v_slots.taken;
  added := least(p_count, greatest(p_most - first, 0));
  if added > 0 or v_slots.most <> p_most then
    update private.user_slots as s set
      taken = first + added, most = p_most, version = private.next_version(s.version)
    where s.ctid = v_slots.rid;
  end if;
end
$$;

-- Low-water marks of a user's blocked jobs. Those that have got their slot leave dead entries before the others, for as
-- long as an old snapshot keeps these. Who blocks a job or moves a mark holds the user's row, so no job is ever below a
-- mark.

-- Locks up to p_limit blocked jobs of a user that nobody else has locked, the best first, from the marks on: those of
-- the priorities above each mark, then those of its own.
create function private.pick_blocked(
  p_fair_key uuid, p_job_type text, p_passed private.blocked_mark[], p_limit int
) returns table (id uuid, priority int, seq bigint)
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return query
  select b.id, b.priority, b.seq
  from (
    select m.priority, m.seq, lag(m.priority, 1, 2147483648) over (order by m.priority desc) as above
    from (
      select p.priority::bigint as priority, p.seq from unnest(p_passed) as p
      union all
      select -2147483649, 0
    ) as m
    order by m.priority desc
  ) as mark
  cross join lateral (
    select higher.* from (
      select j.id, j.priority, j.seq from private.blocked_jobs as j
      where j.fair_key = p_fair_key and j.job_type = p_job_type
        and j.priority < mark.above and j.priority > mark.priority
      order by j.priority desc, j.seq limit p_limit for update skip locked
    ) as higher
    union all
    select own.* from (
      select j.id, j.priority, j.seq from private.blocked_jobs as j
      where j.fair_key = p_fair_key and j.job_type = p_job_type
        and j.priority = mark.priority and j.seq >= mark.seq
      order by j.seq limit p_limit for update skip locked
    ) as own
  ) as b
  limit p_limit;
end
$$;

-- Sets the mark of a priority in the user's row, which the caller has locked.
create function private.set_blocked_mark(p_slots tid, p_priority int, p_seq bigint) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.user_slots as s set
    version = private.next_version(s.version),
    -- Few priorities are in use at once; a mark may be missing.
    passed = array(
      select m from unnest(s.passed) as m where m.priority <> p_priority order by m.seq desc limit 15
    ) || row(p_priority, p_seq)::private.blocked_mark
  where s.ctid = p_slots;
end
$$;

-- After a blocked job has got a slot: the mark of its priority rises, with one such job in four, while dead entries
-- stand before it. Where there are few the user's marks go.
create function private.raise_blocked_mark(p_fair_key uuid, p_job_type text, p_priority int, p_seq bigint) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_slots record;
begin
  select s.ctid as rid, s.passed,
    coalesce((select m.seq from unnest(s.passed) as m where m.priority = p_priority), -1) as mark
  into v_slots
  from private.user_slots as s
  where s.fair_key = p_fair_key and s.job_type = p_job_type order by s.version desc limit 1;
  if private.has_many_dead('private.blocked_jobs') then
    perform private.set_blocked_mark(v_slots.rid, p_priority, coalesce(
      -- What somebody else has locked is not passed.
      (
        select j.seq from private.blocked_jobs as j
        where j.fair_key = p_fair_key and j.job_type = p_job_type and j.priority = p_priority
          and j.seq >= v_slots.mark
        order by j.seq limit 1
      ),
      p_seq
    ));
  elsif v_slots.passed is not null then
    update private.user_slots set passed = null where ctid = v_slots.rid;
  end if;
end
$$;

-- After jobs of a user have been blocked, the first of them with that seq: no mark may be above it.
create function private.lower_blocked_mark(p_fair_key uuid, p_job_type text, p_priority int, p_seq bigint) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_slots record;
begin
  select s.ctid as rid, s.passed into v_slots from private.user_slots as s
  where s.fair_key = p_fair_key and s.job_type = p_job_type order by s.version desc limit 1;
  if exists (select from unnest(v_slots.passed) as m where m.priority = p_priority and m.seq > p_seq) then
    perform private.set_blocked_mark(v_slots.rid, p_priority, p_seq);
  end if;
end
$$;

-- Releases so many slots of each of these users. They go to their users' blocked jobs, best priority first, then by
-- age, of each user at most 1,000; what nobody waits for is free. The keys are given in order, each once. A count of 0
-- only looks whether a plan has come to allow more.
create function private.release_slots(p_fair_keys uuid[], p_job_types text[], p_counts int[]) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_step bigint;
  v record;
  v_passing boolean;
  v_passed jsonb;
begin
  -- A statement of its own: the next one sees what was blocked while this one waited.
  select
    array_agg(slots.rid) filter (where is_plain) as rows,
    array_agg(slots.taken - u.jobs) filter (where is_plain) as taken,
    bool_and(is_plain) as all_plain,
    array_agg(u.fair_key) filter (where not is_plain) as fair_keys,
    array_agg(u.job_type) filter (where not is_plain) as job_types,
    array_agg(u.jobs) filter (where not is_plain) as counts
  into v
  from unnest(p_fair_keys, p_job_types, p_counts) as u (fair_key, job_type, jobs)
  cross join lateral (
    select s.ctid as rid, s.taken, s.most from private.user_slots as s
    where s.fair_key = u.fair_key and s.job_type = u.job_type order by s.version desc limit 1 for update
  ) as slots
  -- Nothing of the user's is blocked.
  cross join lateral (select slots.taken < slots.most and u.jobs > 0 as is_plain) as its;
  update private.user_slots as s set taken = u.taken, version = private.next_version(s.version)
  from unnest(v.rows, v.taken) as u (rid, taken)
  where s.ctid = u.rid;
  if v.all_plain is not false then
    return;
  end if;
  v_step := (select extract(epoch from virtual_time_step) * 1000000 from private.settings);
  v_passing := private.has_many_dead('private.blocked_jobs');
  with released as materialized (
    select u.fair_key, u.job_type, u.jobs, s.rid, s.passed, s.taken - u.jobs as taken,
      coalesce(p.running_jobs, 1000000000) as most
    from unnest(v.fair_keys, v.job_types, v.counts) as u (fair_key, job_type, jobs)
    cross join lateral (
      select l.ctid as rid, l.taken, l.passed from private.user_slots as l
      where l.fair_key = u.fair_key and l.job_type = u.job_type order by l.version desc limit 1
    ) as s
    left join private.user_plans as up on up.user_id = u.fair_key
    left join private.plans as p on p.name = coalesce(up.plan, 'default')
  ), best as materialized (
    select f.fair_key, f.job_type, f.passed, b.id, b.priority, b.seq,
      f.taken + row_number() over (partition by f.fair_key, f.job_type order by b.priority desc, b.seq) - 1 as taken
    from released as f
    cross join lateral (
      select plain.* from (
        select j.id, j.priority, j.seq from private.blocked_jobs as j
        where j.fair_key = f.fair_key and j.job_type = f.job_type and f.passed is null
        order by j.priority desc, j.seq limit least(greatest(f.most - f.taken, 0), 1000) for update skip locked
      ) as plain
      union all
      select marked.*
      from private.pick_blocked(
        f.fair_key, f.job_type, f.passed, least(greatest(f.most - f.taken, 0), 1000)
      ) as marked
      where f.passed is not null
    ) as b
  ), queues as materialized (
    select job_type, priority, private.next_time(job_type, priority) as head
    from (select distinct job_type, priority from best) as used
  ), gone as (
    -- By id: one that was just changed by hand has another row by now.
    delete from private.blocked_jobs where id = any(array(select id from best)) returning *
  ), ready as (
    insert into private.ready_jobs
    select g.*, q.head + b.taken * v_step, true, private.is_standing(g.job_type, g.priority)
    from gone as g
    join best as b on b.id = g.id
    join queues as q on q.job_type = g.job_type and q.priority = g.priority
  ), written as (
    update private.user_slots as s set
      taken = f.taken + coalesce(n.jobs, 0), most = f.most, version = private.next_version(s.version)
    from released as f
    left join (
      select fair_key, job_type, count(*)::int as jobs from best group by fair_key, job_type
    ) as n on n.fair_key = f.fair_key and n.job_type = f.job_type
    where s.ctid = f.rid and (coalesce(n.jobs, 0) <> f.jobs or s.most <> f.most)
  )
  select jsonb_agg(to_jsonb(last)) into v_passed
  from (
    select fair_key, job_type, priority, max(seq) as seq from best
    where v_passing or passed is not null
    group by fair_key, job_type, priority having random() < 0.25
  ) as last;
  if v_passed is not null then
    perform private.raise_blocked_mark(b.fair_key, b.job_type, b.priority, b.seq)
    from jsonb_to_recordset(v_passed) as b (fair_key uuid, job_type text, priority int, seq bigint);
  end if;
end
$$;

-- Releases one slot of one user: it goes to the user's best blocked job, else it is free. In plain statements, which
-- cost less than one for many.
create function private.release_slot(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_slots record;
  v_mark private.blocked_mark;
  v_limit int;
  v_id uuid;
  v_job private.blocked_jobs;
  v_time bigint;
begin
  -- Nothing of the user's is blocked. A row that somebody else is changing may be missed here.
  update private.user_slots as s set taken = s.taken - 1, version = private.next_version(s.version)
  where s.ctid = (
    select ctid from private.user_slots
    where fair_key = p_fair_key and job_type = p_job_type order by version desc limit 1
  ) and s.taken < s.most;
  if found then
    return;
  end if;
  select ctid as rid, taken - 1 as taken, most, passed into v_slots from private.user_slots
  where fair_key = p_fair_key and job_type = p_job_type order by version desc limit 1 for update;
  if v_slots.passed is null then
    select * into v_job from private.blocked_jobs
    where fair_key = p_fair_key and job_type = p_job_type
    order by priority desc, seq limit 1 for update skip locked;
  else
    -- Mostly all of a user's blocked jobs are of one priority.
    v_mark := v_slots.passed[1];
    if cardinality(v_slots.passed) = 1 and not exists (
      select from private.blocked_jobs
      where fair_key = p_fair_key and job_type = p_job_type and priority > v_mark.priority
    ) then
      select * into v_job from private.blocked_jobs
      where fair_key = p_fair_key and job_type = p_job_type and priority = v_mark.priority and seq >= v_mark.seq
      order by seq limit 1 for update skip locked;
    end if;
    if v_job.id is null then
      -- Two statements: the second sees all that the first has locked.
      v_id := (select id from private.pick_blocked(p_fair_key, p_job_type, v_slots.passed, 1));
      select * into v_job from private.blocked_jobs where id = v_id;
    end if;
  end if;
  if v_job.id is not null then
    v_limit := private.running_limit(p_fair_key);
    if v_slots.taken = v_limit - 1 and v_slots.most = v_limit then
      delete from private.blocked_jobs where id = v_job.id;
      v_time := private.next_time(p_job_type, v_job.priority);
      insert into private.ready_jobs
      select v_job.*, v_time + v_slots.taken * s.step, true, private.is_standing(v_job.job_type, v_job.priority)
      from (select (extract(epoch from virtual_time_step) * 1000000)::bigint as step from private.settings) as s;
      if random() < 0.25
        and (v_slots.passed is not null or private.has_many_dead('private.blocked_jobs'))
      then
        perform private.raise_blocked_mark(p_fair_key, p_job_type, v_job.priority, v_job.seq);
      end if;
      return;
    end if;
    -- The plan has come to allow more, or less.
    perform private.release_slots(array[p_fair_key], array[p_job_type], '{1}');
    return;
  end if;
  update private.user_slots as s set taken = v_slots.taken, version = private.next_version(s.version)
  where s.ctid = v_slots.rid;
end
$$;

-- Releases the slots of jobs that are in no table any more. Only jobs of limited types are given.
create function private.release_slots_of(p_fair_keys uuid[], p_job_types text[]) returns void
language plpgsql set search_path = '' as $$
declare
  v record;
begin
  select array_agg(fair_key) as fair_keys, array_agg(job_type) as job_types, array_agg(jobs) as counts into v
  from (
    select fair_key, job_type, count(*)::int as jobs
    from unnest(p_fair_keys, p_job_types) as u (fair_key, job_type)
    group by fair_key, job_type order by fair_key, job_type
  ) as each_user;
  if v.fair_keys is not null then
    perform private.release_slots(v.fair_keys, v.job_types, v.counts);
  end if;
end
$$;

-- After p_count jobs of one priority were blocked: as many of the user's ready jobs, where these are of a lower
-- priority, are exchanged for the best blocked ones.
create function private.reorder_user(p_fair_key uuid, p_job_type text, p_priority int, p_count int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v_last private.ready_jobs;
begin
  for v_try in 1..p_count loop
    select * into v_last from private.ready_jobs
    where slot and fair_key = p_fair_key and job_type = p_job_type and priority < p_priority
    order by priority, seq desc limit 1 for update skip locked;
    exit when not found;
    delete from private.ready_jobs where id = v_last.id;
    insert into private.blocked_jobs
    select v_last.id, v_last.seq, v_last.created_at, v_last.scheduled_at, v_last.lease, v_last.expires_at,
      v_last.retry_until, v_last.fair_key, v_last.generation_id, v_last.priority, v_last.attempts,
      v_last.max_attempts, v_last.job_type, v_last.payload, v_last.error_message, v_last.error_details;
    perform private.lower_blocked_mark(p_fair_key, p_job_type, v_last.priority, v_last.seq);
    perform private.release_slot(p_fair_key, p_job_type);
  end loop;
end
$$;

-- Into the queue ------------------------------------------------------------------------------------------------------
--
-- private.insert_jobs is the way in for any number of jobs; the others say who may use it for what.

-- No constraint spans the tables: ids that come from outside are looked for in all of them. Those who bring the same
-- id at the same time wait for each other.
create function private.refuse_taken_ids(p_ids uuid[]) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_taken uuid;
begin
  perform pg_catalog.pg_advisory_xact_lock(726359, bucket)
  from (select distinct hashtext(id::text) & 63 as bucket from unnest(p_ids) as id order by 1) as buckets;
  select id into v_taken from public.job_queue where id = any(p_ids) limit 1;
  if not found then
    select id into v_taken from unnest(p_ids) as id group by id having count(*) > 1 limit 1;
  end if;
  if found then
    raise exception using errcode = '23505', message = format('There is a job with the id %s already.', v_taken);
  end if;
end
$$;

-- Any number of jobs: [{id?, job_type, payload?, priority?, scheduled_at?, expires_at?, max_attempts?, retry_until?}].
-- The payload's user_id, where it is a uuid, is whose virtual time and slots the job uses; neither that user nor its
-- generation_id need exist. Returns the ids in order.
-- They are read once, into rows; then comes a statement for each thing that is there to do: one that could do them all
-- costs more to start than these together. New queues are made before slots are locked, and slots are locked by key.
create function private.insert_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job record;
  v record;
  v_jobs private.scheduled_jobs[];
  v_plain boolean;
  v_step bigint;
  v_head bigint;
  v_is_open boolean;
  -- Ready queues of the jobs that are due, and their heads.
  v_types text[];
  v_priorities int[];
  v_heads bigint[];
  -- Rows of the users' slots that change.
  v_rows tid[];
  v_taken int[];
  v_most int[];
  v_default_most int;
  v_added int;
  -- The users of limited jobs: how many slots they had taken, and how many more they get.
  v_fair_keys uuid[];
  v_slot_types text[];
  v_firsts int[];
  v_adds int[];
  -- When each job is ready; null: blocked or scheduled.
  v_times bigint[];
  v_ready int;
  v_blocked int;
  v_one record;
begin
  if jsonb_array_length(p_jobs) = 1 then
    select * into v_job from jsonb_to_record(p_jobs -> 0) as j (
      id uuid, job_type text, payload jsonb, priority int, scheduled_at timestamptz, expires_at timestamptz,
      max_attempts int, retry_until timestamptz
    );
    return array[private.insert_job(
      v_job.id, v_job.job_type, coalesce(v_job.payload, '{}'), coalesce(v_job.priority, 0),
      coalesce(v_job.scheduled_at, now()), coalesce(v_job.max_attempts, 3), v_job.expires_at, v_job.retry_until
    )];
  end if;
  -- Mostly all are uuids where uuids belong: trying costs less than asking of each.
  for v_try in 1..2 loop
    begin
      select
        array_agg(row(
          g.id, nextval('private.job_seq'), now(), g.scheduled_at, 0, g.expires_at, g.retry_until, g.fair_key,
          g.generation_id, g.priority, 0, g.max_attempts, g.job_type, g.payload, null, null
        )::private.scheduled_jobs) as jobs,
        array_agg(g.id) as ids,
        count(*)::int as count,
        (count(*) filter (where g.scheduled_at <= now()))::int as due,
        (count(*) filter (
          where g.scheduled_at <= now() and private.is_limited(g.fair_key, g.job_type)
        ))::int as limited,
        bool_or(g.scheduled_at < now() - interval '1 second') as is_late,
        bool_or(least(g.scheduled_at, g.expires_at) < now() - interval '1 second') as is_past,
        bool_or(length(g.job_type) not between 1 and 100 or g.max_attempts < 1) as is_refused,
        min(g.job_type) as job_type,
        min(g.job_type) = max(g.job_type) as is_one_type,
        min(g.priority) as priority,
        min(g.priority) = max(g.priority) as is_one_priority
      into v
      from (
        select
          coalesce(j.id, gen_random_uuid()) as id,
          coalesce(j.scheduled_at, now()) as scheduled_at,
          j.expires_at,
          j.retry_until,
          case v_try
            when 1 then (j.payload ->> 'user_id')::uuid
            else private.as_uuid(j.payload ->> 'user_id')
          end as fair_key,
          case v_try
            when 1 then (j.payload ->> 'generation_id')::uuid
            else private.as_uuid(j.payload ->> 'generation_id')
          end as generation_id,
          coalesce(j.priority, 0) as priority,
          coalesce(j.max_attempts, 3) as max_attempts,
          j.job_type,
          coalesce(j.payload, '{}') as payload
        from jsonb_to_recordset(p_jobs) as j (
          id uuid, job_type text, payload jsonb, priority int, scheduled_at timestamptz, expires_at timestamptz,
          max_attempts int, retry_until timestamptz
        )
        -- Each is reckoned once.
        offset 0
      ) as g;
      exit;
    exception when invalid_text_representation then
      if v_try = 2 then
        raise;
      end if;
    end;
  end loop;
  if v.count = 0 then
    return null;
  end if;
  v_jobs := v.jobs;
  if v.is_refused then
    perform private.check_job(g.job_type, g.max_attempts) from unnest(v_jobs) as g;
  end if;

  -- Where the first of each queue stands.
  if v.due > 0 and v.is_one_type and v.is_one_priority then
    select
      (extract(epoch from s.virtual_time_step) * 1000000)::bigint,
      q.low_time is not null,
      greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, q.head_time, (
        select j.virtual_time from private.ready_jobs as j
        where j.job_type = v.job_type and j.priority = v.priority and j.virtual_time >= q.low_time
        order by j.virtual_time, j.seq limit 1
      )),
      coalesce((select p.running_jobs from private.plans as p where p.name = 'default'), 1000000000)
    into v_step, v_is_open, v_head, v_default_most
    from private.settings as s
    left join private.ready_queues as q on q.job_type = v.job_type and q.priority = v.priority;
    if not v_is_open then
      v_head := private.next_time(v.job_type, v.priority);
    end if;
    v_types := array[v.job_type];
    v_priorities := array[v.priority];
    v_heads := array[v_head];
  elsif v.due > 0 then
    v_step := private.virtual_time_step();
    v_default_most := private.running_limit(null);
    select
      array_agg(used.job_type), array_agg(used.priority),
      array_agg(private.next_time(used.job_type, used.priority))
    into v_types, v_priorities, v_heads
    from (
      select distinct g.job_type, g.priority from unnest(v_jobs) as g where g.scheduled_at <= now()
      order by g.job_type, g.priority
    ) as used;
  end if;
  v_plain := v.due = v.count and cardinality(v_heads) = 1 and not v.is_late and v.limited in (0, v.count);

  if v.limited > 0 then
    select
      array_agg(s.rid) filter (where s.added > 0 or s.is_new_limit),
      array_agg(s.first + s.added) filter (where s.added > 0 or s.is_new_limit),
      array_agg(s.most) filter (where s.added > 0 or s.is_new_limit),
      sum(s.added),
      array_agg(s.fair_key), array_agg(s.job_type), array_agg(s.first), array_agg(s.added)
    into v_rows, v_taken, v_most, v_added, v_fair_keys, v_slot_types, v_firsts, v_adds
    from (
      select w.fair_key, w.job_type, w.jobs, w.most, l.rid, l.taken as first,
        least(w.jobs, greatest(w.most - l.taken, 0)) as added, l.most <> w.most as is_new_limit
      from (
        select d.fair_key, d.job_type, d.jobs,
          case
            when u.plan is null then v_default_most
            else coalesce((select p.running_jobs from private.plans as p where p.name = u.plan), 1000000000)
          end as most
        from (
          select g.fair_key, g.job_type, count(*)::int as jobs from unnest(v_jobs) as g
          where g.scheduled_at <= now() and private.is_limited(g.fair_key, g.job_type)
          group by g.fair_key, g.job_type
        ) as d
        left join private.user_plans as u on u.user_id = d.fair_key
        order by d.fair_key, d.job_type
      ) as w
      left join lateral (
        select s.ctid as rid, s.taken, s.most from private.user_slots as s
        where s.fair_key = w.fair_key and s.job_type = w.job_type order by s.version desc limit 1 for update
      ) as known on true
      -- One after the other, in this order: whoever has none yet gets a row.
      cross join lateral (
        select known.rid, known.taken, known.most where known.rid is not null
        union all
        select made.rid, made.taken, made.most from private.lock_slots(w.fair_key, w.job_type) as made
        where known.rid is null
      ) as l
      offset 0
    ) as s;
    if v_rows is not null then
      -- A statement of its own: it sees the rows for which that one waited.
      update private.user_slots as s set
        taken = u.taken, most = u.most, version = private.next_version(s.version)
      from unnest(v_rows, v_taken, v_most) as u (rid, taken, most)
      where s.ctid = u.rid;
    end if;
  end if;
  if v_plain and (v.limited = 0 or v_added = v.count) then
    -- All are ready in one queue, each user's first one after those that have taken slots before.
    v_ready := v.count;
    insert into private.ready_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, virtual_time, slot, standing
    )
    select g.id, g.seq, g.created_at, g.scheduled_at, g.lease, g.expires_at, g.retry_until, g.fair_key, g.generation_id,
      g.priority, g.attempts, g.max_attempts, g.job_type, g.payload,
      v_head + coalesce((s.first + g.nth - 1) * v_step, 0), v.limited > 0,
      private.is_standing(g.job_type, g.priority)
    from (
      select j.*, row_number() over (partition by j.fair_key order by j.ordinality) as nth
      from unnest(v_jobs) with ordinality as j
    ) as g
    left join unnest(v_fair_keys, v_firsts) as s (fair_key, first) on s.fair_key = g.fair_key;
  elsif v_plain and v_added = 0 then
    v_ready := 0;
  else
    v_times := array(
      select case
        when g.scheduled_at <= now() then
          -- Due for some time already: it has waited since then.
          case when g.scheduled_at < now() - interval '1 second' then private.time_at(g.scheduled_at) else q.head end
          + case
            when not private.is_limited(g.fair_key, g.job_type) then 0
            when g.nth <= s.added then (s.first + g.nth - 1) * v_step
          end
      end
      from (
        select j.fair_key, j.job_type, j.priority, j.scheduled_at, j.ordinality,
          row_number() over (
            partition by j.scheduled_at <= now(), j.fair_key, j.job_type order by j.priority desc, j.ordinality
          ) as nth
        from unnest(v_jobs) with ordinality as j
      ) as g
      left join unnest(v_types, v_priorities, v_heads) as q (job_type, priority, head)
        on q.job_type = g.job_type and q.priority = g.priority
      left join unnest(v_fair_keys, v_slot_types, v_firsts, v_adds) as s (fair_key, job_type, first, added)
        on s.fair_key = g.fair_key and s.job_type = g.job_type
      order by g.ordinality
    );
    v_ready := cardinality(array_remove(v_times, null));
    if v_ready > 0 then
      insert into private.ready_jobs (
        id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, virtual_time, slot, standing
      )
      select g.id, g.seq, g.created_at, g.scheduled_at, g.lease, g.expires_at, g.retry_until, g.fair_key,
        g.generation_id, g.priority, g.attempts, g.max_attempts, g.job_type, g.payload, g.virtual_time,
        private.is_limited(g.fair_key, g.job_type), private.is_standing(g.job_type, g.priority)
      from rows from (unnest(v_jobs), unnest(v_times)) as g (
        id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, virtual_time
      )
      where g.virtual_time is not null;
    end if;
  end if;
  v_blocked := v.due - v_ready;

  if v_blocked = v.count then
    insert into private.blocked_jobs select g.* from unnest(v_jobs) as g;
  elsif v_blocked > 0 then
    insert into private.blocked_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload
    )
    select g.id, g.seq, g.created_at, g.scheduled_at, g.lease, g.expires_at, g.retry_until, g.fair_key, g.generation_id,
      g.priority, g.attempts, g.max_attempts, g.job_type, g.payload
    from rows from (unnest(v_jobs), unnest(v_times)) as g (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, error_message, error_details, virtual_time
    )
    where g.virtual_time is null and g.scheduled_at <= now();
  end if;
  if v.due < v.count then
    insert into private.scheduled_jobs
    -- What is no time at all is refused there.
    select g.* from unnest(v_jobs) as g where (g.scheduled_at <= now()) is not true;
  end if;
  if v.is_one_type then
    insert into private.job_deltas (job_type, status, jobs, oldest, newest)
    values (v.job_type, 'pending', v.count, now(), now());
  else
    insert into private.job_deltas (job_type, status, jobs, oldest, newest)
    select g.job_type, 'pending', count(*), now(), now() from unnest(v_jobs) as g group by g.job_type;
  end if;

  if v_blocked > 0 then
    for v_one in
      select b.fair_key, b.job_type, b.priority, min(b.seq) as seq, count(*)::int as jobs
      from rows from (unnest(v_jobs), unnest(v_times)) as b (
        id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, virtual_time
      )
      where b.virtual_time is null and b.scheduled_at <= now()
      group by b.fair_key, b.job_type, b.priority
      -- Of few users anything follows.
      having exists (
        select from private.ready_jobs as r
        where r.slot and r.fair_key = b.fair_key and r.job_type = b.job_type and r.priority < b.priority
      ) or (
        select s.passed is not null from private.user_slots as s
        where s.fair_key = b.fair_key and s.job_type = b.job_type order by s.version desc limit 1
      )
      order by b.fair_key, b.job_type, b.priority desc
    loop
      -- They had their seq before the user's row was locked.
      perform private.lower_blocked_mark(v_one.fair_key, v_one.job_type, v_one.priority, v_one.seq);
      perform private.reorder_user(v_one.fair_key, v_one.job_type, v_one.priority, v_one.jobs);
    end loop;
  end if;
  if v.is_past then
    for v_one in
      select distinct g.job_type, g.priority from unnest(v_jobs) as g
      where least(g.scheduled_at, g.expires_at) < now() - interval '1 second'
      order by g.job_type, g.priority
    loop
      perform private.lower_marks(v_one.job_type, v_one.priority);
    end loop;
  end if;
  return v.ids;
end
$$;

-- One job: what private.insert_jobs does for many, without the machinery.
create function private.insert_job(
  p_id uuid, p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int,
  p_expires_at timestamptz, p_retry_until timestamptz
) returns uuid
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_fair_key uuid;
  v_generation_id uuid;
  v_id uuid := coalesce(p_id, gen_random_uuid());
  v record;
  v_slots record;
  v_taken int;
  v_time bigint;
  v_limited boolean;
  v_blocked boolean := false;
  v_outranks boolean;
begin
  if p_max_attempts < 1 or length(p_job_type) not between 1 and 100 then
    perform private.check_job(p_job_type, p_max_attempts);
  end if;
  begin
    v_fair_key := p_payload ->> 'user_id';
    v_generation_id := p_payload ->> 'generation_id';
  exception when invalid_text_representation then
    v_fair_key := private.as_uuid(p_payload ->> 'user_id');
    v_generation_id := private.as_uuid(p_payload ->> 'generation_id');
  end;
  if p_scheduled_at <= now() then
    v_limited := v_fair_key is not null
      and p_job_type <> all('{download-image,process-webhook,cleanup-storage,cancel-prediction}'::text[]);
    -- All that decides its position, in one look.
    select
      (extract(epoch from s.virtual_time_step) * 1000000)::bigint as step,
      q.low_time is not null as is_open,
      q.head_time,
      (
        select j.virtual_time from private.ready_jobs as j
        where j.job_type = p_job_type and j.priority = p_priority and j.virtual_time >= q.low_time
        order by j.virtual_time, j.seq limit 1
      ) as head,
      case when v_limited then coalesce((
        select p.running_jobs from private.plans as p
        where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = v_fair_key), 'default')
      ), 1000000000) end as most,
      case when v_limited then (
        select u.taken < u.most from private.user_slots as u
        where u.fair_key = v_fair_key and u.job_type = p_job_type order by u.version desc limit 1
      ) end as has_slot
    into v
    from private.settings as s
    left join private.ready_queues as q on q.job_type = p_job_type and q.priority = p_priority;
    if v.is_open then
      v_time := greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, v.head, v.head_time);
    else
      v_time := private.next_time(p_job_type, p_priority);
    end if;
    if p_scheduled_at < now() - interval '1 second' then
      v_time := private.time_at(p_scheduled_at);
    end if;
    if v_limited then
      if v.has_slot then
        -- The usual case: the row is there, and has a slot.
        update private.user_slots as s set taken = s.taken + 1, version = private.next_version(s.version)
        where s.ctid = (
          select ctid from private.user_slots
          where fair_key = v_fair_key and job_type = p_job_type order by version desc limit 1
        ) and s.taken < v.most and s.most = v.most
        returning s.taken - 1 into v_taken;
      elsif not v.has_slot then
        select s.taken, s.taken >= v.most and s.most = v.most into v_taken, v_blocked from private.user_slots as s
        where s.fair_key = v_fair_key and s.job_type = p_job_type order by s.version desc limit 1 for update;
        if not v_blocked then
          v_taken := null;
        end if;
      end if;
      if v_taken is null then
        v_slots := private.take_slots(v_fair_key, p_job_type, 1, v.most);
        v_taken := v_slots.first;
        v_blocked := v_slots.added = 0;
      end if;
      v_time := v_time + v_taken * v.step;
    end if;
  end if;
  if v_blocked then
    insert into private.blocked_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, p_expires_at, p_retry_until, v_fair_key,
      v_generation_id, p_priority, 0, p_max_attempts, p_job_type, p_payload
    )
    returning exists (
      select from private.ready_jobs
      where slot and fair_key = v_fair_key and job_type = p_job_type and priority < p_priority
    ) into v_outranks;
    if v_outranks then
      perform private.reorder_user(v_fair_key, p_job_type, p_priority, 1);
    end if;
  elsif v_time is not null then
    insert into private.ready_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, virtual_time, slot, standing
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, p_expires_at, p_retry_until, v_fair_key,
      v_generation_id, p_priority, 0, p_max_attempts, p_job_type, p_payload, v_time, v_limited,
      private.is_standing(p_job_type, p_priority)
    );
  else
    insert into private.scheduled_jobs (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload
    )
    values (
      v_id, nextval('private.job_seq'), now(), p_scheduled_at, 0, p_expires_at, p_retry_until, v_fair_key,
      v_generation_id, p_priority, 0, p_max_attempts, p_job_type, p_payload
    );
  end if;
  insert into private.job_deltas (job_type, status, jobs, oldest, newest)
  values (p_job_type, 'pending', 1, now(), now());
  if least(p_scheduled_at, p_expires_at) < now() - interval '1 second' then
    perform private.lower_marks(p_job_type, p_priority);
  end if;
  return v_id;
end
$$;

-- A job that follows from a step and is leased to its caller already.
create function private.insert_running(
  p_id uuid, p_job_type text, p_fair_key uuid, p_generation_id uuid, p_payload jsonb, p_lease_seconds int,
  p_retry_until timestamptz
) returns private.running_jobs
language plpgsql set search_path = '' as $$
declare
  v_job private.running_jobs;
begin
  insert into private.running_jobs (
    id, seq, created_at, scheduled_at, lease, retry_until, fair_key, generation_id, priority, attempts, max_attempts,
    job_type, payload, started_at, lease_expires_at, slot, rescued, outcome_unknown
  )
  values (
    p_id, nextval('private.job_seq'), now(), now(), 1, p_retry_until, p_fair_key, p_generation_id, 100, 0, 3,
    p_job_type, p_payload, now(), now() + make_interval(secs => p_lease_seconds), false, false, false
  )
  returning * into v_job;
  insert into private.job_deltas (job_type, status, jobs, oldest, newest)
  values (p_job_type, 'processing', 1, now(), now());
  return v_job;
end
$$;

-- For the service: many jobs at once, at most 1,000.
create function private.enqueue_jobs(p_jobs jsonb) returns uuid[]
language plpgsql security definer set search_path = '' as $$
begin
  if p_jobs is null or jsonb_typeof(p_jobs) <> 'array' then
    perform private.refuse(422, 'invalid_request', 'p_jobs must be a list of jobs.');
  end if;
  if jsonb_array_length(p_jobs) > 1000 then
    perform private.refuse(422, 'invalid_request', 'A call takes at most 1000 jobs.');
  end if;
  if p_jobs @? '$[*].id' then
    perform private.refuse_taken_ids(array(
      select (job ->> 'id')::uuid from jsonb_array_elements(p_jobs) as j (job) where job ->> 'id' is not null
    ));
  end if;
  return coalesce(private.insert_jobs(p_jobs), '{}');
end
$$;

create function private.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int
) returns uuid
language plpgsql security definer set search_path = '' as $$
begin
  return private.insert_job(
    null, p_job_type, coalesce(p_payload, '{}'), coalesce(p_priority, 0),
    coalesce(p_scheduled_at, now()), coalesce(p_max_attempts, 3), null, null
  );
end
$$;

-- For users: the original's way to start an image, judged like any other start.
create function private.enqueue_own_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_request jsonb := coalesce(p_payload, '{}');
begin
  if p_job_type is distinct from 'generate-image' then
    raise exception using errcode = 'PT403', detail = 'forbidden',
      message = 'Only jobs of the type generate-image can be started here.';
  end if;
  if jsonb_typeof(v_request) = 'object' then
    v_request := v_request || jsonb_build_object('priority', case
      when p_priority > 0 then 'high' when p_priority < 0 then 'low' else 'normal' end);
    if p_scheduled_at > now() then
      v_request := v_request || jsonb_build_object('scheduled_at', p_scheduled_at);
    end if;
  end if;
  return private.start_generation(v_request, null, null, 0) ->> 'job_id';
end
$$;

-- The claim -----------------------------------------------------------------------------------------------------------
--
-- Which ready jobs are next: the higher priority first, fair between users within a priority (private.next_time); but a
-- job whose virtual time is longer ago than settings.age_after goes before all that are younger, whatever their
-- priority: low is slow and never starved. Queues of one priority are served in the order of their heads.
--
-- Where there are few ready queues, a claim looks at the head of each; where there are many, at the order across all of
-- them (private.pick_across).
--
-- `ARRAY(SELECT … FOR UPDATE SKIP LOCKED LIMIT n)` is locked and counted exactly once; a join in its place was planned
-- as a hash join over the whole table. Rows are passed on by ctid, which cannot change while this transaction holds
-- their locks.

create type private.queue_head as (job_type text, priority int, low_time bigint, virtual_time bigint);

-- Locks up to p_limit jobs whose virtual time is at or before p_time, the oldest first, of whatever queue. Where
-- other claims have taken those it saw, it looks further, twice.
create function private.pick_aged(p_heads private.queue_head[], p_time bigint, p_limit int) returns tid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_window int := p_limit;
  v_seen tid[];
  v_rows tid[] := '{}';
begin
  for v_try in 1..3 loop
    v_seen := array(
      select aged.job from unnest(p_heads) as h
      cross join lateral (
        select j.ctid as job, j.virtual_time, j.seq from private.ready_jobs as j
        where j.job_type = h.job_type and j.priority = h.priority and j.virtual_time between h.low_time and p_time
          and (j.expires_at is null or j.expires_at > now())
        order by j.virtual_time, j.seq limit v_window
      ) as aged
      order by aged.virtual_time, aged.seq limit v_window
    );
    v_rows := v_rows || array(
      select j.ctid from private.ready_jobs as j
      where j.ctid = any(v_seen) and j.ctid <> all(v_rows)
      order by j.virtual_time, j.seq limit p_limit - cardinality(v_rows)
      for update skip locked
    );
    exit when cardinality(v_rows) = p_limit or cardinality(v_seen) < v_window;
    v_window := v_window * 4;
  end loop;
  return v_rows;
end
$$;

-- Locks up to p_limit ready jobs of these queues, the first first.
create function private.pick_from(p_heads private.queue_head[], p_limit int) returns tid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v_aged bigint;
  v_rows tid[] := '{}';
begin
  if cardinality(p_heads) > 1 and p_heads[1].priority > p_heads[cardinality(p_heads)].priority then
    select (extract(epoch from now() - age_after) * 1000000)::bigint into v_aged from private.settings;
    perform 1 from unnest(p_heads) where virtual_time <= v_aged and priority < p_heads[1].priority;
    if found then
      v_rows := private.pick_aged(p_heads, v_aged, p_limit);
    end if;
  end if;
  return v_rows || array(
    select ready.job from unnest(p_heads) as h
    cross join lateral (
      select j.ctid as job from private.ready_jobs as j
      where j.job_type = h.job_type and j.priority = h.priority and j.virtual_time >= h.low_time
        and (j.expires_at is null or j.expires_at > now()) and j.ctid <> all(v_rows)
      order by j.virtual_time, j.seq limit p_limit - cardinality(v_rows)
      for update skip locked
    ) as ready
    limit p_limit - cardinality(v_rows)
  );
end
$$;

-- Whether a ready job may be older than settings.age_after. Where the bound kept in low_water does not tell, it is
-- raised first, by one claim a second.
create function private.may_be_aged() returns boolean
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_aged bigint;
begin
  select (extract(epoch from now() - age_after) * 1000000)::bigint into v_aged from private.settings;
  if (select oldest_time from private.low_water) > v_aged then
    return false;
  end if;
  perform private.raise_low_water(false);
  return (select oldest_time from private.low_water) <= v_aged;
end
$$;

-- Locks up to p_limit ready jobs of these types, of however many queues, none of them aged: the higher priority first,
-- then by virtual time. The jobs of all queues but the standing ones stand in one order, those of a type in another.
-- Where other claims have taken those it saw, it looks further, twice; null: there may be more.
create function private.pick_across(p_limit int, p_job_types text[]) returns tid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v_window int := p_limit;
  v_seen tid[];
  v_rows tid[] := '{}';
  v_paused boolean := (select until > now() from private.provider_pause);
  v_types text[] := coalesce(p_job_types, private.standing_types());
begin
  for v_try in 1..3 loop
    v_seen := array(
      select first.job from (
        (
          select j.ctid as job, j.priority, j.virtual_time, j.seq from private.ready_jobs as j
          where p_job_types is null and not j.standing
            and (j.job_type <> 'generate-image' or not v_paused) and (j.expires_at is null or j.expires_at > now())
          order by j.priority desc, j.virtual_time, j.seq limit v_window
        )
        union
        select of_type.job, of_type.priority, of_type.virtual_time, of_type.seq
        from unnest(v_types) as t (job_type)
        cross join lateral (
          select j.ctid as job, j.priority, j.virtual_time, j.seq from private.ready_jobs as j
          where j.job_type = t.job_type and (j.expires_at is null or j.expires_at > now())
          order by j.priority desc, j.virtual_time, j.seq limit v_window
        ) as of_type
        where t.job_type <> 'generate-image' or not v_paused
      ) as first
      order by first.priority desc, first.virtual_time, first.seq limit v_window
    );
    v_rows := v_rows || array(
      select j.ctid from private.ready_jobs as j
      where j.ctid = any(v_seen) and j.ctid <> all(v_rows)
      order by j.priority desc, j.virtual_time, j.seq limit p_limit - cardinality(v_rows)
      for update skip locked
    );
    if cardinality(v_rows) = p_limit or cardinality(v_seen) < v_window then
      return v_rows;
    end if;
    v_window := v_window * 8;
  end loop;
  return nullif(v_rows, '{}');
end
$$;

-- Locks up to p_limit ready jobs of these types, in the order in which they are served, and waits for nobody. Nothing
-- that would create a prediction while the provider refuses to; and after that one job alone, until it is known that it
-- creates again.
create function private.pick_ready(p_limit int, p_job_types text[], p_marked boolean) returns tid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v_many int := private.many_queues();
  v record;
  v_creating private.queue_head[];
  v_others private.queue_head[];
  v_rows tid[] := '{}';
  v_probe tid[];
begin
  for v_try in 1..2 loop
    with queues as materialized (
      select q.job_type, q.priority, case when p_marked then q.low_time else -9223372036854775808 end as low_time
      from private.provider_pause as pause
      cross join (
        select job_type, priority, low_time from private.ready_queues where p_job_types is null
        union all
        select job_type, priority, low_time from private.ready_queues where job_type = any(p_job_types)
      ) as q
      where q.job_type <> 'generate-image' or pause.until <= now()
      limit v_many
    ), heads as materialized (
      -- Of those that have jobs, in order.
      select q.job_type, q.priority, q.low_time, head.virtual_time
      from queues as q
      cross join lateral (
        select j.virtual_time from private.ready_jobs as j
        where j.job_type = q.job_type and j.priority = q.priority and j.virtual_time >= q.low_time
        order by j.virtual_time, j.seq limit 1
      ) as head
      order by q.priority desc, head.virtual_time
    ), state as materialized (
      select
        pause.probing,
        case
          when (select count(*) from queues) = v_many then 'many'
          when pause.probing or (
            select min(h.priority) filter (where h.virtual_time <= extract(epoch from now() - s.age_after) * 1000000)
              < max(h.priority)
            from heads as h cross join private.settings as s
          ) then 'special'
          else 'usual'
        end as way
      from private.provider_pause as pause
    )
    select
      probing,
      way,
      case way when 'special' then array(
        select row(h.job_type, h.priority, h.low_time, h.virtual_time)::private.queue_head from heads as h
      ) end as heads,
      -- The usual case is done in this statement.
      case way when 'usual' then array(
        select ready.job from heads as h
        cross join lateral (
          select j.ctid as job from private.ready_jobs as j
          where j.job_type = h.job_type and j.priority = h.priority and j.virtual_time >= h.low_time
            and (j.expires_at is null or j.expires_at > now())
          order by j.virtual_time, j.seq limit p_limit
          for update skip locked
        ) as ready
        limit p_limit
      ) end as rows
    into v
    from state;
    exit when v.way <> 'many';
    if not (p_marked or v.probing or private.may_be_aged()) then
      v_rows := private.pick_across(p_limit, p_job_types);
      if v_rows is not null then
        return v_rows;
      end if;
      v_rows := '{}';
    end if;
    -- Each of them, after all.
    v_many := null;
  end loop;
  if v.way = 'usual' then
    return v.rows;
  end if;
  if not v.probing then
    return private.pick_from(v.heads, p_limit);
  end if;
  v_creating := array(select h from unnest(v.heads) as h where h.job_type = 'generate-image');
  v_others := array(select h from unnest(v.heads) as h where h.job_type <> 'generate-image');
  if cardinality(v_others) > 0 then
    v_rows := private.pick_from(v_others, p_limit);
  end if;
  if cardinality(v_creating) > 0 and cardinality(v_rows) < p_limit and private.take_probe() then
    v_probe := private.pick_from(v_creating, 1);
    if cardinality(v_probe) = 0 then
      update private.provider_pause set probe_until = '-infinity' where only_row;
    end if;
    v_rows := v_rows || v_probe;
  end if;
  return v_rows;
end
$$;

-- Up to p_limit ready jobs under a new lease, in order. Waits for nobody. An image whose model the provider
-- refuses is handed out with a mark in its payload: whoever runs it need not ask.
create function private.lease_ready(p_limit int, p_lease_seconds int, p_job_types text[], p_marked boolean)
returns setof public.job_queue
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v record;
  v_job private.ready_jobs;
  v_until timestamptz := now() + make_interval(secs => p_lease_seconds);
begin
  -- The usual case in one statement. Null: one job tries the provider, an old one goes before a higher priority, or
  -- there are many queues.
  with heads as materialized (
    select q.job_type, q.priority, q.low_time, head.virtual_time
    from (
      select r.job_type, r.priority, case when p_marked then r.low_time else -9223372036854775808 end as low_time
      from private.provider_pause as pause cross join private.ready_queues as r
      where (p_job_types is null or r.job_type = any(p_job_types))
        and (r.job_type <> 'generate-image' or (pause.until <= now() and not pause.probing))
    ) as q
    cross join lateral (
      select j.virtual_time from private.ready_jobs as j
      where j.job_type = q.job_type and j.priority = q.priority and j.virtual_time >= q.low_time
      order by j.virtual_time, j.seq limit 1
    ) as head
    order by q.priority desc, head.virtual_time
  )
  select
    array(select model from private.refused_models where until > now()) as refused,
    case
      when (select probing from private.provider_pause) then null
      when (select count(*) from (select from private.ready_queues limit private.many_queues()) as few)
        = private.many_queues() then null
      when (
        select min(h.priority) filter (where h.virtual_time <= extract(epoch from now() - s.age_after) * 1000000)
          < max(h.priority)
        from heads as h cross join private.settings as s
      ) then null
      else array(
        select ready.job from heads as h
        cross join lateral (
          select j.ctid as job from private.ready_jobs as j
          where j.job_type = h.job_type and j.priority = h.priority and j.virtual_time >= h.low_time
            and (j.expires_at is null or j.expires_at > now())
          order by j.virtual_time, j.seq limit p_limit
          for update skip locked
        ) as ready
        limit p_limit
      )
    end as rows
  into v;
  if v.rows is null then
    v.rows := private.pick_ready(p_limit, p_job_types, p_marked);
  end if;
  if cardinality(v.rows) = 1 then
    -- In plain statements, which cost less than one for many.
    delete from private.ready_jobs where ctid = v.rows[1] returning * into v_job;
    if v.refused <> '{}' and v_job.job_type = 'generate-image' and v_job.payload ->> 'model_id' = any(v.refused) then
      v_job.payload := v_job.payload || '{"model_refused": true}';
    end if;
    insert into private.running_jobs
    values (
      v_job.id, v_job.seq, v_job.created_at, v_job.scheduled_at, v_job.lease + 1, v_job.expires_at, v_job.retry_until,
      v_job.fair_key, v_job.generation_id, v_job.priority, v_job.attempts, v_job.max_attempts, v_job.job_type,
      v_job.payload, v_job.error_message, v_job.error_details, now(), v_until, v_job.slot, false, false, null
    );
    insert into private.job_deltas (job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest)
    values (
      v_job.job_type, 'pending', v_job.attempts, 'processing', 1, v_job.attempts, v_job.created_at, v_job.created_at
    );
    return query
    select v_job.id, v_job.job_type, v_job.payload, 'processing'::text, v_job.attempts, v_job.max_attempts,
      v_job.scheduled_at, now(), null::timestamptz, v_job.error_message, v_job.error_details, v_job.fair_key,
      v_job.priority, v_job.created_at, now(), v_job.lease + 1, v_until, null::jsonb, null::text, false, false,
      v_job.generation_id, v_job.expires_at, v_job.retry_until, v_job.fair_key, null::timestamptz, false, v_job.slot,
      null::bigint, v_job.seq;
  elsif cardinality(v.rows) > 1 then
    return query
    with claimed as (
      delete from private.ready_jobs where ctid = any(v.rows)
      returning id, seq, created_at, scheduled_at, lease + 1 as lease, expires_at, retry_until, fair_key,
        generation_id, priority, attempts, max_attempts, job_type,
        case
          when v.refused <> '{}' and job_type = 'generate-image' and payload ->> 'model_id' = any(v.refused)
            then payload || '{"model_refused": true}'
          else payload
        end as payload,
        error_message, error_details, virtual_time, slot
    ), running as (
      insert into private.running_jobs
      select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
        attempts, max_attempts, job_type, payload, error_message, error_details,
        now(), v_until, slot, false, false, null
      from claimed
    ), counted as (
      insert into private.job_deltas (job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest)
      select job_type, 'pending', sum(attempts), 'processing', count(*), sum(attempts), min(created_at),
        max(created_at)
      from claimed group by job_type
    )
    select id, job_type, payload, 'processing'::text, attempts, max_attempts, scheduled_at, now(), null::timestamptz,
      error_message, error_details, fair_key, priority, created_at, now(), lease, v_until,
      null::jsonb, null::text, false, false, generation_id, expires_at, retry_until, fair_key,
      null::timestamptz, false, slot, null::bigint, seq
    from claimed order by priority desc, virtual_time, seq;
  end if;
end
$$;

-- What a step hands on to its caller: up to p_limit images that are ready to be made, leased.
create function private.next_jobs(p_limit int, p_lease_seconds int) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_marks private.low_water;
begin
  -- Mostly none waits, and a look tells it for a fifth of what a claim costs.
  if coalesce(p_limit, 0) < 1 or not exists (
    select from private.ready_queues as q
    cross join lateral (
      select from private.ready_jobs as j
      where j.job_type = q.job_type and j.priority = q.priority and j.virtual_time >= q.low_time
      order by j.virtual_time, j.seq limit 1
    ) as waiting
    where q.job_type = 'generate-image'
  ) then
    return '[]';
  end if;
  v_marks := private.low_water_marks();
  return (
    select coalesce(jsonb_agg(to_jsonb(j)), '[]')
    from private.lease_ready(
      least(p_limit, 10), least(greatest(coalesce(p_lease_seconds, 60), 1), 86400),
      '{generate-image}', v_marks.raised_at > '-infinity'
    ) as j
  );
end
$$;

-- Whether a claim would find nothing to do but these jobs: nothing else is ready, due or lost, and the provider
-- creates.
create function private.is_idle_but_for(p_job_ids uuid[]) returns boolean
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_marks private.low_water := private.low_water_marks();
begin
  return not (exists (
    select from private.provider_pause where probing or until > now()
  ) or exists (
    select from private.scheduled_jobs where scheduled_at <= now() and scheduled_at >= v_marks.scheduled_at
  ) or exists (
    select from private.running_jobs
    where lease_expires_at <= now() and lease_expires_at >= v_marks.lease_expires_at
  ) or exists (
    select from private.ready_queues as q
    cross join lateral (
      select from private.ready_jobs as j
      where j.job_type = q.job_type and j.priority = q.priority and j.virtual_time >= q.low_time
        and j.id <> all(p_job_ids)
      order by j.virtual_time, j.seq limit 1
    ) as other
    where q.job_type = any('{generate-image,download-image,cancel-prediction}')
  ));
end
$$;

-- What a start hands on to its caller: up to p_limit of the jobs that it has made, leased for as long as a worker's run
-- takes. Only where a claim that followed at once would hand out these and find nothing else to do. So nobody is
-- overtaken, and a pause's one try is not used up.
-- The caller is a user: that a worker hears of the jobs is likely and not certain. So a run that is lost then uses no
-- attempt (private.rescue_jobs).
create function private.hand_over(p_job_ids uuid[], p_limit int) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[];
  v_jobs jsonb;
begin
  if not private.is_idle_but_for(p_job_ids) then
    return '[]';
  end if;
  v_ids := array(
    select id from private.ready_jobs where id = any(p_job_ids) order by seq limit least(p_limit, 10)
  );
  with claimed as (
    delete from private.ready_jobs where id = any(v_ids) returning *
  ), running as (
    insert into private.running_jobs as r (
      id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
      max_attempts, job_type, payload, error_message, error_details, started_at, lease_expires_at, slot, rescued,
      outcome_unknown, handed_over
    )
    select id, seq, created_at, scheduled_at, lease + 1, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, error_message, error_details, now(), now() + interval '60 seconds',
      slot, false, false, true
    from claimed
    returning r.seq, to_jsonb(private.as_job(r)) as job
  ), counted as (
    insert into private.job_deltas (job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest)
    select job_type, 'pending', 0, 'processing', count(*), 0, min(created_at), max(created_at)
    from claimed group by job_type
  )
  select jsonb_agg(job order by seq) into v_jobs from running;
  return coalesce(v_jobs, '[]');
end
$$;

-- What private.insert_job and then private.hand_over do for one image that would be next at once: its row is written
-- once, leased, and was never ready. p_most: how many the user's plan allows. Null, and nothing is written, where it
-- would not be next, or has no slot.
create function private.insert_leased(
  p_id uuid, p_fair_key uuid, p_generation_id uuid, p_payload jsonb, p_priority int, p_expires_at timestamptz,
  p_most int
) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job private.running_jobs;
begin
  if not private.is_idle_but_for('{}') then
    return null;
  end if;
  update private.user_slots as s set taken = s.taken + 1, version = private.next_version(s.version)
  where s.ctid = (
    select ctid from private.user_slots
    where fair_key = p_fair_key and job_type = 'generate-image' order by version desc limit 1
  ) and s.taken < s.most and s.most = coalesce(p_most, 1000000000);
  if not found then
    return null;
  end if;
  insert into private.running_jobs (
    id, seq, created_at, scheduled_at, lease, expires_at, fair_key, generation_id, priority, attempts, max_attempts,
    job_type, payload, started_at, lease_expires_at, slot, rescued, outcome_unknown, handed_over
  )
  values (
    p_id, nextval('private.job_seq'), now(), now(), 1, p_expires_at, p_fair_key, p_generation_id, p_priority, 0, 3,
    'generate-image', p_payload, now(), now() + interval '60 seconds', true, false, false, true
  )
  returning * into v_job;
  insert into private.job_deltas (job_type, status, jobs, oldest, newest)
  values ('generate-image', 'processing', 1, now(), now());
  return to_jsonb(private.as_job(v_job));
end
$$;

-- Up to p_limit jobs under a new lease: lost ones first, then ready ones in order. Null types: all.
create function private.claim_jobs(p_limit int, p_lease_seconds int, p_job_types text[])
returns setof public.job_queue
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := least(coalesce(p_limit, 1), 1000);
  v_lease_seconds int := least(greatest(coalesce(p_lease_seconds, 60), 1), 86400);
  v_marks private.low_water;
  v_has_work boolean;
  v_lost boolean;
  v_job private.running_jobs;
begin
  if v_limit < 1 then
    return;
  end if;
  v_marks := private.low_water_marks();
  -- One look tells whether there is anything to do but hand out ready jobs.
  select
    exists (
      select from private.scheduled_jobs where scheduled_at <= now() and scheduled_at >= v_marks.scheduled_at
    ) or exists (
      select from private.ready_jobs where expires_at <= now() and expires_at >= v_marks.expires_at
    ) or exists (
      select from private.blocked_jobs where expires_at <= now() and expires_at >= v_marks.expires_at
    ) or exists (
      select from private.scheduled_jobs where expires_at <= now() and expires_at >= v_marks.expires_at
    ),
    exists (
      select from private.running_jobs
      where lease_expires_at <= now() and lease_expires_at >= v_marks.lease_expires_at
    )
  into v_has_work, v_lost;
  if v_has_work or v_lost then
    perform private.run_maintenance(greatest(100, v_limit * 2), p_job_types, v_marks);
  end if;
  if v_lost then
    for v_job in
      select * from private.rescue_jobs(v_limit, v_lease_seconds, p_job_types, v_marks.lease_expires_at)
    loop
      v_limit := v_limit - 1;
      return next private.as_job(v_job);
    end loop;
  end if;
  if v_limit > 0 then
    return query
    select * from private.lease_ready(v_limit, v_lease_seconds, p_job_types, v_marks.raised_at > '-infinity');
  end if;
  -- Last: whoever brings jobs of a time past lowers the marks, and has locked the slots of their users before.
  if v_marks.raised_at > '-infinity' and v_marks.raised_at < clock_timestamp() - interval '1 second' then
    perform private.raise_low_water(false);
  end if;
end
$$;

-- Outcomes ------------------------------------------------------------------------------------------------------------
--
-- How a job's run ends. Every write names the lease it was claimed under; a lease that is no longer the job's changes
-- nothing and is answered "stale".

-- A running job under its lease, its row locked; null where the lease is not the job's.
create function private.leased_job(p_job_id uuid, p_lease bigint) returns public.job_queue
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job private.running_jobs;
begin
  select * into v_job from private.running_jobs where id = p_job_id and lease = p_lease for update;
  if not found then
    return null;
  end if;
  return private.as_job(v_job);
end
$$;

create function private.complete_job(p_job_id uuid, p_lease bigint, p_result jsonb) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job private.running_jobs;
begin
  delete from private.running_jobs where id = p_job_id and lease = p_lease returning * into v_job;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  perform private.finish_running(v_job, p_result);
  if v_job.job_type = 'cancel-prediction' and jsonb_typeof(p_result -> 'predictions') = 'array' then
    perform private.note_stopped(v_job.payload, v_job.created_at, p_result -> 'predictions');
  end if;
  return '{"outcome": "completed"}';
end
$$;

-- A running job that is completed and whose row the caller has taken away.
create function private.finish_running(p_job private.running_jobs, p_result jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.finished_jobs
  values (
    p_job.id, p_job.seq, p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until,
    p_job.fair_key, p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type,
    p_job.payload, null, p_job.error_details, p_job.started_at, now(), 'completed', p_job.prediction_id, p_result
  );
  insert into private.job_deltas (
    job_type, from_status, from_attempts, status, hour, jobs, attempts, measured, seconds, oldest, newest
  )
  values (
    p_job.job_type, 'processing', p_job.attempts, 'completed', date_trunc('hour', now(), 'UTC'), 1, p_job.attempts, 1,
    extract(epoch from now() - p_job.started_at), p_job.created_at, p_job.created_at
  );
  if p_job.slot then
    perform private.release_slot(p_job.fair_key, p_job.job_type);
  end if;
end
$$;

-- Many jobs, each under its lease: returns the ids of those that are completed now. The rows are locked in the order
-- of their ids before the slots that they free, so that two such calls never meet crosswise.
create function private.complete_jobs(p_job_ids uuid[], p_leases bigint[]) returns uuid[]
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_rows tid[];
  v record;
begin
  if cardinality(p_job_ids) is distinct from cardinality(p_leases) then
    perform private.refuse(422, 'invalid_request', 'Each job needs its lease.');
  end if;
  v_rows := array(
    select mine.rid
    from (select id, lease from unnest(p_job_ids, p_leases) as u (id, lease) order by id) as given
    -- Looked up one by one, in this order: no join, whatever statistics say.
    cross join lateral (
      select r.ctid as rid from private.running_jobs as r where r.id = given.id and r.lease = given.lease for update
    ) as mine
  );
  with done as (
    delete from private.running_jobs where ctid = any(v_rows) returning *
  ), finished as (
    insert into private.finished_jobs
    select id, seq, created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority,
      attempts, max_attempts, job_type, payload, null, error_details, started_at, now(), 'completed', prediction_id,
      null
    from done
  ), counted as (
    insert into private.job_deltas (
      job_type, from_status, from_attempts, status, hour, jobs, attempts, measured, seconds, oldest, newest
    )
    select job_type, 'processing', sum(attempts), 'completed', date_trunc('hour', now(), 'UTC'), count(*),
      sum(attempts), count(*), sum(extract(epoch from now() - started_at)), min(created_at), max(created_at)
    from done group by job_type
  ), users as (
    select fair_key, job_type, count(*)::int as jobs from done where slot group by fair_key, job_type
    order by fair_key, job_type
  )
  select
    (select array_agg(id) from done) as ids,
    (select array_agg(fair_key) from users) as fair_keys,
    (select array_agg(job_type) from users) as job_types,
    (select array_agg(jobs) from users) as counts
  into v;
  if v.fair_keys is not null then
    perform private.release_slots(v.fair_keys, v.job_types, v.counts);
  end if;
  return coalesce(v.ids, '{}');
end
$$;

-- The original's way to end a job, without a lease: an error is retried with exponential backoff and
-- full jitter (10 s doubling, at most 10 minutes) until the attempts are used up.
create function private.complete_job_unfenced(
  p_job_id uuid, p_error_message text, p_error_details jsonb, p_result jsonb
) returns void
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue := private.lock_job(p_job_id);
  v_new public.job_queue := v_job;
begin
  if v_job.id is null then
    perform private.refuse(404, 'not_found', format('Job not found: %s', p_job_id));
  end if;
  if v_job.status not in ('pending', 'processing') then
    return;
  end if;
  if p_error_message is not null then
    perform private.end_attempt(
      v_job, v_job, p_error_message, p_error_details,
      (random() * least(600, 10 * 2 ^ least(v_job.attempts, 10)))::numeric
    );
    return;
  end if;
  v_new.status := 'completed';
  v_new.completed_at := now();
  v_new.lease_expires_at := null;
  v_new.slot := false;
  v_new.blocked := false;
  v_new.virtual_time := null;
  v_new.error_message := null;
  v_new.result := p_result;
  perform private.save_job(v_job, v_new);
end
$$;

create function private.fail_job(
  p_job_id uuid, p_lease bigint, p_error_message text, p_error_details jsonb, p_retry_in_seconds numeric
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue := private.leased_job(p_job_id, p_lease);
begin
  if v_job.id is null then
    return '{"outcome": "stale"}';
  end if;
  return jsonb_build_object(
    'outcome', private.end_attempt(v_job, v_job, p_error_message, p_error_details, p_retry_in_seconds)
  );
end
$$;

-- Counts an attempt that ended in an error: back to pending after p_retry_in_seconds, or failed when
-- that is null or the attempts are used up. An error that says {"retry": "once"} is one that may have been paid
-- for, or of which nobody can tell whether another attempt makes sense: the second such error of a job ends it.
-- p_old is the job as it stands, p_job the same, perhaps with the prediction that it is now known to have had. The
-- caller holds its row. Returns the outcome.
create function private.end_attempt(
  p_old public.job_queue, p_job public.job_queue, p_error_message text, p_error_details jsonb,
  p_retry_in_seconds numeric
) returns text
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_new public.job_queue := p_job;
  v_code text := p_error_details ->> 'code';
  v_user_id uuid;
begin
  if p_job.job_type = 'generate-image' then
    if p_job.prediction_id is not null then
      perform private.note_end(p_job.prediction_id, 'unknown', null);
    else
      perform private.return_probe();
    end if;
  end if;
  v_new.error_message := p_error_message;
  v_new.error_details := private.with_error(
    p_job.error_details, p_job.attempts + 1, p_job.prediction_id, p_error_message, p_error_details);
  v_new.slot := false;
  v_new.blocked := false;
  v_new.virtual_time := null;
  v_new.lease_expires_at := null;
  v_new.outcome_unknown := false;
  if p_retry_in_seconds is not null and p_job.attempts + 1 < p_job.max_attempts
    and not (p_error_details @> '{"retry": "once"}' and p_job.error_details @> '[{"retry": "once"}]') is true
  then
    v_new.status := 'pending';
    v_new.attempts := p_job.attempts + 1;
    v_new.scheduled_at := now() + make_interval(secs => greatest(p_retry_in_seconds, 0)::double precision);
    v_new.completed_at := null;
    v_new.started_at := null;
    v_new.prediction_id := null;
    perform private.save_job(p_old, v_new);
    if p_job.generation_id is not null and p_job.job_type = 'generate-image' then
      update public.image_generations set
        status = 'pending', progress = 0, retry_count = retry_count + 1,
        started_at = null, replicate_prediction_id = null, seq = private.next_seq(seq),
        budget_usd = private.budget_again(image_generations)
      where id = p_job.generation_id and status in ('pending', 'queued', 'processing', 'downloading')
      returning user_id into v_user_id;
      perform private.tell_change(v_user_id, p_job.generation_id);
    end if;
    return 'retrying';
  end if;

  v_new.status := 'failed';
  v_new.completed_at := now();
  -- Nothing was tried where the provider refuses the model.
  v_new.attempts := p_job.attempts + case v_code when 'model_unavailable' then 0 else 1 end;
  perform private.save_job(p_old, v_new);
  if p_job.generation_id is not null and private.carries_generation(p_job.job_type) then
    perform private.end_generation(
      p_job.generation_id, case v_code when 'cancelled' then 'cancelled' else 'failed' end,
      p_error_message, coalesce(v_code, 'failed')
    );
  end if;
  return 'failed';
end
$$;

-- Puts a run off without using an attempt. With a prediction, or one that may exist, the job stays
-- running, and the next claim after that time looks at it; else it is pending again.
create function private.snooze_job(p_job_id uuid, p_lease bigint, p_seconds numeric, p_outcome_unknown boolean)
returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_until timestamptz := now() + make_interval(secs => greatest(coalesce(p_seconds, 0), 0)::double precision);
  v_job public.job_queue := private.leased_job(p_job_id, p_lease);
  v_new public.job_queue := v_job;
begin
  if v_job.id is null then
    return '{"outcome": "stale"}';
  end if;
  v_new.outcome_unknown := coalesce(p_outcome_unknown, false);
  if v_job.job_type = 'generate-image' and v_job.prediction_id is null then
    -- A day after it was due: an end for what nobody can serve.
    v_new.retry_until := coalesce(
      v_job.retry_until, greatest(v_job.created_at, v_job.scheduled_at) + interval '24 hours');
  end if;
  if v_job.prediction_id is not null or p_outcome_unknown then
    v_new.lease_expires_at := v_until;
  else
    v_new.status := 'pending';
    v_new.scheduled_at := v_until;
    v_new.lease_expires_at := null;
    v_new.slot := false;
  end if;
  perform private.save_job(v_job, v_new);
  if v_job.job_type = 'generate-image' and v_job.prediction_id is null then
    perform private.return_probe();
  end if;
  return '{"outcome": "snoozed"}';
end
$$;

create function private.extend_lease(p_job_id uuid, p_lease bigint, p_lease_seconds int) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.running_jobs
  set lease_expires_at = now() + make_interval(secs => least(greatest(p_lease_seconds, 1), 86400))
  where id = p_job_id and lease = p_lease;
  return jsonb_build_object('outcome', case when found then 'extended' else 'stale' end);
end
$$;

-- Brings a failed job back with all its attempts, and its generation with it.
create function private.requeue_job(p_job_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_old public.job_queue := private.lock_job(p_job_id);
begin
  if v_old.status is distinct from 'failed' then
    return jsonb_build_object('outcome', case when v_old.id is null then 'unknown' else 'not_failed' end);
  end if;
  -- A prediction that was cancelled at the provider, say: its job has failed, its generation has not. Run again, the
  -- job would make an image for nobody.
  if private.carries_generation(v_old.job_type) and exists (
    select from public.image_generations where id = v_old.generation_id and status in ('completed', 'cancelled')
  ) then
    return '{"outcome": "not_failed"}';
  end if;
  perform private.requeue(v_old);
  if private.carries_generation(v_old.job_type) then
    perform private.reopen_generation(
      v_old.generation_id, case v_old.job_type when 'download-image' then 'downloading' else 'pending' end
    );
  end if;
  return jsonb_build_object('outcome', 'requeued', 'job_id', p_job_id);
end
$$;

-- Brings a failed job, which the caller has locked, back with all its attempts.
create function private.requeue(p_job public.job_queue) returns void
language plpgsql set search_path = '' as $$
declare
  v_job public.job_queue := p_job;
begin
  v_job.status := 'pending';
  v_job.attempts := 0;
  v_job.scheduled_at := now();
  v_job.started_at := null;
  v_job.completed_at := null;
  v_job.prediction_id := null;
  v_job.expires_at := null;
  v_job.error_message := null;
  v_job.payload := case jsonb_typeof(p_job.payload) when 'object' then p_job.payload - 'model_refused' else p_job.payload end;
  -- Whose time is over is tried by attempts.
  v_job.retry_until := case
    when private.has_deadline(p_job.job_type, p_job.retry_until) and p_job.retry_until > now() then p_job.retry_until
  end;
  perform private.save_job(p_job, v_job);
end
$$;

-- One job, wherever it stands -----------------------------------------------------------------------------------------
--
-- For the steps that take a job in whatever state it is: they lock it, change its row as the view shows it, and save
-- it.

-- A job by its id, whichever table it stands in; its row is locked. Null where there is none. A job that moves while
-- its tables are looked through is looked for again.
create function private.lock_job(p_id uuid) returns public.job_queue
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_running private.running_jobs;
begin
  for v_try in 1..5 loop
    select * into v_running from private.running_jobs where id = p_id for update;
    if found then
      return private.as_job(v_running);
    end if;
    perform 1 from private.ready_jobs where id = p_id for update;
    if not found then
      perform 1 from private.blocked_jobs where id = p_id for update;
    end if;
    if not found then
      perform 1 from private.scheduled_jobs where id = p_id for update;
    end if;
    if not found then
      perform 1 from private.finished_jobs where id = p_id for update;
    end if;
    if found then
      select * into v_job from public.job_queue where id = p_id;
      return v_job;
    end if;
    exit when not exists (select from public.job_queue where id = p_id);
  end loop;
  return v_job;
end
$$;

-- Puts a job whose row the caller has locked into another state, or the same with other values: moves the row,
-- counts it, and releases its user's slot where it gives one up. p_old null: the job is new; p_new null: it goes.
create function private.save_job(p_old public.job_queue, p_new public.job_queue) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if private.state_of(p_old) = private.state_of(p_new) then
    perform private.update_row(p_new);
  else
    perform private.delete_row(p_old);
    perform private.insert_row(p_new);
  end if;
  perform private.count_change(p_old, p_new);
  if p_new.virtual_time is not null and p_new.status = 'pending' then
    perform private.open_queue(p_new.job_type, p_new.priority);
  end if;
  if p_old.slot and p_new.slot is not true and p_new.blocked is not true then
    perform private.release_slot(p_old.fair_key, p_old.job_type);
  end if;
  if (p_new.status = 'pending' and least(p_new.scheduled_at, p_new.expires_at) < now() - interval '1 second')
    or (p_new.status = 'processing' and p_new.lease_expires_at < now() - interval '1 second')
    or p_new.virtual_time < p_old.virtual_time
  then
    perform private.lower_marks(p_new.job_type, p_new.priority);
  end if;
end
$$;

-- A job that changes adds to the count of the state it is in now, and takes away from that of the state it was in.
create function private.count_change(p_old public.job_queue, p_new public.job_queue) returns void
language plpgsql set search_path = '' as $$
declare
  v_job public.job_queue;
begin
  if p_old.status is not distinct from p_new.status and p_old.attempts is not distinct from p_new.attempts
    and p_old.job_type is not distinct from p_new.job_type
    and p_old.completed_at is not distinct from p_new.completed_at
    and p_old.started_at is not distinct from p_new.started_at
  then
    return;
  end if;
  v_job := p_old;
  for v_sign in 0..1 loop
    -- What ended long ago is no longer counted.
    if v_job.id is not null and (v_job.completed_at is null or v_job.completed_at > now() - interval '48 hours') then
      insert into private.job_deltas (job_type, status, hour, jobs, attempts, measured, seconds, oldest, newest)
      select
        v_job.job_type, v_job.status,
        case
          when v_job.status in ('pending', 'processing') then '-infinity'
          else date_trunc('hour', coalesce(v_job.completed_at, now()), 'UTC')
        end,
        s.sign, s.sign * v_job.attempts, s.sign * t.measured,
        case t.measured when 1 then s.sign * extract(epoch from v_job.completed_at - v_job.started_at) else 0 end,
        case s.sign when 1 then v_job.created_at end, case s.sign when 1 then v_job.created_at end
      from (select v_sign * 2 - 1 as sign) as s
      cross join (select coalesce((v_job.completed_at >= v_job.started_at)::int, 0) as measured) as t;
    end if;
    v_job := p_new;
  end loop;
end
$$;

create function private.insert_row(p_job public.job_queue) returns void
language plpgsql set search_path = '' as $$
declare
  v private.scheduled_jobs := row(
    p_job.id, p_job.seq, p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until,
    p_job.fair_key, p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type,
    p_job.payload, p_job.error_message, p_job.error_details
  );
begin
  case private.state_of(p_job)
    when 'scheduled' then
      insert into private.scheduled_jobs values (v.*);
    when 'blocked' then
      insert into private.blocked_jobs values (v.*);
    when 'ready' then
      insert into private.ready_jobs
      values (v.*, p_job.virtual_time, p_job.slot, private.is_standing(p_job.job_type, p_job.priority));
    when 'running' then
      insert into private.running_jobs
      values (
        v.*, coalesce(p_job.started_at, now()), p_job.lease_expires_at, p_job.slot, p_job.rescued,
        p_job.outcome_unknown, p_job.prediction_id
      );
    when 'finished' then
      insert into private.finished_jobs
      values (
        v.*, p_job.started_at, coalesce(p_job.completed_at, now()), p_job.status, p_job.prediction_id, p_job.result
      );
    else null;
  end case;
end
$$;

-- Rewrites a job's row where it is: whoever waits for the row finds it, and not that it was deleted.
create function private.update_row(p_job public.job_queue) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  case private.state_of(p_job)
    when 'scheduled' then
      update private.scheduled_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details
      )
      where id = p_job.id;
    when 'blocked' then
      update private.blocked_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details
      )
      where id = p_job.id;
    when 'ready' then
      update private.ready_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, virtual_time, slot
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.virtual_time, p_job.slot
      )
      where id = p_job.id;
    when 'running' then
      update private.running_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, started_at, lease_expires_at, slot, rescued,
        outcome_unknown, prediction_id
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.started_at, p_job.lease_expires_at, p_job.slot,
        p_job.rescued, p_job.outcome_unknown, p_job.prediction_id
      )
      where id = p_job.id;
    when 'finished' then
      update private.finished_jobs set (
        created_at, scheduled_at, lease, expires_at, retry_until, fair_key, generation_id, priority, attempts,
        max_attempts, job_type, payload, error_message, error_details, started_at, completed_at, status,
        prediction_id, result
      ) = (
        p_job.created_at, p_job.scheduled_at, p_job.lease, p_job.expires_at, p_job.retry_until, p_job.fair_key,
        p_job.generation_id, p_job.priority, p_job.attempts, p_job.max_attempts, p_job.job_type, p_job.payload,
        p_job.error_message, p_job.error_details, p_job.started_at, p_job.completed_at, p_job.status,
        p_job.prediction_id, p_job.result
      )
      where id = p_job.id;
    else null;
  end case;
end
$$;

create function private.delete_row(p_job public.job_queue) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  case private.state_of(p_job)
    when 'scheduled' then
      delete from private.scheduled_jobs where id = p_job.id;
    when 'blocked' then
      delete from private.blocked_jobs where id = p_job.id;
    when 'ready' then
      delete from private.ready_jobs where id = p_job.id;
    when 'running' then
      delete from private.running_jobs where id = p_job.id;
    when 'finished' then
      delete from private.finished_jobs where id = p_job.id;
    else null;
  end case;
end
$$;

-- Writes by hand ------------------------------------------------------------------------------------------------------

-- Writes by hand. Keeps a row in one of its states: one that is set to pending, put off, moved to another type or
-- priority, or ready without a virtual time is scheduled, and made ready when due; one whose time is set back has
-- waited longer. One that runs without a lease has ten minutes.
create function private.write_job() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_old public.job_queue;
begin
  if tg_op <> 'INSERT' then
    v_old := private.lock_job(old.id);
    if tg_op = 'UPDATE' and v_old is not distinct from new then
      return new;
    end if;
    -- Moved on by somebody else since it was read: as if it had not been found.
    if v_old.id is null or (v_old.status, v_old.lease) <> (old.status, old.lease) then
      return null;
    end if;
  end if;
  if tg_op = 'UPDATE' and v_old is distinct from old then
    -- What a step has changed since the statement read the job stays changed, save what the statement sets.
    new := jsonb_populate_record(v_old, (
      select coalesce(jsonb_object_agg(n.key, n.value), '{}')
      from jsonb_each(to_jsonb(new)) as n
      join jsonb_each(to_jsonb(old)) as o on o.key = n.key
      where n.value <> o.value
    ));
  end if;
  if tg_op = 'DELETE' then
    perform private.save_job(v_old, null);
    if v_old.job_type = 'generate-image' and v_old.status = 'processing' then
      -- Its user and generation may be going, too.
      v_old.fair_key := null;
      v_old.generation_id := null;
      perform private.stop_run(v_old, gen_random_uuid());
    end if;
    return old;
  end if;

  if tg_op = 'UPDATE' and new.id is distinct from old.id then
    raise exception using errcode = '22023', message = 'The id of a job cannot be changed.';
  end if;
  if new.created_by is distinct from v_old.created_by and new.fair_key is not distinct from v_old.fair_key then
    new.fair_key := new.created_by;
  end if;
  new.created_by := new.fair_key;
  new.id := coalesce(new.id, gen_random_uuid());
  new.job_type := coalesce(new.job_type, '');
  new.payload := coalesce(new.payload, '{}');
  new.status := coalesce(new.status, 'pending');
  new.attempts := coalesce(new.attempts, 0);
  new.max_attempts := coalesce(new.max_attempts, 3);
  new.scheduled_at := coalesce(new.scheduled_at, now());
  new.priority := coalesce(new.priority, 0);
  new.created_at := coalesce(new.created_at, now());
  new.lease := coalesce(new.lease, 0);
  new.seq := case tg_op when 'INSERT' then nextval('private.job_seq') else v_old.seq end;
  new.outcome_unknown := coalesce(new.outcome_unknown, false);
  new.rescued := coalesce(new.rescued, false);
  new.blocked := coalesce(new.blocked, false) and tg_op = 'UPDATE';
  new.slot := coalesce(v_old.slot, false);
  perform private.check_job(new.job_type, new.max_attempts);
  if new.status not in ('pending', 'processing', 'completed', 'failed', 'cancelled') then
    raise exception using errcode = '23514',
      message = 'The status of a job is pending, processing, completed, failed or cancelled.';
  end if;

  if not isfinite(new.started_at) or not isfinite(new.completed_at) then
    raise exception using errcode = '23514', message = 'started_at and completed_at of a job are times of day.';
  end if;

  -- Its prediction runs on, and is paid for: what would start it again looks at that first.
  if v_old.status = 'processing' and new.status = 'pending' and new.prediction_id is not null then
    new.status := 'processing';
    new.lease_expires_at := greatest(new.scheduled_at, now());
  end if;
  if new.status not in ('pending', 'processing') then
    new.slot := false;
    new.blocked := false;
    new.virtual_time := null;
    new.completed_at := coalesce(new.completed_at, now());
  elsif new.status = 'processing' then
    new.blocked := false;
    new.virtual_time := null;
    new.started_at := coalesce(new.started_at, now());
    new.lease_expires_at := coalesce(new.lease_expires_at, now() + interval '10 minutes');
    new.slot := new.slot and new.job_type = v_old.job_type and new.fair_key is not distinct from v_old.fair_key;
  elsif tg_op = 'INSERT' or v_old.status <> 'pending' or new.priority <> v_old.priority or new.job_type <> v_old.job_type
    or new.fair_key is distinct from v_old.fair_key
    or (new.scheduled_at <> v_old.scheduled_at and new.scheduled_at > now())
    or (new.virtual_time is null) <> (v_old.virtual_time is null) or new.blocked <> v_old.blocked
  then
    new.slot := false;
    new.blocked := false;
    new.virtual_time := null;
  elsif new.scheduled_at <> v_old.scheduled_at and new.virtual_time is not null then
    new.virtual_time := least(new.virtual_time, private.time_at(new.scheduled_at));
  end if;
  if new.status <> 'processing' then
    new.lease_expires_at := null;
  end if;
  if new.status in ('pending', 'processing') then
    new.completed_at := null;
  end if;
  if tg_op = 'INSERT' then
    perform private.refuse_taken_ids(array[new.id]);
  end if;
  perform private.save_job(v_old, new);
  return new;
end
$$;

create trigger job_queue_write instead of insert or update or delete on public.job_queue
for each row execute function private.write_job();
