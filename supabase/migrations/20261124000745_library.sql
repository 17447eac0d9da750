-- A user's own generations and images: by pages, made again, marked ---------------------------------------------------

-- A page, the newest first. The cursor is a row's time in microseconds and its id: the page goes on behind it, whatever
-- the filters are. A page ends before it has 2 MiB: the Worker reads at most 4, and one generation has at most some
-- 150 KB. It also ends when it has looked at 2,000 rows, however few of them are listed: it may be short, or empty, and
-- has a cursor all the same.
create function private.list_generations(
  p_limit int, p_cursor text, p_status text, p_batch_id uuid, p_model_id text, p_operation text, p_favorite boolean,
  p_archived boolean, p_parent_id uuid, p_q text, p_created_after timestamptz, p_created_before timestamptz
) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
  v_limit int := coalesce(p_limit, 20);
  v_model_id uuid := (select m.id from public.models as m where m.replicate_id = p_model_id);
  v_text text := lower(p_q);
  v_after timestamptz := coalesce(p_created_after, '-infinity');
  v_until timestamptz := coalesce(p_created_before, 'infinity');
  -- Of the row that was looked at last.
  v_at timestamptz := 'infinity';
  v_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  v_cursor refcursor;
  v_row public.image_generations;
  v_is_favorite boolean;
  v_archived_at timestamptz;
  v_one jsonb;
  v_rows jsonb[] := '{}';
  v_bytes int := 0;
  v_seen int := 0;
begin
  if v_limit not between 1 and 100 then
    perform private.refuse_field('limit', 'limit must be a whole number from 1 to 100.');
  end if;
  if p_status <> all('{queued,processing,downloading,completed,failed,cancelled}'::text[]) then
    perform private.refuse_field(
      'status', 'status must be one of: queued, processing, downloading, completed, failed, cancelled.'
    );
  end if;
  if p_operation <> all('{generate,variation,edit,upscale,remove_background}'::text[]) then
    perform private.refuse_field(
      'operation', 'operation must be one of: generate, variation, edit, upscale, remove_background.'
    );
  end if;
  if char_length(p_model_id) > 200 then
    perform private.refuse_field('model_id', 'model_id must be a text of at most 200 characters.');
  end if;
  if char_length(p_q) > 200 or private.is_blank(p_q) then
    perform private.refuse_field('q', 'q must be a text of 1 to 200 characters, not only white space.');
  end if;
  if p_cursor is not null then
    if p_cursor !~ '^\d{1,17}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
      perform private.refuse_field('cursor', 'cursor must be the next_cursor of an earlier page.');
    end if;
    v_at := 'epoch'::timestamptz + split_part(p_cursor, '_', 1)::bigint * interval '1 microsecond';
    v_id := split_part(p_cursor, '_', 2)::uuid;
  end if;
  -- Each by its own index, in the order of the page.
  if p_batch_id is not null then
    open v_cursor for
    select * from public.image_generations as g
    where g.batch_id = p_batch_id and g.user_id = v_user
      and (g.created_at, g.id) < (v_at, v_id) and g.created_at > v_after and g.created_at < v_until
    order by g.created_at desc, g.id desc limit 2001;
  elsif p_parent_id is not null then
    open v_cursor for
    select * from public.image_generations as g
    where g.parent_id = p_parent_id and g.user_id = v_user
      and (g.created_at, g.id) < (v_at, v_id) and g.created_at > v_after and g.created_at < v_until
    order by g.created_at desc, g.id desc limit 2001;
  else
    open v_cursor for
    select * from public.image_generations as g
    where g.user_id = v_user
      and (g.created_at, g.id) < (v_at, v_id) and g.created_at > v_after and g.created_at < v_until
    order by g.created_at desc, g.id desc limit 2001;
  end if;
  loop
    fetch v_cursor into v_row;
    exit when not found;
    if v_seen < 2000 then
      v_one := null;
      if (p_status is null or v_row.status = p_status or (p_status = 'queued' and v_row.status = 'pending'))
        and (p_parent_id is null or v_row.parent_id = p_parent_id)
        and (p_operation is null or v_row.operation = p_operation)
        and (p_model_id is null or v_row.model = p_model_id or v_row.model_id = v_model_id)
        and (v_text is null or strpos(lower(v_row.prompt), v_text) > 0)
      then
        if p_favorite is not null or p_archived is not null then
          select i.is_favorite, i.archived_at into v_is_favorite, v_archived_at
          from public.images as i where i.generation_id = v_row.id;
        end if;
        -- What has no image is neither.
        if (p_favorite is null or coalesce(v_is_favorite, false) = p_favorite)
          and (p_archived is null or (v_archived_at is not null) = p_archived)
        then
          v_one := private.generation_json(v_row);
          v_bytes := v_bytes + octet_length(v_one::text);
        end if;
      end if;
    end if;
    if v_seen = 2000
      or (v_one is not null and (cardinality(v_rows) = v_limit or (v_bytes > 2097152 and cardinality(v_rows) > 0)))
    then
      close v_cursor;
      return jsonb_build_object(
        'generations', to_jsonb(v_rows), 'next_cursor', (extract(epoch from v_at) * 1000000)::bigint || '_' || v_id
      );
    end if;
    if v_one is not null then
      v_rows := v_rows || v_one;
    end if;
    v_seen := v_seen + 1;
    v_at := v_row.created_at;
    v_id := v_row.id;
  end loop;
  close v_cursor;
  return jsonb_build_object('generations', to_jsonb(v_rows), 'next_cursor', null);
