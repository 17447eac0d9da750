-- Out of the queue. Which ready jobs are next: the higher priority first, fair turns within a priority
-- (private.next_turn); but a job whose turn is longer ago than settings.age_after goes before all that are
-- younger, whatever their priority: low is slow and never starved.
--
-- A line is the ready jobs of one type and priority: one range of one index. Lines of one priority are
-- served in the order of their first jobs. `ARRAY(SELECT … FOR UPDATE SKIP LOCKED LIMIT n)` is locked and
-- counted exactly once; a join in its place was planned as a hash join over the whole table. Rows are
-- passed on by ctid, which cannot change while this transaction holds their locks.

create type private.line_head as (job_type text, priority int, low_turn bigint, turn bigint);

-- The lines that have ready jobs, in the order in which they are served. Where p_creates is false, without those
-- that would create a prediction.
create function private.line_heads(p_job_types text[], p_marked boolean, p_creates boolean)
returns private.line_head[]
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
  return (
    select array_agg(
      row(l.job_type, l.priority, l.low_turn, head.turn)::private.line_head order by l.priority desc, head.turn
    )
    from (
      select job_type, priority, case when p_marked then low_turn else -9223372036854775808 end as low_turn
      from private.lines
      where (p_job_types is null or job_type = any(p_job_types))
        and (job_type <> 'generate-image' or p_creates)
    ) as l
    cross join lateral (
      select j.turn from public.job_queue as j
      where j.status = 'pending' and j.ready_at is not null
        and j.job_type = l.job_type and j.priority = l.priority and j.turn >= l.low_turn
      order by j.turn, j.seq limit 1
    ) as head
  );
end
$$;

-- Locks up to p_limit jobs whose turn is at or before p_turn, the oldest first, of whatever line. Where
-- other claims have taken those it saw, it looks further, twice.
create function private.pick_aged(p_heads private.line_head[], p_turn bigint, p_limit int) returns tid[]
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_window int := p_limit;
  v_seen tid[];
  v_rows tid[] := '{}';
begin
  for v_try in 1..3 loop
    v_seen := array(
      select aged.job from unnest(p_heads) as h
      cross join lateral (
        select j.ctid as job, j.turn, j.seq from public.job_queue as j
        where j.status = 'pending' and j.ready_at is not null
          and j.job_type = h.job_type and j.priority = h.priority and j.turn between h.low_turn and p_turn
          and (j.expires_at is null or j.expires_at > now())
        order by j.turn, j.seq limit v_window
      ) as aged
      order by aged.turn, aged.seq limit v_window
    );
    v_rows := v_rows || array(
      select j.ctid from public.job_queue as j
      where j.ctid = any(v_seen) and j.ctid <> all(v_rows) and j.status = 'pending' and j.ready_at is not null
      order by j.turn, j.seq limit p_limit - cardinality(v_rows)
      for update skip locked
    );
    exit when cardinality(v_rows) = p_limit or cardinality(v_seen) < v_window;
    v_window := v_window * 4;
  end loop;
  return v_rows;
end
$$;

-- Locks up to p_limit ready jobs of these lines, the first first.
create function private.pick_from(p_heads private.line_head[], p_limit int) returns tid[]
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_heads private.line_head[] := p_heads;
  v_aged_turn bigint;
  v_rows tid[] := '{}';
begin
  if v_heads[1].priority > v_heads[cardinality(v_heads)].priority then
    select (extract(epoch from now() - age_after) * 1000000)::bigint into v_aged_turn from private.settings;
    perform 1 from unnest(v_heads) where turn <= v_aged_turn and priority < v_heads[1].priority;
    if found then
      v_rows := private.pick_aged(v_heads, v_aged_turn, p_limit);
    end if;
  end if;
  return v_rows || array(
    select ready.job from unnest(v_heads) as h
    cross join lateral (
      select j.ctid as job from public.job_queue as j
      where j.status = 'pending' and j.ready_at is not null
        and j.job_type = h.job_type and j.priority = h.priority and j.turn >= h.low_turn
        and (j.expires_at is null or j.expires_at > now()) and j.ctid <> all(v_rows)
      order by j.turn, j.seq limit p_limit - cardinality(v_rows)
      for update skip locked
    ) as ready
    limit p_limit - cardinality(v_rows)
  );
