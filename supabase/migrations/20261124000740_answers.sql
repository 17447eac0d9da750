-- What a user sees of a generation ------------------------------------------------------------------------------------

create function private.generation_json(p_generation public.image_generations) returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_position int;
  v_seconds int;
  v_model_seconds numeric;
  v_images jsonb := '[]';
begin
  if p_generation.status in ('pending', 'queued', 'processing') then
    v_model_seconds := private.model_seconds(p_generation.model_id, (
      select m.estimated_time_seconds from public.models as m where m.id = p_generation.model_id
    ));
  end if;
  case
    when p_generation.status in ('pending', 'queued') then
      select * into v_job from public.job_queue where id = p_generation.job_id;
      v_position := private.queue_position(p_generation.job_id);
      v_seconds := private.estimate_seconds(v_model_seconds, coalesce(v_position, 1))
        + greatest(0, ceil(extract(epoch from v_job.scheduled_at - now())));
    when p_generation.status = 'processing' then
      v_seconds := private.remaining_seconds(p_generation, v_model_seconds);
    when p_generation.status = 'downloading' then
      v_seconds := 1;
    when p_generation.status = 'completed' then
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', i.id, 'url', i.public_url, 'format', i.format,
        'width', i.width, 'height', i.height, 'bytes', i.file_size,
        'thumbnail_url', private.thumbnail_url(i.public_url, i.format, i.width, s.thumbnail_width)
      )), '[]') into v_images
      from public.images as i cross join private.settings as s where i.generation_id = p_generation.id;
    else null;
  end case;

  return jsonb_build_object(
    'id', p_generation.id,
    'batch_id', p_generation.batch_id,
    'status', case p_generation.status when 'pending' then 'queued' else p_generation.status end,
    'progress', p_generation.progress,
    'queue_position', v_position,
    'estimated_seconds', v_seconds,
    'operation', p_generation.operation,
    'model_id', p_generation.model,
    'prompt', p_generation.prompt,
    'negative_prompt', p_generation.negative_prompt,
    'width', p_generation.width,
    'height', p_generation.height,
    'seed', p_generation.seed,
    'adjustments', p_generation.adjustments,
    'error', case
      when p_generation.error_message is not null or p_generation.error_code is not null
        then jsonb_build_object('code', p_generation.error_code, 'message', p_generation.error_message)
    end,
    'images', v_images,
    'cost_usd', p_generation.cost_usd,
    'created_at', p_generation.created_at,
    'started_at', p_generation.started_at,
    'completed_at', p_generation.completed_at
  );
end
$$;

-- Where a small version of an image is, which Supabase makes when it is asked for; the image itself where that makes
-- none: it is no wider, its format is not taken, or it is stored elsewhere.
create function private.thumbnail_url(p_url text, p_format text, p_image_width int, p_width int) returns text
language sql immutable
return case
  when p_width < p_image_width and p_format in ('webp', 'png', 'jpg') and p_url like '%/storage/v1/object/public/%'
    -- Without `contain` it keeps the height and crops.
    then replace(p_url, '/storage/v1/object/public/', '/storage/v1/render/image/public/')
      || '?width=' || p_width || '&resize=contain'
  else p_url
end;