end
$$;

-- Whether one of these source images is that of a generation that is no more.
create function private.names_deleted(p_sources jsonb) returns boolean
language sql stable
return p_sources is not null and exists (
  select from jsonb_path_query(p_sources, '$.source_generation_id') as s (id)
  where not exists (select from public.image_generations as g where g.id = (s.id #>> '{}')::uuid)
);

-- The request that a generation of the caller's stands for, by the names of a request: what a rerun changes and starts.
-- When it was to start, and until when, are no part of it. source_is_gone: it had a source image that nothing names any
-- more, or that was deleted; mask_is_gone: the same of its mask.
create function private.kept_request(p_generation_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation public.image_generations;
  v_request jsonb;
  v_is_gone boolean;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  v_request := private.request_of(v_generation);
  v_is_gone := v_generation.has_source and num_nonnulls(
    v_generation.source_image_url, v_generation.source_generation_id, v_generation.source_id, v_generation.sources
  ) = 0 or private.names_deleted(v_generation.sources);
  if v_is_gone then
    v_request := v_request - 'sources';
  end if;
  return v_request || jsonb_strip_nulls(jsonb_build_object(
    'model_id', coalesce(v_generation.model, v_generation.model_id::text),
    -- The word also stands for a start that named none: the model's own.
    'operation', nullif(v_generation.operation, 'generate'),
    'source_id', v_generation.source_id,
    'priority', case sign(v_generation.priority) when -1 then 'low' when 0 then 'normal' else 'high' end,
    'webhook_url', v_generation.webhook_url,
    'source_is_gone', case when v_is_gone then true end,
    'mask_is_gone', case when private.names_deleted(v_generation.mask) then true end
  ));
end
$$;

-- Marks ---------------------------------------------------------------------------------------------------------------

-- Marks these images, as far as they are the caller's: {is_favorite, is_public, archived}, each true or false; what is
-- absent or null stays as it is. Answers the marked ones, in the order of the ids.
create function private.mark_images(p_image_ids uuid[], p_marks jsonb) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
  v_marks jsonb := coalesce(p_marks, '{}');
  v_wrong text;
  v_images jsonb;
begin
  if coalesce(cardinality(p_image_ids), 0) not between 1 and 100 then
    perform private.refuse_field('ids', 'ids must be a list of 1 to 100 ids of images.');
  end if;
  if jsonb_typeof(v_marks) <> 'object' then
    perform private.refuse_field('body', 'The marks must be an object.');
  end if;
  select m.key into v_wrong from jsonb_each(v_marks) as m (key, value)
  where jsonb_typeof(m.value) not in ('boolean', 'null') and m.key in ('is_favorite', 'is_public', 'archived') limit 1;
  if v_wrong is not null then
    perform private.refuse_field(v_wrong, format('%s must be true or false.', v_wrong));
  end if;
  if jsonb_strip_nulls(v_marks - '{is_favorite,is_public,archived}'::text[]) <> '{}' or jsonb_strip_nulls(v_marks) = '{}'
  then
    perform private.refuse_field('body', 'Give at least one of is_favorite, is_public and archived, and nothing else.');
  end if;
  -- The account first: its deletion goes through the images in an order of its own.
  perform 1 from auth.users where id = v_user for key share;
  perform 1 from public.profiles where id = v_user for key share;
  with marked as (
    update public.images as i set
      is_favorite = coalesce((v_marks ->> 'is_favorite')::boolean, i.is_favorite),
      is_public = coalesce((v_marks ->> 'is_public')::boolean, i.is_public),
      archived_at = case (v_marks ->> 'archived')::boolean
        when true then coalesce(i.archived_at, now()) when false then null else i.archived_at
      end
    -- Locked in one order, so that two such calls never meet crosswise.
    where i.id = any(array(
      select own.id from public.images as own
      where own.id = any(p_image_ids) and own.user_id = v_user order by own.id for no key update
    ))
    returning i.*
  )
  select coalesce(jsonb_agg(private.image_json(m) order by array_position(p_image_ids, m.id)), '[]') into v_images
  from marked as m;
  return jsonb_build_object('images', v_images);
end
$$;

create function private.mark_image(p_image_id uuid, p_marks jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_image jsonb := private.mark_images(array[p_image_id], p_marks) -> 'images' -> 0;
begin
  if v_image is null then
    perform private.refuse(404, 'not_found', 'There is no such image.');
  end if;
  return v_image;
end
$$;