end
$$;

-- Nothing that would create a prediction while the provider refuses to; and after that one job alone, until it
-- is known that it creates again.
create function private.pick_ready(p_limit int, p_job_types text[], p_marked boolean) returns tid[]
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_pause record;
  v_heads private.line_head[];
  v_creating private.line_head[];
  v_rows tid[] := '{}';
  v_probe tid[];
begin
  select until > now() as is_on, probing into v_pause from private.provider_pause where only_row;
  v_heads := private.line_heads(p_job_types, p_marked, v_pause.is_on is not true);
  if v_heads is null then
    return v_rows;
  end if;
  if v_pause.probing is not true then
    return private.pick_from(v_heads, p_limit);
  end if;
  v_creating := array(select h from unnest(v_heads) as h where h.job_type = 'generate-image');
  v_heads := array(select h from unnest(v_heads) as h where h.job_type <> 'generate-image');
  if cardinality(v_heads) > 0 then
    v_rows := private.pick_from(v_heads, p_limit);
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
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_rows tid[] := private.pick_ready(p_limit, p_job_types, p_marked);
  v_refused text[];
begin
  if cardinality(v_rows) = 0 then
    return;
  end if;
  v_refused := array(select model from private.refused_models where until > now());
  return query
  with claimed as (
    update public.job_queue set
      status = 'processing',
      lease = lease + 1,
      lease_expires_at = now() + make_interval(secs => p_lease_seconds),
      rescued = false,
      started_at = now(),
      payload = case
        when v_refused <> '{}' and job_type = 'generate-image' and payload ->> 'model_id' = any(v_refused)
          then payload || '{"model_refused": true}'
        else payload
      end,
      updated_at = now()
    where ctid = any(v_rows)
    returning *
  )
  select * from claimed order by priority desc, turn, seq;
end
$$;

-- What a step hands on to its caller: up to p_limit images that are ready to be made, leased.
create function private.next_jobs(p_limit int, p_lease_seconds int) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_marks private.low_water;
begin
  if coalesce(p_limit, 0) < 1 then
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

-- Up to p_limit jobs under a new lease: lost ones first, then ready ones in order. Null types: all.
create function private.claim_jobs(p_limit int, p_lease_seconds int, p_job_types text[])
returns setof public.job_queue
language plpgsql security definer set search_path = '' set enable_seqscan = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := least(coalesce(p_limit, 1), 1000);
  v_lease_seconds int := least(greatest(coalesce(p_lease_seconds, 60), 1), 86400);
  v_marks private.low_water;
  v_expired boolean;
  v_due boolean;
  v_lost boolean;
  v_rescued int;
begin
  if v_limit < 1 then
    return;
  end if;
  v_marks := private.low_water_marks();
  -- One look tells whether there is anything to do but hand out ready jobs.
  select
    exists (
      select from public.job_queue
      where status = 'pending' and expires_at <= now() and expires_at >= v_marks.expires_at
    ),
    exists (
      select from public.job_queue
      where status = 'pending' and ready_at is null and not held
        and scheduled_at <= now() and scheduled_at >= v_marks.scheduled_at
    ),
    exists (
      select from public.job_queue
      where status = 'processing' and seq > 0
        and lease_expires_at <= now() and lease_expires_at >= v_marks.lease_expires_at
    )
  into v_expired, v_due, v_lost;
  if v_expired or v_due or v_lost then
    perform private.do_chores(greatest(100, v_limit * 2), p_job_types, v_marks);
  end if;
  if v_lost then
    return query
    select * from private.rescue_jobs(v_limit, v_lease_seconds, p_job_types, v_marks.lease_expires_at);
    get diagnostics v_rescued = row_count;
    v_limit := v_limit - v_rescued;
    if v_limit < 1 then
      return;
    end if;
  end if;

  return query
  select * from private.lease_ready(v_limit, v_lease_seconds, p_job_types, v_marks.raised_at > '-infinity');
end
$$;