create function private.get_generation(p_generation_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation public.image_generations;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  return private.generation_json(v_generation);
end
$$;

-- The newest first. The cursor is the last row's time in microseconds and its id. A page ends before it has
-- 2 MiB: the Worker reads at most 4, and one generation has at most some 150 KB.
create function private.list_generations(p_limit int, p_cursor text, p_status text, p_batch_id uuid)
returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := coalesce(p_limit, 20);
  v_before timestamptz := 'infinity';
  v_before_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  v_row public.image_generations;
  v_one jsonb;
  v_rows jsonb[] := '{}';
  v_bytes int := 0;
  v_next text;
begin
  if v_limit not between 1 and 100 then
    perform private.refuse_field('limit', 'limit must be a whole number from 1 to 100.');
  end if;
  if p_status <> all('{queued,processing,downloading,completed,failed,cancelled}'::text[]) then
    perform private.refuse_field(
      'status', 'status must be one of: queued, processing, downloading, completed, failed, cancelled.'
    );
  end if;
  if p_cursor is not null then
    if p_cursor !~ '^\d{1,17}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
      perform private.refuse_field('cursor', 'cursor must be the next_cursor of an earlier page.');
    end if;
    v_before := 'epoch'::timestamptz + split_part(p_cursor, '_', 1)::bigint * interval '1 microsecond';
    v_before_id := split_part(p_cursor, '_', 2)::uuid;
  end if;
  for v_row in
    select * from public.image_generations as g
    where g.user_id = auth.uid() and (g.created_at, g.id) < (v_before, v_before_id)
      and (p_status is null or g.status = p_status or (p_status = 'queued' and g.status = 'pending'))
      and (p_batch_id is null or g.batch_id = p_batch_id)
    order by g.created_at desc, g.id desc limit v_limit + 1
  loop
    v_one := private.generation_json(v_row);
    v_bytes := v_bytes + octet_length(v_one::text);
    if cardinality(v_rows) = v_limit or (v_bytes > 2097152 and cardinality(v_rows) > 0) then
      v_next := (extract(epoch from v_before) * 1000000)::bigint || '_' || v_before_id;
      exit;
    end if;
    v_rows := v_rows || v_one;
    v_before := v_row.created_at;
    v_before_id := v_row.id;
  end loop;
  return jsonb_build_object('generations', to_jsonb(v_rows), 'next_cursor', v_next);
end
$$;

-- Position of a pending job in its queue, 1 being next: the ready jobs that go first and, while it is blocked,
-- its user's blocked jobs before it; counted up to 1,000. Null for a scheduled one.
create function private.queue_position(p_job_id uuid) returns int
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job record;
  v_ahead int;
  v_more int;
begin
  select higher.jobs + earlier.jobs into v_ahead
  from private.ready_jobs as j
  cross join lateral (
    select count(*) as jobs from (
      select from private.ready_jobs as r where r.job_type = j.job_type and r.priority > j.priority limit 999
    ) as counted
  ) as higher
  cross join lateral (
    select count(*) as jobs from (
      select from private.ready_jobs as r
      where r.job_type = j.job_type and r.priority = j.priority and (r.virtual_time, r.seq) < (j.virtual_time, j.seq)
      limit 999 - higher.jobs
    ) as counted
  ) as earlier
  where j.id = p_job_id;
  if found then
    return v_ahead + 1;
  end if;
  select job_type, priority, seq, fair_key into v_job from private.blocked_jobs where id = p_job_id;
  if not found then
    return null;
  end if;
  select count(*) into v_ahead from (
    select from private.ready_jobs where job_type = v_job.job_type and priority >= v_job.priority limit 999
  ) as ready;
  select count(*) into v_more from (
    select from private.blocked_jobs
    where fair_key = v_job.fair_key and job_type = v_job.job_type
      and (priority > v_job.priority or (priority = v_job.priority and seq < v_job.seq))
    limit 999 - v_ahead
  ) as own;
  return v_ahead + v_more + 1;
end
$$;

-- Seconds until an image at that position should be there, where so many are made at the same time.
create function private.seconds_until_made(p_model_seconds numeric, p_position int, p_parallel int) returns int
language sql stable
return ceil(coalesce(p_model_seconds, 20) * ceil(p_position::numeric / p_parallel));

-- The same, by the installation's settings.
create function private.estimate_seconds(p_model_seconds numeric, p_position int) returns int
language plpgsql stable set search_path = '' as $$
begin
  return (
    select private.seconds_until_made(p_model_seconds, p_position, s.parallel_images) from private.settings as s
  );
end
$$;

-- Seconds until a running generation should be there, 1 to 900. Without a sign of progress the model's time
-- counts; the further it is, the more its own pace. Between two signs the time only runs down.
create function private.remaining_seconds(p_generation public.image_generations, p_model_seconds numeric)
returns int
language plpgsql stable set search_path = '' as $$
declare
  v_done numeric := case when p_generation.progress_at is not null then (p_generation.progress - 10) / 80.0 else 0 end;
  v_told timestamptz := case when v_done > 0 then p_generation.progress_at else now() end;
  v_ran numeric := greatest(extract(epoch from v_told - coalesce(p_generation.started_at, v_told)), 0);
  v_left numeric := p_model_seconds - v_ran;
begin
  if v_done > 0 then
    v_left := (1 - v_done) * (v_ran + (1 - v_done) * p_model_seconds) - extract(epoch from now() - v_told);
  end if;
  return least(greatest(ceil(v_left), 1), 900)::int;
end
$$;

-- Seconds that a run of the model takes: measured, or else as the catalogue has it.
create function private.model_seconds(p_model_id uuid, p_estimate numeric) returns numeric
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return coalesce(
    (select t.seconds from private.model_times as t where t.model_id = p_model_id), p_estimate, 20
  );
end
$$;

-- Counts in the runs that ended since the last run of the cron, so that no step of a generation has to; the newest
-- of 2,000 ended jobs are enough. Each run weighs a tenth, while there are fewer than ten all weigh the same.
create function private.measure_model_times() returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into private.model_times as t (model_id, seconds, runs)
  select
    g.model_id,
    -- No run lasts longer than its prediction's deadline, 15 minutes.
    avg(least(greatest(
      coalesce(g.predict_time_seconds, extract(epoch from ended.completed_at - g.started_at)), 0.1
    ), 900)),
    count(*)
  from (
    select generation_id, job_type, completed_at from private.finished_jobs
    where status = 'completed' and completed_at > coalesce((select s.ran_at from private.last_cron_run as s), '-infinity')
    order by completed_at desc limit 2000
  ) as ended
  join public.image_generations as g on g.id = ended.generation_id
  where ended.job_type = 'generate-image' and g.model_id is not null
    -- One that has been tried again since says nothing of the run that ended.
    and g.started_at <= ended.completed_at
  group by g.model_id
  order by g.model_id
  on conflict (model_id) do update set
    seconds = t.seconds + (excluded.seconds - t.seconds)
      * greatest(1 - power(0.9, excluded.runs), excluded.runs::numeric / (t.runs + excluded.runs)),
    runs = t.runs + excluded.runs;
end
$$;
