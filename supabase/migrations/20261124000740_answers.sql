-- What a user sees of a generation ------------------------------------------------------------------------------------

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

-- An image, with its owner's marks.
create function private.image_json(p_image public.images) returns jsonb
language sql stable
return jsonb_build_object(
  'id', p_image.id,
  'generation_id', p_image.generation_id,
  'url', p_image.public_url,
  'thumbnail_url', private.thumbnail_url(
    p_image.public_url, p_image.format, p_image.width, (select s.thumbnail_width from private.settings as s)
  ),
  'format', p_image.format,
  'width', p_image.width,
  'height', p_image.height,
  'bytes', p_image.file_size,
  'is_favorite', p_image.is_favorite,
  'is_public', p_image.is_public,
  'archived_at', p_image.archived_at
);

-- What made it, beside prompt, model and size, under the names of a request. What was changed to fit the model stands
-- as it was used; an item of a batch may have been told of another one's seed. A negative prompt is left out of all
-- items or of none, whatever each one's is.
create function private.settings_json(p_generation public.image_generations) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_asked jsonb := jsonb_build_object(
    'negative_prompt', p_generation.negative_prompt,
    'aspect_ratio', p_generation.aspect_ratio,
    'output_format', p_generation.output_format,
    'seed', p_generation.seed,
    'num_inference_steps', p_generation.steps,
    'guidance_scale', p_generation.guidance_scale,
    'strength', p_generation.generation_strength,
    'scale', p_generation.scale,
    'style', p_generation.style
  );
begin
  if p_generation.adjustments = '[]' then
    return v_asked;
  end if;
  return v_asked || coalesce((
    select jsonb_object_agg(a.one ->> 'field', a.one -> 'used')
    from jsonb_array_elements(p_generation.adjustments) as a (one)
    where v_asked -> (a.one ->> 'field') = a.one -> 'requested' or a.one ->> 'field' = 'negative_prompt'
  ), '{}');
end
$$;

-- The source images, in the form of a request's, also where it is a single one.
create function private.sources_json(p_generation public.image_generations) returns jsonb
language sql immutable
return coalesce(p_generation.sources, case
  when p_generation.source_generation_id is not null
    then jsonb_build_array(jsonb_build_object('source_generation_id', p_generation.source_generation_id))
  when p_generation.source_id is not null
    then jsonb_build_array(jsonb_build_object('source_id', p_generation.source_id))
  when p_generation.source_image_url is not null
    then jsonb_build_array(jsonb_build_object('source_image_url', p_generation.source_image_url))
  else '[]'
end);

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
      select coalesce(jsonb_agg(private.image_json(i)), '[]') into v_images
      from public.images as i where i.generation_id = p_generation.id;
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
    'model_id', coalesce(
      p_generation.model, (select m.replicate_id from public.models as m where m.id = p_generation.model_id), ''
    ),
    'prompt', p_generation.prompt,
    'width', p_generation.width,
    'height', p_generation.height,
    'model_version', p_generation.model_version,
    'sources', private.sources_json(p_generation),
    'mask', p_generation.mask,
    'source_image_url', p_generation.source_image_url,
    'source_generation_id', p_generation.source_generation_id,
    'source_id', p_generation.source_id,
    'parent_id', p_generation.parent_id,
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
  ) || private.settings_json(p_generation);
end
$$;

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
