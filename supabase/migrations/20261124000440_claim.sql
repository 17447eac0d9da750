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
  v_pause private.provider_pause;
  v_paused boolean;
  v_types text[] := coalesce(p_job_types, private.standing_types());
begin
  select * into v_pause from private.provider_pause;
  v_paused := v_pause.until > now();
  for v_try in 1..3 loop
    v_seen := array(
      select first.job from (
        (
          select j.ctid as job, j.priority, j.virtual_time, j.seq from private.ready_jobs as j
          where p_job_types is null and not j.standing
            and (j.job_type <> 'generate-image' or not v_paused) and j.job_type <> all(v_pause.paused_types)
            and (not v_pause.all_paused or private.is_ending(j.job_type))
            and (j.expires_at is null or j.expires_at > now())
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
        where (t.job_type <> 'generate-image' or not v_paused) and t.job_type <> all(v_pause.paused_types)
          and (not v_pause.all_paused or private.is_ending(t.job_type))
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
      where (q.job_type <> 'generate-image' or pause.until <= now())
        and (not pause.all_paused or private.is_ending(q.job_type)) and q.job_type <> all(pause.paused_types)
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
        and (not pause.all_paused or private.is_ending(r.job_type)) and r.job_type <> all(pause.paused_types)
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
    pause.paused_models as paused,
    case
      when pause.probing then null
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
  into v
  from private.provider_pause as pause;
  if v.rows is null then
    v.rows := private.pick_ready(p_limit, p_job_types, p_marked);
  end if;
  if v.paused <> '{}' and v.rows <> '{}' then
    v.rows := private.pass_paused(v.rows, v.paused, p_limit, p_job_types, p_marked);
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
    insert into private.job_deltas (
      job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest, run_minute
    )
    values (
      v_job.job_type, 'pending', v_job.attempts, 'processing', 1, v_job.attempts, v_job.created_at, v_job.created_at,
      date_trunc('minute', now())
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
      insert into private.job_deltas (
        job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest, run_minute
      )
      select job_type, 'pending', sum(attempts), 'processing', count(*), sum(attempts), min(created_at),
        max(created_at), date_trunc('minute', now())
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

-- Of ready jobs that the caller has locked, those that no operator pauses by their model; where there are none, further
-- ones. An image of a paused model is put off for two minutes, so that its user's slot is free for others; by one
-- claim at a time, for that touches the slots of several users (private.run_maintenance). The others pass it over.
create function private.pass_paused(
  p_rows tid[], p_models text[], p_limit int, p_job_types text[], p_marked boolean
) returns tid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_rows tid[] := p_rows;
  v_paused_rows tid[];
  v record;
begin
  for v_try in 1..3 loop
    v_paused_rows := array(
      select ctid from private.ready_jobs
      where ctid = any(v_rows) and job_type = 'generate-image' and payload ->> 'model_id' = any(p_models)
    );
    exit when v_paused_rows = '{}';
    v_rows := array(select r from unnest(v_rows) with ordinality as u (r, n) where r <> all(v_paused_rows) order by n);
    exit when not pg_try_advisory_xact_lock(7263590114);
    -- Of users whose slots can be had at once: a claim waits for nobody.
    v_paused_rows := array(
      select j.ctid from private.ready_jobs as j
      cross join lateral (
        select from private.user_slots as s
        where j.slot and s.fair_key = j.fair_key and s.job_type = j.job_type
        order by s.version desc limit 1
        for update skip locked
      ) as free
      where j.ctid = any(v_paused_rows)
    ) || array(select j.ctid from private.ready_jobs as j where j.ctid = any(v_paused_rows) and not j.slot);
    exit when v_paused_rows = '{}';
    with gone as (
      delete from private.ready_jobs where ctid = any(v_paused_rows) returning *
    ), put_off as (
      insert into private.scheduled_jobs
      select id, seq, created_at, now() + interval '2 minutes', lease, expires_at, retry_until, fair_key, generation_id,
        priority, attempts, max_attempts, job_type, payload, error_message, error_details
      from gone
    ), counted as (
      insert into private.job_deltas (job_type, jobs, scheduled)
      select job_type, 0, count(*) from gone group by job_type
    )
    select array_agg(fair_key) as fair_keys, array_agg(job_type) as job_types into v from gone where slot;
    perform private.release_slots_of(v.fair_keys, v.job_types);
    exit when v_rows <> '{}' or v_try = 3;
    v_rows := private.pick_ready(greatest(p_limit, 100), p_job_types, p_marked);
  end loop;
  return v_rows[:p_limit];
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
    select from private.provider_pause
    where probing or until > now() or all_paused or paused_models <> '{}' or 'generate-image' = any(paused_types)
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
    insert into private.job_deltas (
      job_type, from_status, from_attempts, status, jobs, attempts, oldest, newest, run_minute
    )
    select job_type, 'pending', 0, 'processing', count(*), 0, min(created_at), max(created_at),
      date_trunc('minute', now())
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
  insert into private.job_deltas (job_type, status, jobs, oldest, newest, run_minute)
  values ('generate-image', 'processing', 1, now(), now(), date_trunc('minute', now()));
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
