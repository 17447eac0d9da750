-- What the dashboard shows of single things: jobs by pages, the ledger, and what an id is. A page ends when it has
-- looked at 2,000 rows, however few of them are listed.

create function private.last_error_code(p_history jsonb) returns text
language sql immutable
return case jsonb_typeof(p_history) when 'array' then p_history -> -1 ->> 'code' end;

-- A job as operators see it. What users wrote and addresses of files are no part of it.
create function private.admin_job_json(p_job public.job_queue) returns jsonb
language sql stable
return jsonb_build_object(
  'id', p_job.id, 'job_type', p_job.job_type, 'state', private.state_of(p_job), 'status', p_job.status,
  'priority', p_job.priority, 'attempts', p_job.attempts, 'max_attempts', p_job.max_attempts,
  'user_id', p_job.fair_key, 'generation_id', p_job.generation_id, 'model', left(p_job.payload ->> 'model_id', 200),
  'prediction_id', p_job.prediction_id, 'created_at', p_job.created_at, 'scheduled_at', p_job.scheduled_at,
  'started_at', p_job.started_at, 'completed_at', p_job.completed_at, 'lease_expires_at', p_job.lease_expires_at,
  'expires_at', p_job.expires_at, 'retry_until', p_job.retry_until, 'error_message', left(p_job.error_message, 1000),
  'error_code', left(private.last_error_code(p_job.error_details), 100)
);

create function private.admin_job_detail(p_job public.job_queue) returns jsonb
language sql stable
return private.admin_job_json(p_job) || jsonb_build_object(
  'errors', case jsonb_typeof(p_job.error_details) when 'array' then p_job.error_details else '[]' end,
  'payload', case jsonb_typeof(p_job.payload)
    when 'object' then p_job.payload
      - '{prompt,negative_prompt,source_image_url,source_path,output_url,output_urls,webhook_url,items,names}'::text[]
    else '{}'
  end,
  'result', case when pg_column_size(p_job.result) <= 16384 then p_job.result end,
  'is_rescued', p_job.rescued, 'is_outcome_unknown', p_job.outcome_unknown,
  'can_cancel', p_job.status in ('pending', 'processing')
    and not (p_job.job_type = 'download-image' and p_job.generation_id is not null),
  'can_requeue', p_job.status = 'failed'
);

-- Rows of the five tables as public.job_queue shows them.
create function private.waiting_job(p_job private.scheduled_jobs, p_is_blocked boolean) returns public.job_queue
language sql stable
return row(
  p_job.id, p_job.job_type, p_job.payload, 'pending'::text, p_job.attempts, p_job.max_attempts, p_job.scheduled_at,
  null::timestamptz, null::timestamptz, p_job.error_message, p_job.error_details, p_job.fair_key, p_job.priority,
  p_job.created_at, p_job.created_at, p_job.lease, null::timestamptz, null::jsonb, null::text, false, false,
  p_job.generation_id, p_job.expires_at, p_job.retry_until, p_job.fair_key, null::timestamptz, p_is_blocked, false,
  null::bigint, p_job.seq
)::public.job_queue;

create function private.ready_job(p_job private.ready_jobs) returns public.job_queue
language sql stable
return row(
  p_job.id, p_job.job_type, p_job.payload, 'pending'::text, p_job.attempts, p_job.max_attempts, p_job.scheduled_at,
  null::timestamptz, null::timestamptz, p_job.error_message, p_job.error_details, p_job.fair_key, p_job.priority,
  p_job.created_at, p_job.created_at, p_job.lease, null::timestamptz, null::jsonb, null::text, false, false,
  p_job.generation_id, p_job.expires_at, p_job.retry_until, p_job.fair_key,
  greatest(p_job.created_at, p_job.scheduled_at), false, p_job.slot, p_job.virtual_time, p_job.seq
)::public.job_queue;

create function private.finished_job(p_job private.finished_jobs) returns public.job_queue
language sql stable
return row(
  p_job.id, p_job.job_type, p_job.payload, p_job.status, p_job.attempts, p_job.max_attempts, p_job.scheduled_at,
  p_job.started_at, p_job.completed_at, p_job.error_message, p_job.error_details, p_job.fair_key, p_job.priority,
  p_job.created_at, p_job.completed_at, p_job.lease, null::timestamptz, p_job.result, p_job.prediction_id, false, false,
  p_job.generation_id, p_job.expires_at, p_job.retry_until, p_job.fair_key, null::timestamptz, false, false,
  null::bigint, p_job.seq
)::public.job_queue;

