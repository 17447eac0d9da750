-- The live channel: which changes are told to whoever listens, and the states that a listener begins with.
--
-- Each step that answers with an object hands out the changes that it made in a member `changes`, so that
-- telling them costs no round trip; only those of users that somebody listens to, so that nothing is sent
-- for nobody. A change that is lost does no harm: listeners read the states again.

-- Changes -------------------------------------------------------------------------------------------------------------

-- The number of a change that a listener sees: milliseconds since 1970, or one more than before if that is later. Every
-- function that makes such a change writes it with the change: a trigger's function for each would cost more than most
-- of the changes.
create function private.next_seq(p_seq bigint) returns bigint
language sql volatile
return greatest(p_seq + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint);

-- Where somebody listens to this user, notes the generation for private.with_changes, in a setting of this transaction:
-- it goes with the transaction, and what a savepoint takes back is not noted either.
create function private.tell_change(p_user_id uuid, p_generation_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_noted text;
begin
  perform 1 from private.live_listeners where user_id = p_user_id and until > now();
  if found then
    v_noted := concat(current_setting('picture_queue.changed', true), ' ', p_generation_id);
    -- 100 of them: no step changes as many, and writing ever longer notes would make the work of many rows slow.
    if length(v_noted) <= 3700 then
      perform set_config('picture_queue.changed', v_noted, true);
    end if;
  end if;
end
$$;

-- A change by hand has no number of its own: it gets one, and what follows from it for the budget. What the functions
-- change has both, and does not come here; nor do changes of a user's own, which mean something else
-- (*_apps.sql). The number is compared first: of what the functions write, nothing else is looked at.
create function private.before_generation_change() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_budget numeric := private.budget_share(
    new, tg_op = 'INSERT' or old.reserved_on is null or not private.is_waiting(old.status)
  );
begin
  if new.status <> all('{pending,queued,processing,downloading,completed,failed,cancelled}')
    or new.progress not between 0 and 100
  then
    raise exception using errcode = '23514',
      message = 'The status of a generation is one of the seven, and its progress is 0 to 100.';
  end if;
  if tg_op = 'INSERT' and v_budget <> new.budget_usd then
    insert into private.budget_deltas (day, reserved) values (private.today(), v_budget - new.budget_usd);
  end if;
  new.budget_usd := v_budget;
  if tg_op = 'INSERT' or new.status <> old.status or new.progress <> old.progress
    or new.error_code is distinct from old.error_code or new.error_message is distinct from old.error_message
  then
    new.seq := private.next_seq(new.seq);
    perform private.tell_change(new.user_id, new.id);
  end if;
  return new;
end
$$;

create trigger image_generations_before_insert before insert on public.image_generations
for each row when (new.seq = 0 and not row_security_active('public.image_generations'::regclass))
execute function private.before_generation_change();
create trigger image_generations_before_change before update on public.image_generations
for each row when (new.seq = old.seq and not row_security_active('public.image_generations'::regclass))
execute function private.before_generation_change();

-- For the service's steps.
create function private.with_changes(p_answer jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if current_setting('picture_queue.changed', true) <> '' then
    return private.add_changes(p_answer, null);
  end if;
  return p_answer;
end
$$;

-- For what users call: their own changes, whatever else the transaction has done.
create function private.with_own_changes(p_answer jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if current_setting('picture_queue.changed', true) <> '' then
    return private.add_changes(p_answer, private.signed_in());
  end if;
  return p_answer;
end
$$;

-- A step's answer with the changes that this transaction has made and not handed out yet; as it is where
-- there are none. With a user only that one's.
create function private.add_changes(p_answer jsonb, p_user_id uuid) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_changed uuid[] := string_to_array(ltrim(current_setting('picture_queue.changed', true)), ' ');
  v_changes jsonb;
begin
  perform set_config('picture_queue.changed', '', true);
  v_changes := private.live_states(array(
    select id from public.image_generations
    where id = any(v_changed) and (p_user_id is null or user_id = p_user_id)
  ));
  return case
    when v_changes = '[]' then p_answer
    else p_answer || jsonb_build_object('changes', v_changes)
  end;
end
$$;

-- States --------------------------------------------------------------------------------------------------------------

-- Generations as the live channel tells them, in the order of their changes. What they say of a generation
-- is what private.generation_json says, as far as it goes; user_id is for the way, and goes no further.
create function private.live_states(p_ids uuid[]) returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation public.image_generations;
  v_positions jsonb;
  v_position int;
  v_due timestamptz;
  v_seconds int;
  v_model_seconds numeric;
  v_more jsonb;
  v_states jsonb[] := '{}';
begin
  for v_generation in
    select * from public.image_generations where id = any(p_ids) order by seq, id
  loop
    v_position := null;
    v_seconds := null;
    v_more := '{}';
    if v_generation.status in ('pending', 'queued', 'processing') then
      v_model_seconds := private.model_seconds(v_generation.model_id, (
        select m.estimated_time_seconds from public.models as m where m.id = v_generation.model_id
      ));
    end if;
    case
      when v_generation.status in ('pending', 'queued') then
        if v_positions is null then
          select coalesce(jsonb_object_agg(p.job_id, p.queue_position), '{}') into v_positions
          from private.queue_positions(array(
            select job_id from public.image_generations where id = any(p_ids) and status in ('pending', 'queued')
          )) as p;
        end if;
        v_position := (v_positions ->> v_generation.job_id::text)::int;
        select scheduled_at into v_due from public.job_queue where id = v_generation.job_id;
        v_seconds := private.estimate_seconds(v_model_seconds, coalesce(v_position, 1))
          + greatest(0, ceil(extract(epoch from v_due - now())));
      when v_generation.status = 'processing' then
        v_seconds := private.remaining_seconds(v_generation, v_model_seconds);
      when v_generation.status = 'downloading' then
        v_seconds := 1;
      when v_generation.status = 'completed' then
        select jsonb_build_object('image_url', public_url) into v_more
        from public.images where generation_id = v_generation.id;
      when coalesce(v_generation.error_code, v_generation.error_message) is not null then
        v_more := jsonb_build_object('error', jsonb_build_object(
          'code', coalesce(v_generation.error_code, 'failed'),
          'message', coalesce(v_generation.error_message, 'The image was not made.')
        ));
      else null;
    end case;
    v_states := v_states || (jsonb_build_object(
      'type', 'generation',
      'user_id', v_generation.user_id,
      'generation_id', v_generation.id,
      'batch_id', v_generation.batch_id,
      'status', case v_generation.status when 'pending' then 'queued' else v_generation.status end,
      'progress', v_generation.progress,
      'queue_position', v_position,
      'estimated_seconds', v_seconds,
      'seq', v_generation.seq
    ) || coalesce(v_more, '{}'));
  end loop;
  return to_jsonb(v_states);
end
$$;

-- The positions of jobs that make images, as private.queue_position has them, for many at once: the head of
-- the queue is read once for all, and joined without comparing each with each. None for those without one.
-- No jit: the planner takes what is switched off here for so costly that it would compile the rest.
create function private.queue_positions(p_job_ids uuid[]) returns table (job_id uuid, queue_position int)
language plpgsql stable set search_path = '' set enable_seqscan = off set enable_sort = off
set enable_nestloop = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  -- By id and nothing else: a condition that an index has would invite the planner to read all of that index.
  v_asked uuid[] := array(
    select mine.id from (
      select j.id from private.ready_jobs as j where j.id = any(p_job_ids)
      union all
      select j.id from private.blocked_jobs as j where j.id = any(p_job_ids)
    ) as mine
  );
begin
  if cardinality(v_asked) = 0 then
    return;
  end if;
  return query
  with asked as materialized (
    select j.id, j.seq, j.fair_key, false as blocked from private.ready_jobs as j where j.id = any(v_asked)
    union all
    select j.id, j.seq, j.fair_key, true from private.blocked_jobs as j where j.id = any(v_asked)
  ), ready as materialized (
    select head.seq, head.priority, row_number() over (order by head.priority desc, head.virtual_time, head.seq) as queue_position
    from (
      select j.seq, j.priority, j.virtual_time from private.ready_jobs as j
      where j.job_type = 'generate-image'
      order by j.priority desc, j.virtual_time, j.seq limit 999
    ) as head
  ), queues as materialized (
    select r.priority, count(*) as jobs from ready as r group by r.priority
  ), blocked as materialized (
    select
      own.seq,
      row_number() over (partition by mine.fair_key order by own.priority desc, own.seq)
        + (select coalesce(sum(q.jobs), 0) from queues as q where q.priority >= own.priority) as queue_position
    from (select distinct a.fair_key from asked as a where a.blocked) as mine
    cross join lateral (
      select j.seq, j.priority from private.blocked_jobs as j
      where j.fair_key = mine.fair_key and j.job_type = 'generate-image'
      order by j.priority desc, j.seq limit 999
    ) as own
  )
  select a.id, least(coalesce(case when a.blocked then b.queue_position else r.queue_position end, 1000), 1000)::int
  from asked as a
  left join ready as r on r.seq = a.seq
  left join blocked as b on b.seq = a.seq;
end
$$;

-- What somebody who begins to listen is told first, and who listens ---------------------------------------------------

-- The states of a user's open generations and, with p_since, a number that the listener has seen, of those that
-- have ended since; with p_generation_id of that one alone, or of none if it is not this user's. open: how many
-- of them are of open generations. From here on, for p_listen_seconds, changes are handed out.
create function private.live_snapshot(
  p_user_id uuid, p_generation_id uuid, p_since bigint, p_listen_seconds int
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_states jsonb;
  v_open int;
begin
  if p_generation_id is null then
    v_states := private.live_states(private.live_generations(
      p_user_id,
      -- A minute before: changes become visible in another order than they are numbered in.
      case when p_since is not null
        then to_timestamp((least(greatest(p_since, 60000), 32503680000000) - 60000) / 1000.0) end
    ));
  else
    v_states := private.live_states(array(
      select id from public.image_generations where id = p_generation_id and user_id = p_user_id
    ));
  end if;
  select count(*) into v_open from jsonb_array_elements(v_states) as s (state)
  where state ->> 'status' in ('queued', 'processing', 'downloading');
  -- Of one that is not there or has ended nothing more is told.
  if p_listen_seconds > 0 and (p_generation_id is null or v_open > 0) then
    insert into private.live_listeners as l (user_id, until)
    select id, now() + make_interval(secs => least(p_listen_seconds, 86400)) from auth.users where id = p_user_id
    on conflict (user_id) do update set until = excluded.until where l.until < excluded.until;
  end if;
  return jsonb_build_object('states', v_states, 'open', v_open);
end
$$;

-- A user's open generations, the oldest 200, and where p_since is given those that have ended since then, the
-- last 100: the beginning and the end of two ranges of one index.
create function private.live_generations(p_user_id uuid, p_since timestamptz) returns uuid[]
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
begin
  return array(
    select id from public.image_generations
    where user_id = p_user_id and completed_at is null and status in ('pending', 'queued', 'processing', 'downloading')
    order by completed_at, created_at limit 200
  ) || array(
    select id from public.image_generations
    where user_id = p_user_id and completed_at > p_since
    order by completed_at desc limit 100
  );
end
$$;

-- Called by prune_jobs.
create function private.prune_listeners(p_limit int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  delete from private.live_listeners where user_id = any(array(
    select user_id from private.live_listeners where until <= now()
    order by until limit p_limit for update skip locked
  ));
end
$$;

-- Supabase Realtime ---------------------------------------------------------------------------------------------------
--
-- Realtime tells a subscriber what changes from then on, and an app of the original's starts first and subscribes then:
-- of what has ended in between it would never hear. So the end is told once more to whoever subscribes after it:
-- Realtime keeps its subscriptions in a table, and the row of a generation that has ended is written again, as it is,
-- for those that have come since the last look. docs/decisions/0045-late-subscribers-hear-the-end.md

-- The generations or batches that a subscriber of this table asks for and that had ended before: what it names by its
-- id, else its own that ended within the minute before it came, ten at most. A second more: both are dated when their
-- transactions begin, and Realtime reads its table later.
create function private.missed_ends(p_subscription jsonb) returns setof uuid
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := private.as_uuid(p_subscription -> 'claims' ->> 'sub');
  v_came timestamptz := (p_subscription ->> 'created_at')::timestamp at time zone 'utc';
  v_id uuid := (
    select private.as_uuid(f ->> 'value') from jsonb_array_elements(p_subscription -> 'filters') as f
    where f ->> 'column_name' = 'id' and f ->> 'op' = 'eq' and f ->> 'negate' is distinct from 'true' limit 1
  );
begin
  if (p_subscription ->> 'entity')::oid = 'public.batch_generations'::regclass then
    return query select b.id from public.batch_generations as b
    where b.id = v_id and b.user_id = v_user and b.completed_at < v_came + interval '1 second';
  elsif v_id is not null then
    return query select g.id from public.image_generations as g
    where g.id = v_id and g.user_id = v_user and g.completed_at < v_came + interval '1 second'
      and g.status in ('completed', 'failed', 'cancelled');
  else
    return query select g.id from public.image_generations as g
    where g.user_id = v_user and g.completed_at > v_came - interval '1 minute'
      and g.completed_at < v_came + interval '1 second' and g.status in ('completed', 'failed', 'cancelled')
    order by g.completed_at desc limit 10;
  end if;
end
$$;

-- Has Realtime tell the end to subscribers that came after it. Each subscription is looked at once, 1,000 in a call;
-- those of more than ten minutes ago have been. A row that somebody changes at this moment is told by that change.
-- Answers how many rows were told again. It does not wait for whoever has locked Realtime's table: the next look comes
-- soon.
create function private.tell_late_subscribers() returns int
language plpgsql security definer set search_path = '' set lock_timeout = '500ms'
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_told int := 0;
  v_rows int;
  v_generations uuid[];
  v_batches uuid[];
begin
  -- Realtime makes its tables when it first runs for a project.
  if to_regclass('realtime.subscription') is null then
    return 0;
  end if;
  with late as (
    select s.id, s.entity, to_jsonb(s) as subscription from realtime.subscription as s
    where s.entity in ('public.image_generations'::regclass, 'public.batch_generations'::regclass)
      and s.created_at > timezone('utc', now()) - interval '10 minutes'
      and not exists (select from private.told_subscriptions as t where t.id = s.id)
    order by s.id limit 1000
  ),
  noted as (
    insert into private.told_subscriptions (id) select id from late on conflict (id) do nothing
  )
  select
    array_agg(distinct missed.id) filter (where late.entity = 'public.image_generations'::regclass),
    array_agg(distinct missed.id) filter (where late.entity = 'public.batch_generations'::regclass)
  into v_generations, v_batches
  from late cross join lateral private.missed_ends(
    late.subscription || jsonb_build_object('entity', late.entity::oid)
  ) as missed (id);
  if v_generations is not null then
    update public.image_generations set progress = progress where id = any(array(
      select id from public.image_generations where id = any(v_generations) for no key update skip locked
    ));
    get diagnostics v_told = row_count;
  end if;
  if v_batches is not null then
    update public.batch_generations set status = status where id = any(array(
      select id from public.batch_generations where id = any(v_batches) for no key update skip locked
    ));
    get diagnostics v_rows = row_count;
    v_told := v_told + v_rows;
  end if;
  return v_told;
end
$$;

-- For the cron: what is not ours to keep right may not stop the rest. A sentence for operators, or null.
create function private.try_late_subscribers() returns text
language plpgsql set search_path = '' as $$
begin
  perform private.tell_late_subscribers();
  return null;
exception when others then
  return format(
    'The subscriptions of Supabase Realtime could not be read (%s): a client that subscribes after the end of its '
    'generation does not hear of it.', sqlerrm
  );
end
$$;

-- Called by prune_jobs. Ids are never used again.
create function private.prune_subscriptions() returns void
language plpgsql set search_path = '' as $$
begin
  delete from private.told_subscriptions where told_at < now() - interval '1 hour';
end
$$;
