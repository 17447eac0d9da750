-- What a user sees of a generation, and cancelling one.

create function private.generation_json(p_generation public.image_generations) returns jsonb
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
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
        'width', i.width, 'height', i.height, 'bytes', i.file_size
      )), '[]') into v_images
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

create function private.get_generation(p_generation_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
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
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
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
      and (p_status is null or g.status = p_status)
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

-- Ends a generation at its user's wish, as long as its picture is not made: from `downloading` on it is paid for,
-- and its user's. A prediction that runs at the provider is
-- cancelled there by a job of its own; one that is being created just now is cancelled by its worker,
-- whose record_prediction is answered "stale". Where a create may have left one that nobody knows, the job
-- looks for it: at once when the outcome is unknown already, else when the run's lease is over. What was
-- reserved for a run counts until it is known what the run has cost. Cancelling what is cancelled already is
-- no error.
create function private.cancel_generation(p_generation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_generation public.image_generations;
  v_job public.job_queue;
  v_new public.job_queue;
  v_cancel_job_id uuid;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;

  -- Waits for a step that is just being taken: whether the picture is made is known after that.
  v_job := private.lock_job(v_generation.job_id);
  select * into v_generation from public.image_generations where id = p_generation_id for update;
  if v_generation.status in ('completed', 'failed') then
    perform private.refuse(409, 'conflict', format('The generation is already %s.', v_generation.status));
  end if;
  if v_generation.status = 'downloading' then
    perform private.refuse(
      409, 'conflict', 'The image has been made already; it is being stored and will be yours in a moment.'
    );
  end if;

  if v_generation.status <> 'cancelled' then
    if v_job.status in ('pending', 'processing') then
      v_new := v_job;
      v_new.status := 'cancelled';
      v_new.completed_at := now();
      v_new.lease_expires_at := null;
      v_new.slot := false;
      v_new.blocked := false;
      v_new.virtual_time := null;
      v_new.error_message := 'Cancelled by the user.';
      perform private.save_job(v_job, v_new);
    end if;
    if v_job.status = 'processing' then
      v_cancel_job_id := gen_random_uuid();
    end if;
    perform private.end_generation(
      p_generation_id, 'cancelled', null, null, v_cancel_job_id is not null, v_cancel_job_id);
    if v_cancel_job_id is not null then
      perform private.stop_run(v_job, v_cancel_job_id);
    end if;
  end if;
  return jsonb_build_object('generation_id', p_generation_id, 'status', 'cancelled');
end
$$;