-- The jobs of a state in their order, at most p_most, behind the one that p_key is of; job: null where it is not one
-- that is asked for.
create function private.admin_job_rows(
  p_state text, p_job_type text, p_user_id uuid, p_error_code text, p_key jsonb, p_most int
) returns table (key jsonb, job public.job_queue)
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_at timestamptz := coalesce((p_key ->> 'at')::timestamptz, case
    when p_state in ('failed', 'completed', 'cancelled') then 'infinity' else '-infinity' end::timestamptz);
  v_id uuid := coalesce((p_key ->> 'id')::uuid, case
    when p_state in ('failed', 'completed', 'cancelled') then 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    else '00000000-0000-0000-0000-000000000000' end::uuid);
  v_priority int := (p_key ->> 'priority')::int;
  v_seq bigint := (p_key ->> 'seq')::bigint;
begin
  case
    when p_state = 'ready' then
      return query
      select jsonb_build_object('priority', (r.its).priority, 'time', (r.its).virtual_time, 'seq', (r.its).seq),
        case when p_user_id is null or (r.its).fair_key = p_user_id then private.ready_job(r.its) end
      from (
        (
          select 1 as part, j as its from private.ready_jobs as j
          where j.job_type = coalesce(p_job_type, 'generate-image') and j.priority = v_priority
            and (j.virtual_time, j.seq) > ((p_key ->> 'time')::bigint, v_seq)
          order by j.virtual_time, j.seq limit p_most
        )
        union all
        (
          select 2, j from private.ready_jobs as j
          where j.job_type = coalesce(p_job_type, 'generate-image')
            and j.priority < coalesce(v_priority::bigint, 2147483648)
          order by j.priority desc, j.virtual_time, j.seq limit p_most
        )
      ) as r
      order by r.part, (r.its).priority desc, (r.its).virtual_time, (r.its).seq limit p_most;
    when p_state = 'blocked' then
      return query
      select
        jsonb_build_object(
          'user', (b.its).fair_key, 'type', (b.its).job_type, 'priority', (b.its).priority, 'seq', (b.its).seq
        ),
        case when p_job_type is null or (b.its).job_type = p_job_type
          then private.waiting_job(row((b.its).*)::private.scheduled_jobs, true) end
      from (
        (
          select 1 as part, j as its from private.blocked_jobs as j
          where j.fair_key = (p_key ->> 'user')::uuid and j.job_type = p_key ->> 'type' and j.priority = v_priority
            and j.seq > v_seq
          order by j.seq limit p_most
        )
        union all
        (
          select 2, j from private.blocked_jobs as j
          where j.fair_key = (p_key ->> 'user')::uuid and j.job_type = p_key ->> 'type' and j.priority < v_priority
          order by j.priority desc, j.seq limit p_most
        )
        union all
        (
          select 3, j from private.blocked_jobs as j
          where (j.fair_key, j.job_type)
            > (coalesce((p_key ->> 'user')::uuid, p_user_id, '00000000-0000-0000-0000-000000000000'),
              coalesce(p_key ->> 'type', ''))
            and j.fair_key <= coalesce(p_user_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
          order by j.fair_key, j.job_type, j.priority desc, j.seq limit p_most
        )
      ) as b
      order by b.part, (b.its).fair_key, (b.its).job_type, (b.its).priority desc, (b.its).seq limit p_most;
    when p_state = 'scheduled' then
      return query
      select jsonb_build_object('at', j.scheduled_at, 'id', j.id),
        case when (p_job_type is null or j.job_type = p_job_type)
          and (p_user_id is null or j.fair_key is not distinct from p_user_id)
          then private.waiting_job(j, false) end
      from private.scheduled_jobs as j
      where j.scheduled_at >= v_at and (j.scheduled_at, j.id) > (v_at, v_id)
      order by j.scheduled_at, j.id limit p_most;
    when p_state in ('running', 'stuck') then
      return query
      select jsonb_build_object('at', j.lease_expires_at, 'id', j.id),
        case when (p_job_type is null or j.job_type = p_job_type)
          and (p_user_id is null or j.fair_key is not distinct from p_user_id)
          and (p_state = 'running' or j.started_at < now() - interval '10 minutes')
          then private.as_job(j) end
      from private.running_jobs as j
      where j.lease_expires_at >= v_at and (j.lease_expires_at, j.id) > (v_at, v_id)
        -- Where none has run for so long, none need be looked at.
        and (p_state = 'running' or (
          select coalesce(min(r.minute) < now() - interval '10 minutes', false) from private.running_since() as r
        ))
      order by j.lease_expires_at, j.id limit p_most;
    when p_user_id is not null then
      return query
      select jsonb_build_object('at', j.created_at, 'id', j.id),
        case when j.status = p_state and (p_job_type is null or j.job_type = p_job_type)
          and (p_error_code is null or private.last_error_code(j.error_details) is not distinct from p_error_code)
          then private.finished_job(j) end
      from private.finished_jobs as j
      where j.fair_key = p_user_id and j.created_at <= v_at and (j.created_at, j.id) < (v_at, v_id)
      order by j.created_at desc, j.id desc limit p_most;
    else
      return query
      select jsonb_build_object('at', j.completed_at, 'id', j.id),
        case when (p_job_type is null or j.job_type = p_job_type)
          and (p_error_code is null or private.last_error_code(j.error_details) is not distinct from p_error_code)
          then private.finished_job(j) end
      from private.finished_jobs as j
      where j.status = p_state and j.completed_at <= v_at and (j.completed_at, j.id) < (v_at, v_id)
      order by j.completed_at desc, j.id desc limit p_most;
  end case;
end
$$;

-- Whether among the jobs of a state may be some that are not asked for.
create function private.is_sifted(p_state text, p_job_type text, p_user_id uuid, p_error_code text) returns boolean
language sql immutable
return case p_state
  when 'ready' then p_user_id is not null
  when 'blocked' then p_job_type is not null
  when 'stuck' then true
  else num_nonnulls(p_job_type, p_user_id, p_error_code) > 0
end;

-- A page of jobs in one state, in the order of what comes next; of what has ended, the newest first.
create function private.admin_jobs(
  p_state text, p_job_type text, p_user_id uuid, p_error_code text, p_limit int, p_cursor text
) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := private.page_limit(p_limit);
  v_row record;
  v_key jsonb;
  v_jobs jsonb[] := '{}';
  v_seen int := 0;
  v_read int;
  v_is_more boolean;
  -- Where all fit, no more than the page; else four times as many at once, up to 2,000.
  v_is_sifted boolean := private.is_sifted(p_state, p_job_type, p_user_id, p_error_code);
  v_most int := case when v_is_sifted then 2000 else v_limit end;
  v_chunk int;
  v_next text;
begin
  perform private.check_admin();
  if p_state is null or p_state <> all('{ready,blocked,scheduled,running,stuck,failed,completed,cancelled}'::text[]) then
    perform private.refuse_field('p_state',
      'p_state must be one of: ready, blocked, scheduled, running, stuck, failed, completed, cancelled.');
  end if;
  v_key := private.read_job_cursor(p_cursor, p_state);
  loop
    v_chunk := least(v_most - v_seen, case when v_is_sifted then v_limit * 4 else v_limit end);
    v_read := 0;
    v_is_more := false;
    for v_row in select * from private.admin_job_rows(
      p_state, p_job_type, p_user_id, p_error_code, v_key, v_chunk + 1
    ) loop
      v_is_more := v_read = v_chunk or cardinality(v_jobs) = v_limit;
      exit when v_is_more;
      v_read := v_read + 1;
      v_key := v_row.key;
      if (v_row.job).id is not null then
        v_jobs := v_jobs || private.admin_job_json(v_row.job);
      end if;
    end loop;
    v_seen := v_seen + v_read;
    exit when not v_is_more or v_seen = v_most or cardinality(v_jobs) = v_limit;
  end loop;
  if v_is_more then
    v_next := translate(encode(convert_to((v_key || jsonb_build_object('state', p_state))::text, 'UTF8'), 'base64'), E'\n', '');
  end if;
  return jsonb_build_object('jobs', to_jsonb(v_jobs), 'next_cursor', v_next);
end
$$;

-- A cursor of admin_jobs: the key of its page's last row, and the state that it is of.
create function private.read_job_cursor(p_cursor text, p_state text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_key jsonb;
begin
  if p_cursor is null then
    return null;
  end if;
  begin
    v_key := convert_from(decode(left(p_cursor, 1000), 'base64'), 'UTF8')::jsonb;
    perform (v_key ->> 'at')::timestamptz, (v_key ->> 'id')::uuid, (v_key ->> 'user')::uuid,
      (v_key ->> 'priority')::int, (v_key ->> 'seq')::bigint, (v_key ->> 'time')::bigint;
  exception when others then
    v_key := null;
  end;
  if v_key ->> 'state' is distinct from p_state then
    perform private.refuse_field('p_cursor', 'p_cursor must be the next_cursor of an earlier page of the same list.');
  end if;
  return v_key - 'state';
end
$$;

create function private.admin_job(p_job_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
begin
  perform private.check_admin();
  select * into v_job from public.job_queue where id = p_job_id;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such job: it has been deleted after its days, or never was.');
  end if;
  return private.admin_job_detail(v_job);
end
$$;

-- The ledger ----------------------------------------------------------------------------------------------------------

create function private.admin_prediction_json(p_prediction private.predictions) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', p_prediction.id, 'job_id', p_prediction.job_id, 'generation_id', p_prediction.generation_id,
    'user_id', (select g.user_id from public.image_generations as g where g.id = p_prediction.generation_id),
    'attempt', p_prediction.attempt, 'model', p_prediction.model, 'source', p_prediction.source,
    'recorded_at', p_prediction.recorded_at, 'ended_at', p_prediction.ended_at, 'status', p_prediction.status,
    'predict_seconds', p_prediction.predict_time, 'cost_usd', p_prediction.cost_usd,
    'is_unwanted', p_prediction.is_unwanted
  )
$$;

-- The generations that an id is of: one, that of a job, an image or a webhook, those of a batch, the newest of a user;
-- 200 at most. It looks no further than it must.
create function private.generations_of(p_id uuid) returns uuid[]
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[] := array(select g.id from public.image_generations as g where g.id = p_id);
begin
  if v_ids = '{}' then
    v_ids := array(
      select j.generation_id from public.job_queue as j where j.id = p_id and j.generation_id is not null
    );
  end if;
  if v_ids = '{}' then
    v_ids := array(
      select i.generation_id from public.images as i where i.id = p_id and i.generation_id is not null
    );
  end if;
  if v_ids = '{}' then
    v_ids := array(select w.generation_id from private.webhook_deliveries as w where w.id = p_id);
  end if;
  if v_ids = '{}' then
    v_ids := array(select g.id from public.image_generations as g where g.batch_id = p_id limit 200);
  end if;
  if v_ids = '{}' then
    v_ids := array(
      select g.id from public.image_generations as g where g.user_id = p_id
      order by g.created_at desc, g.id desc limit 200
    );
  end if;
  return v_ids;
end
$$;

-- The newest first; with a text, those of what it is the id of: a prediction, job, generation, image, batch, webhook or
-- user, who is known by an e-mail address as well. Of a user or batch, those of the newest 200 generations.
create function private.admin_predictions(p_search text, p_limit int, p_cursor text) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := private.page_limit(p_limit);
  v_cursor text[] := private.read_cursor(p_cursor, '^\d{1,17}_[\x21-\x7e]+$');
  v_at timestamptz := 'infinity';
  v_id text := '';
  v_text text := btrim(p_search);
  v_search uuid := private.as_uuid(regexp_replace(v_text, '^msg_', ''));
  v_generations uuid[];
  v_rows private.predictions[];
  v_last private.predictions;
begin
  perform private.check_admin();
  if char_length(v_text) not between 1 and 300 then
    perform private.refuse_field('p_search', 'p_search must be an id or an e-mail address of at most 300 characters.');
  end if;
  if v_search is null and v_text like '%@%' then
    select u.id into v_search from auth.users as u where u.email = lower(v_text) and not u.is_sso_user;
  end if;
  if v_cursor is not null then
    v_at := 'epoch'::timestamptz + v_cursor[1]::bigint * interval '1 microsecond';
    v_id := array_to_string(v_cursor[2:], '_');
  end if;
  if p_search is null then
    v_rows := array(
      select p from private.predictions as p
      where p.recorded_at <= v_at and (p.recorded_at < v_at or p.id < v_id)
      order by p.recorded_at desc, p.id desc limit v_limit + 1
    );
  else
    if v_search is not null then
      v_generations := private.generations_of(v_search);
      if v_generations = '{}' then
        -- Deleted: what was paid for it stays.
        v_generations := array[v_search];
      end if;
    end if;
    v_rows := array(
      select p from (
        select * from private.predictions as k where k.id = v_text
        union
        select * from private.predictions as k where k.generation_id = any(v_generations)
      ) as f
      cross join lateral (select row(f.*)::private.predictions as p) as its
      where f.recorded_at < v_at or (f.recorded_at = v_at and f.id < v_id)
      order by f.recorded_at desc, f.id desc limit v_limit + 1
    );
  end if;
  v_last := v_rows[v_limit];
  return jsonb_build_object(
    'predictions', (
      select coalesce(jsonb_agg(private.admin_prediction_json(v_rows[n]) order by n), '[]')
      from generate_series(1, least(cardinality(v_rows), v_limit)) as n
    ),
    'next_cursor', case when cardinality(v_rows) > v_limit then
      (extract(epoch from v_last.recorded_at) * 1000000)::bigint || '_' || v_last.id end
  );
end
$$;

-- What an id is -------------------------------------------------------------------------------------------------------

create function private.found(p_kind text, p_id text, p_generation_id uuid, p_user_id uuid) returns jsonb
language sql stable
return jsonb_build_object('kind', p_kind, 'id', p_id, 'generation_id', p_generation_id, 'user_id', p_user_id);

create function private.admin_find(p_id text) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_text text := btrim(p_id);
  v_id uuid := private.as_uuid(regexp_replace(v_text, '^msg_', ''));
  v record;
begin
  perform private.check_admin();
  if v_text is null or char_length(v_text) not between 1 and 300 then
    perform private.refuse_field('p_id', 'p_id must be an id of 1 to 300 characters.');
  end if;
  if v_id is not null then
    select g.id, g.user_id into v from public.image_generations as g where g.id = v_id;
    if found then
      return private.found('generation', v_id::text, v.id, v.user_id);
    end if;
    select j.generation_id, j.fair_key into v from public.job_queue as j where j.id = v_id;
    if found then
      return private.found('job', v_id::text, v.generation_id, v.fair_key);
    end if;
    select b.user_id into v from public.batch_generations as b where b.id = v_id;
    if found then
      return private.found('batch', v_id::text, null, v.user_id);
    end if;
    select i.generation_id, i.user_id into v from public.images as i where i.id = v_id;
    if found then
      return private.found('image', v.generation_id::text, v.generation_id, v.user_id);
    end if;
    perform 1 from auth.users as u where u.id = v_id;
    if found then
      return private.found('user', v_id::text, null, v_id);
    end if;
    select d.generation_id, g.user_id into v
    from private.webhook_deliveries as d inner join public.image_generations as g on g.id = d.generation_id
    where d.id = v_id;
    if found then
      return private.found('webhook', v.generation_id::text, v.generation_id, v.user_id);
    end if;
  end if;
  select p.generation_id, g.user_id into v
  from private.predictions as p left join public.image_generations as g on g.id = p.generation_id
  where p.id = v_text;
  if found then
    return private.found('prediction', v_text, v.generation_id, v.user_id);
  end if;
  perform 1 from public.models as m where m.replicate_id = v_text;
  if found then
    return private.found('model', v_text, null, null);
  end if;
  return private.found('none', null, null, null);
end
$$;

-- One generation's whole story: every job that is kept, every prediction and webhook, the image, the costs.
create function private.admin_generation(p_generation_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation public.image_generations;
  v_jobs uuid[];
  v_predictions private.predictions[];
begin
  perform private.check_admin();
  select * into v_generation from public.image_generations where id = p_generation_id;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  v_predictions := array(
    select p from private.predictions as p where p.generation_id = p_generation_id order by p.recorded_at limit 200
  );
  v_jobs := array_remove(
    array[v_generation.job_id, v_generation.download_job_id, v_generation.cancel_job_id]
    || array(
      select d.job_id from private.webhook_deliveries as d where d.generation_id = p_generation_id limit 50
    )
    || array(select distinct p.job_id from unnest(v_predictions) as p)
    -- What else has finished for it, such as a job from before a retry: among the first 50 of its user's from then on.
    || array(
      select f.id from (
        select j.id, j.generation_id from private.finished_jobs as j
        where j.fair_key = v_generation.user_id and j.created_at >= v_generation.created_at - interval '1 second'
          and j.created_at <= coalesce(v_generation.completed_at, now()) + interval '1 hour'
        order by j.created_at limit 50
      ) as f
      where f.generation_id = p_generation_id
    ),
    null
  );
  return jsonb_build_object(
    'generation', jsonb_build_object(
      'id', v_generation.id, 'user_id', v_generation.user_id,
      'user_email', (select u.email from auth.users as u where u.id = v_generation.user_id),
      'batch_id', v_generation.batch_id,
      'status', case v_generation.status when 'pending' then 'queued' else v_generation.status end,
      'model', v_generation.model, 'operation', v_generation.operation, 'country', v_generation.country,
      'prompt', v_generation.prompt, 'width', v_generation.width, 'height', v_generation.height,
      'seed', v_generation.seed, 'priority', v_generation.priority, 'progress', v_generation.progress,
      'retry_count', v_generation.retry_count, 'error_message', v_generation.error_message,
      'error_code', v_generation.error_code, 'parent_id', v_generation.parent_id,
      'created_at', v_generation.created_at, 'started_at', v_generation.started_at,
      'completed_at', v_generation.completed_at, 'generation_seconds', v_generation.generation_time_seconds,
      'predict_seconds', v_generation.predict_time_seconds, 'cost_usd', v_generation.cost_usd,
      'reserved_usd', v_generation.reserved_usd
    ),
    'jobs', (
      select coalesce(jsonb_agg(private.admin_job_detail(j) order by j.seq), '[]')
      from (select distinct u.id from unnest(v_jobs) as u (id)) as its
      cross join lateral (select * from public.job_queue as q where q.id = its.id limit 1) as j
    ),
    'predictions', (
      select coalesce(jsonb_agg(private.admin_prediction_json(v_predictions[n]) order by n), '[]')
      from generate_series(1, cardinality(v_predictions)) as n
    ),
    'webhooks', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'webhook_id', 'msg_' || d.id, 'type', d.event_type, 'url', split_part(d.url, '?', 1), 'created_at', d.ended_at,
        'status', case
          when j.status in ('pending', 'processing') then 'pending' when d.status = 'pending' then 'failed' else d.status
        end,
        'attempts', d.attempts, 'job_id', d.job_id
      ) order by d.ended_at), '[]')
      from (
        select * from private.webhook_deliveries as w where w.generation_id = p_generation_id
        order by w.ended_at limit 50
      ) as d
      left join lateral (select q.status from public.job_queue as q where q.id = d.job_id limit 1) as j on true
    ),
    'image', (
      select jsonb_build_object(
        'id', i.id, 'public_url', i.public_url, 'width', i.width, 'height', i.height, 'format', i.format,
        'bytes', i.file_size, 'is_public', i.is_public, 'created_at', i.created_at
      )
      from public.images as i where i.generation_id = p_generation_id
    ),
    'provider_cost_usd', (
      select coalesce(sum(p.cost_usd), 0) from private.predictions as p where p.generation_id = p_generation_id
    ),
    'log', jsonb_build_object(
      'ids', (
        select to_jsonb(array[p_generation_id::text] || array(select distinct u.id::text from unnest(v_jobs) as u (id) order by 1)
          || array(select u.id from unnest(v_predictions) as u order by 1))
      ),
      'from', v_generation.created_at,
      'to', greatest(coalesce(v_generation.completed_at, now()), v_generation.created_at) + interval '1 minute'
    )
  );
end
$$;
