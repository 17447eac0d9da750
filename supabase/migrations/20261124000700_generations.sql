-- What makes images of a request. The life of a generation:
--
--   start_generation ─► pending ─► record_prediction ─► processing ─► finish_prediction ─► downloading
--                          │  ▲                             │   record_progress                 │
--                          │  └──────── a retry ────────────┤                             finish_download
--                          ▼                                ▼                                   ▼
--                 cancelled, failed ◄──── end_generation ───┘                               completed
--
-- Each step is one transaction with the job's own step of the queue: a job 'generate-image' makes the prediction, a
-- job 'download-image' stores its image, and a job 'cancel-prediction' stops what nobody wants. The order of locks is
-- at the head of the queue's file.
--
-- Not drawn: a download that fails ends in failed; requeue_job takes a failed one back to where its job stands; and a
-- request for later stays pending until it is due (private.reserve_due). What is pending in the table is called queued
-- in every answer; the original's status queued is written by hand only, and means the same.
--
-- Read the start, then the steps in their order. What they cost is in the file before, what the provider refuses in the
-- sections at the end.

-- Reading a request ---------------------------------------------------------------------------------------------------
--
-- It comes straight from a user: every value is checked before it is used.

-- Bounds a request as a whole, before any of it is read: no number that the Worker cannot read, 64 KiB of JSON
-- and no deeper than the Worker reads. A repeated text counts once, since the Worker repeats the prompt for each
-- image of it. What the Worker adds (items, adjustments, output) has bounds of its own; the rest is measured as
-- it is stored, since a number of few digits can stand for one of many. 1 KiB more than the Worker allows:
-- spellings differ.
create function private.check_size(p_request jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  if jsonb_path_exists(
    p_request,
    'strict $.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))'
  ) then
    perform private.refuse_field('body', 'The body must not have numbers beyond double precision.');
  end if;
  if pg_column_size(p_request) <= 1024 then
    return;
  end if;
  if pg_column_size(p_request) > 524288
    or pg_column_size(p_request - '{items,adjustments,output}'::text[]) > 66560
    or (
      select sum(octet_length(t.text::text) + 1)
      from (
        select distinct text from jsonb_path_query(
          p_request - 'adjustments', 'strict $.** ? (@.type() == "string")'
        ) as text
      ) as t
    ) > 66560
  then
    perform private.refuse(413, 'body_too_large', 'The body must be at most 64 KiB.');
  end if;
  if jsonb_path_exists(
    p_request, 'strict $.**{127 to last} ? (@.type() == "object" || @.type() == "array")'
  ) then
    perform private.refuse_field('body', 'The body is nested too deeply.');
  end if;
end
$$;

-- Most requests have few of the members there are. So each is read by two functions: read_… is put in the place of
-- its call, and only what is there, and not null, is handed on to take_….

create function private.take_text(p_value jsonb, p_key text, p_max int) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_text text := p_value #>> '{}';
begin
  if jsonb_typeof(p_value) <> 'string' or char_length(v_text) > p_max then
    perform private.refuse_field(p_key, format('%s must be a text of at most %s characters.', p_key, p_max));
  end if;
  return v_text;
end
$$;

-- A text of at most p_max characters (Unicode code points), or null where it is absent or null.
create function private.read_text(p_request jsonb, p_key text, p_max int) returns text
language sql stable
return case when p_request ->> p_key is not null then private.take_text(p_request -> p_key, p_key, p_max) end;

create function private.take_enum(p_value jsonb, p_key text, p_words text[]) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_text text := p_value #>> '{}';
begin
  if jsonb_typeof(p_value) <> 'string' or v_text <> all(p_words) then
    perform private.refuse_field(p_key, format('%s must be one of: %s.', p_key, array_to_string(p_words, ', ')));
  end if;
  return v_text;
end
$$;

-- One of p_words, or null where it is absent or null.
create function private.read_enum(p_request jsonb, p_key text, p_words text[]) returns text
language sql stable
return case when p_request ->> p_key is not null then private.take_enum(p_request -> p_key, p_key, p_words) end;

create function private.take_id(p_value jsonb, p_key text) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_text text := private.take_text(p_value, p_key, 100);
  v_bare text := case
    when v_text like '{%}' then substr(v_text, 2, 36) when v_text ilike 'urn:uuid:%' then substr(v_text, 10)
  end;
begin
  if (v_bare is null and v_text ~ '^[0-9A-Fa-f]{32}$')
    or (length(v_text) in (36, 38, 45) and coalesce(v_bare, v_text) ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$')
  then
    return coalesce(v_bare, v_text)::uuid;
  end if;
  perform private.refuse_field(p_key, format('%s must be an id.', p_key));
end
$$;

-- An id, in the spellings that the Worker reads: with hyphens, also in braces or as a URN, or without any. Null where
-- it is absent or null.
create function private.read_id(p_request jsonb, p_key text) returns uuid
language sql stable
return case when p_request ->> p_key is not null then private.take_id(p_request -> p_key, p_key) end;

create function private.take_number(p_value jsonb, p_key text, p_min numeric, p_max numeric, p_whole boolean)
returns numeric
language plpgsql stable set search_path = '' as $$
declare
  v_number numeric;
begin
  if jsonb_typeof(p_value) = 'number' then
    v_number := p_value::numeric;
    -- The usual one: whole, and of few digits.
    if v_number between p_min and p_max and v_number = trunc(v_number) and scale(v_number) = 0
      and v_number < 1000000000
    then
      return v_number;
    end if;
    if abs(v_number) < 9000000000000000 then
      v_number := round(v_number, 323)::double precision::numeric;
      if v_number between p_min and p_max and (not p_whole or v_number = trunc(v_number)) then
        return v_number;
      end if;
    end if;
  end if;
  perform private.refuse_field(p_key, format(
    '%s must be a %s from %s to %s.', p_key, case when p_whole then 'whole number' else 'number' end, p_min, p_max));
end
$$;

-- A number from p_min to p_max, whole where p_whole, or null where it is absent or null. As the Worker reads it:
-- in double precision, of which 15 digits are kept.
create function private.read_number(p_request jsonb, p_key text, p_min numeric, p_max numeric, p_whole boolean)
returns numeric
language sql stable
return case when p_request ->> p_key is not null
  then private.take_number(p_request -> p_key, p_key, p_min, p_max, p_whole)
end;

-- Whether a text has nothing but white space, as Unicode has it.
create function private.is_blank(p_text text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return btrim(
    p_text,
    E'\t\n\x0b\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'
  ) = '';
end
$$;

-- The items of a request, [{prompt, seed, negative_prompt}], from either of its two forms.
create function private.read_items(p_request jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_items jsonb := nullif(p_request -> 'items', 'null');
  v_item jsonb;
  v_prompt text;
begin
  if v_items is null then
    v_items := jsonb_build_array(
      jsonb_build_object('prompt', p_request -> 'prompt', 'seed', p_request -> 'seed')
    );
  end if;
  if jsonb_typeof(v_items) <> 'array' then
    perform private.refuse_field('items', 'items must be a list.');
  end if;
  if jsonb_array_length(v_items) not between 1 and 10 then
    perform private.refuse_field('items', 'A request is for 1 to 10 images.');
  end if;
  for v_item in select jsonb_array_elements(v_items) loop
    if jsonb_typeof(v_item) <> 'object' then
      perform private.refuse_field('items', 'Each item must be an object with a prompt.');
    end if;
    v_prompt := private.read_text(v_item, 'prompt', 4000);
    if v_prompt is null or private.is_blank(v_prompt) then
      perform private.refuse_field('prompt', 'prompt must be a text of 1 to 4000 characters.');
    end if;
    perform private.read_number(v_item, 'seed', 0, 4294967295, true);
    if v_item ? 'negative_prompt' then
      perform private.read_text(v_item, 'negative_prompt', 4000);
    end if;
  end loop;
  return v_items;
end
$$;

-- The model that a request names: by its name at the provider, by its row's id, or by its short name, as the original's
-- apps do.
create function private.read_model(p_request jsonb) returns public.models
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_name text := private.read_text(p_request, 'model_id', 200);
  v_model public.models;
begin
  if coalesce(v_name, '') = '' then
    perform private.refuse_field('model_id', 'model_id is missing.');
  end if;
  select * into v_model from public.models where replicate_id = v_name and is_active;
  if not found then
    select * into v_model from public.models where id = private.as_uuid(v_name) and is_active;
  end if;
  if not found then
    return private.model_called(v_name);
  end if;
  return v_model;
end
$$;

-- The one active model of that short name. Refuses what names none, and says why.
create function private.model_called(p_name text) returns public.models
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_models public.models[] := array(
    select m from public.models as m where m.name = p_name and m.is_active order by m.replicate_id limit 3
  );
  v_known text;
  v_message text;
begin
  if cardinality(v_models) = 1 then
    return v_models[1];
  end if;
  select m.replicate_id into v_known from public.models as m
  where p_name in (m.replicate_id, m.name, m.id::text) order by m.is_active desc, m.replicate_id limit 1;
  v_message := case
    when cardinality(v_models) > 1 then 'Several models are called %s: name one by owner/name.'
    when v_known is not null then 'The model %s is not offered any more.'
    when private.as_uuid(p_name) is not null then 'There is no model with the id %s.'
    when p_name like '%/%' then 'There is no model %s.'
    else 'There is no model called %s. A model is named by owner/name, by its id or by its short name.'
  end;
  perform private.refuse(404, 'unknown_model', format(
    v_message, left(case when cardinality(v_models) > 1 then p_name else coalesce(v_known, p_name) end, 100)
  ));
end
$$;

-- A public https address: a DNS name with a top-level domain of letters. No user name, no port, no address in
-- numbers of any spelling, no name that only a local network knows.
create function private.is_public_https_url(p_url text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return octet_length(p_url) <= 2048
    and p_url ~* '^https://([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?(:443)?([/?#]|$)'
    and p_url !~ '[[:space:][:cntrl:]\\]'
    and p_url !~* '^https://[^/?#:]*\.(localhost|localdomain|local|internal|intranet|private|lan|home|corp|arpa|test|invalid|onion)([/?#:]|$)';
end
$$;

-- The source image as the payload names it, {} where there is none: {source_image_url}, a public address, or
-- {source_bucket, source_path}, a stored file of the user's own, with {source_generation_id}, whose image it
-- is, or {source_id}, an upload. A file has no address before the run that needs it makes one.
create function private.take_source(p_request jsonb, p_user_id uuid) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_url text := private.read_text(p_request, 'source_image_url', 2048);
  v_id uuid := private.read_id(p_request, 'source_generation_id');
  v_upload uuid := private.read_id(p_request, 'source_id');
  v_path text;
  v_source record;
begin
  if num_nonnulls(v_url, v_id, v_upload) > 1 then
    perform private.refuse(
      422, 'invalid_request', 'Give only one of source_image_url, source_generation_id and source_id.'
    );
  end if;
  if v_upload is not null then
    v_path := private.uploaded_source(p_user_id, v_upload);
    if v_path is null then
      perform private.refuse(
        404, 'not_found', 'There is no such source image. Uploads are deleted after 24 hours.'
      );
    end if;
    return jsonb_build_object(
      'source_id', v_upload, 'source_bucket', 'source-images', 'source_path', v_path
    );
  end if;
  if v_id is not null then
    select g.id, g.status, i.storage_path into v_source
    from public.image_generations as g
    left join public.images as i on i.generation_id = g.id and i.user_id = p_user_id
    where g.id = v_id and g.user_id = p_user_id;
    if v_source.id is null then
      perform private.refuse(404, 'not_found', 'There is no such source generation.');
    end if;
    if v_source.storage_path is null then
      perform private.refuse(409, 'conflict', case
        when v_source.status = 'completed' then 'The image of the source generation was deleted.'
        when v_source.status in ('failed', 'cancelled')
          then format('The source generation has no image: it is %s.', v_source.status)
        else 'The source generation has no image yet. Wait until it is completed.'
      end);
    end if;
    return jsonb_build_object(
      'source_generation_id', v_source.id, 'source_bucket', 'generated-images',
      'source_path', v_source.storage_path
    );
  end if;
  if v_url is not null and not private.is_public_https_url(v_url) then
    perform private.refuse_field('source_image_url', 'source_image_url must be a public https address.');
  end if;
  return jsonb_strip_nulls(jsonb_build_object('source_image_url', v_url));
end
$$;

create function private.read_source(p_request jsonb, p_user_id uuid) returns jsonb
language sql volatile
return case
  when p_request ?| '{source_image_url,source_generation_id,source_id}' then private.take_source(p_request, p_user_id)
  else '{}'
end;

-- The address of a request: a public https one without a port, or null where there is none.
create function private.take_webhook_url(p_value jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_url text := private.take_text(p_value, 'webhook_url', 2048);
begin
  if private.is_public_https_url(v_url) then
    return v_url;
  end if;
  if octet_length(v_url) <= 2048 and v_url !~ '[[:space:][:cntrl:]\\]' and exists (
    select from private.settings as s, unnest(s.webhook_allowed_origins) as allowed (origin)
    where starts_with(v_url || '/', allowed.origin || '/')
  ) then
    return v_url;
  end if;
  perform private.refuse_field('webhook_url', 'webhook_url must be a public https address.');
end
$$;

create function private.read_webhook_url(p_request jsonb) returns text
language sql stable
return case when p_request ->> 'webhook_url' is not null then private.take_webhook_url(p_request -> 'webhook_url') end;

-- Null where it is none: 22007, 22008 and what else a text can be wrong with are errors of the class 22.
create function private.as_timestamptz(p_text text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return p_text::timestamptz;
exception when data_exception then
  return null;
end
$$;

-- The time from which a request may run; null for at once.
create function private.take_schedule(p_value jsonb) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  v_text text := private.take_text(p_value, 'scheduled_at', 40);
  v_at timestamptz;
begin
  -- RFC 3339.
  if v_text ~ ('^\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?'
    || '([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$')
  then
    v_at := private.as_timestamptz(v_text);
  end if;
  if v_at is null then
    perform private.refuse_field('scheduled_at', 'scheduled_at must be a time such as 2027-01-31T12:00:00Z.');
  end if;
  if v_at > now() + interval '1 year' then
    perform private.refuse_field('scheduled_at', 'scheduled_at must be within a year.');
  end if;
  return case when v_at > now() then v_at end;
end
$$;

create function private.read_schedule(p_request jsonb) returns timestamptz
language sql stable
return case when p_request ->> 'scheduled_at' is not null then private.take_schedule(p_request -> 'scheduled_at') end;

-- What the Worker has changed to fit the model, at most 20 of {field, requested, used, reason}. Each value may
-- be as long as what a request may hold, in the same unit: characters.
create function private.take_adjustments(p_adjustments jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if jsonb_typeof(p_adjustments) <> 'array' or p_adjustments -> 20 is not null
    or pg_column_size(p_adjustments) > 66560
    or exists (
      select from jsonb_array_elements(p_adjustments) as a (one)
      where jsonb_typeof(a.one) <> 'object'
        or (a.one - '{field,requested,used,reason}'::text[]) <> '{}'
        or exists (
          select from jsonb_each(case jsonb_typeof(a.one) when 'object' then a.one else '{}' end) as m (key, value)
          where case jsonb_typeof(m.value)
            when 'string' then char_length(m.value #>> '{}') > 4000
            when 'number' then length(m.value::text) > 400
            else jsonb_typeof(m.value) in ('object', 'array')
          end
        )
    )
  then
    perform private.refuse_field('adjustments', 'adjustments must be a list of at most 20 changes.');
  end if;
  return p_adjustments;
end
$$;

create function private.read_adjustments(p_request jsonb) returns jsonb
language sql stable
return case
  when coalesce(p_request -> 'adjustments', '[]') in ('null', '[]') then '[]'
  else private.take_adjustments(p_request -> 'adjustments')
end;

-- The start -----------------------------------------------------------------------------------------------------------
--
-- Everything that an accepted request needs, in one transaction; a refused one leaves nothing behind.

-- With p_next, up to so many of the jobs come back under a lease where they are next (private.hand_over): who has
-- started them can go on at once. A repetition under the same key gets none.
-- p_generation_id: the row that the user has inserted for it (private.start_inserted), which has counted as a request.
-- p_batch_name: it is a batch, however few its items, and '' is no name.
create function private.start_generation(
  p_request jsonb, p_idempotency_key text, p_request_hash text, p_next int, p_generation_id uuid = null,
  p_batch_name text = null
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
  v_plan private.plans;
  v_model public.models;
  v_items jsonb;
  v_count int;
  v_price numeric;
  v_hash text;
  v_answer jsonb;
  v_generations jsonb;
  v_payload jsonb;
  v_output jsonb := case jsonb_typeof(p_request -> 'output') when 'object' then p_request -> 'output' else '{}' end;
  v_width int;
  v_height int;
  v_made_width int;
  v_made_height int;
  v_strength numeric;
  v_source jsonb;
  v_operation text;
  v_priority_name text;
  v_priority int;
  v_scheduled timestamptz;
  v_expires timestamptz;
  v_batch uuid;
  v_leased jsonb;
  v_has_budget boolean;
  v_next jsonb := '[]';
begin
  if v_user is null then
    perform private.refuse(403, 'forbidden', 'Sign in to make images.');
  end if;
  -- A token outlives a ban or a deletion by up to its hour. Locked before all else, as a deletion of the account
  -- does, and as the foreign keys of what follows would.
  perform 1 from auth.users as u
  where u.id = v_user and (u.banned_until is null or u.banned_until <= now()) for key share;
  if not found then
    perform private.refuse(403, 'forbidden', 'This account is suspended or no longer exists.');
  end if;
  perform 1 from public.profiles where id = v_user for key share;
  if not found then
    perform private.restore_profile(v_user);
  end if;
  if p_request is null or jsonb_typeof(p_request) <> 'object' then
    perform private.refuse_field('body', 'The request must be an object.');
  end if;
  perform private.check_size(p_request);
  v_plan := private.plan_of(v_user);
  if p_idempotency_key is not null then
    v_hash := coalesce(p_request_hash, md5(p_request::text));
    v_answer := private.known_answer(v_user, p_idempotency_key, v_hash);
    if v_answer is not null then
      return v_answer;
    end if;
  end if;

  v_items := private.read_items(p_request);
  v_count := jsonb_array_length(v_items);
  v_model := private.read_model(p_request);
  if exists (select from private.refused_models where model = v_model.replicate_id) then
    perform private.check_model(v_model.replicate_id);
  end if;
  v_source := private.read_source(p_request, v_user);
  -- The Worker says so as well, but sees neither what a row says nor what is called over PostgREST.
  if v_source <> '{}' and not v_model.supports_img2img then
    perform private.refuse(422, 'unsupported', 'This model takes no source image.');
  end if;
  v_strength := private.read_number(p_request, 'strength', 0, 1, false);
  if v_strength is not null and v_source = '{}' then
    perform private.refuse_field('strength', 'strength needs a source image.');
  end if;
  -- Absent, it is the model's own: an upscaler asked for nothing else upscales.
  v_operation := private.read_enum(
    p_request, 'operation', '{generate,variation,edit,upscale,remove_background}'
  );
  v_scheduled := private.read_schedule(p_request);
  v_expires := coalesce(v_scheduled, now())
    + make_interval(secs => private.read_number(p_request, 'expires_in', 1, 2592000, true)::double precision);

  v_priority_name := coalesce(private.read_enum(p_request, 'priority', '{low,normal,high}'), 'normal');
  v_priority := case v_priority_name when 'low' then -10 when 'normal' then 0 when 'high' then 10 end;
  if v_priority_name <> all(v_plan.priorities) then
    perform private.refuse(403, 'forbidden', format('Your plan does not include the priority %s.', v_priority_name));
  end if;
  v_width := private.read_number(p_request, 'width', 16, 8192, true);
  v_height := private.read_number(p_request, 'height', 16, 8192, true);
  v_made_width := private.read_number(v_output, 'width', 1, 16384, true);
  v_made_height := private.read_number(v_output, 'height', 1, 16384, true);
  v_price := private.requested_cost(v_model, v_width, v_height, v_made_width, v_made_height);
  if v_price is null then
    perform private.refuse_unpriced(v_model.replicate_id, v_plan);
  end if;
  -- A request for later counts its images now and once more when it is due, its money only then (private.reserve_due).
  perform private.use_quota(
    v_user, v_plan, (p_generation_id is null)::int, v_count,
    case when v_scheduled is null then v_count * coalesce(v_price, 0) else 0 end
  );

  -- What the job's run needs; each item adds its prompt, seed and generation.
  v_payload := jsonb_strip_nulls(jsonb_build_object(
    'user_id', v_user,
    'model_id', v_model.replicate_id,
    'model_version', nullif(private.read_text(p_request, 'model_version', 200), ''),
    'negative_prompt', nullif(private.read_text(p_request, 'negative_prompt', 4000), ''),
    'width', v_width,
    'height', v_height,
    'num_inference_steps', private.read_number(p_request, 'num_inference_steps', 1, 500, true),
    'guidance_scale', private.read_number(p_request, 'guidance_scale', 0, 100, false),
    'strength', v_strength,
    'style', nullif(private.read_text(p_request, 'style', 200), ''),
    'operation', v_operation,
    'webhook_url', private.read_webhook_url(p_request)
  )) || v_source;
  v_width := coalesce(v_made_width, v_width, v_model.default_width);
  v_height := coalesce(v_made_height, v_height, v_model.default_height);

  if v_count > 1 or p_batch_name is not null then
    insert into public.batch_generations (
      user_id, name, total_count, model_id, model_version, width, height, steps, guidance_scale
    )
    values (
      v_user, nullif(p_batch_name, ''), v_count, v_model.id, v_payload ->> 'model_version', v_width, v_height,
      (v_payload ->> 'num_inference_steps')::int, (v_payload ->> 'guidance_scale')::numeric
    )
    returning id into v_batch;
  end if;

  select made.generations, made.leased, made.has_budget into v_generations, v_leased, v_has_budget from private.insert_generations(
    v_user, v_items, v_payload, v_model, v_price, v_width, v_height, private.read_adjustments(p_request),
    v_priority, v_batch, v_scheduled, v_expires, p_generation_id, p_next > 0, v_plan.running_jobs
  ) as made;
  v_answer := private.start_answer(v_batch, v_generations, false);
  if p_idempotency_key is not null then
    insert into private.idempotency_keys (user_id, key, request_hash, batch_id, generations)
    values (v_user, p_idempotency_key, v_hash, v_batch, v_generations);
  end if;
  if v_scheduled is null then
    if p_next > 0 then
      -- What listeners hear of is the start, as the answer tells it.
      v_answer := private.with_own_changes(v_answer);
      if v_leased is not null then
        v_next := jsonb_build_array(v_leased);
        v_answer := case
          when v_answer ? 'changes' then jsonb_set(v_answer, '{changes,-1,queue_position}', '1') else v_answer
        end;
      else
        v_next := private.hand_over(
          array(select (one ->> 'job_id')::uuid from jsonb_array_elements(v_generations) as g (one)), p_next
        );
      end if;
    end if;
    -- The budget's row is locked last.
    if v_has_budget then
      perform private.check_budget();
    end if;
  end if;
  return case when v_next = '[]' then v_answer else v_answer || jsonb_build_object('next', v_next) end;
end
$$;

-- The answer to a start. A single generation's members stand beside the list, too.
create function private.start_answer(p_batch_id uuid, p_generations jsonb, p_replayed boolean) returns jsonb
language sql stable
return jsonb_build_object(
  'status', 'queued', 'batch_id', p_batch_id, 'replayed', p_replayed, 'generations', p_generations
) || (p_generations -> 0);

-- The answer already given under an idempotency key, or null for a new one. A second call with the same key waits here
-- until the first has committed or been refused.
create function private.known_answer(p_user_id uuid, p_key text, p_hash text) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_known private.idempotency_keys;
begin
  -- No {1,255}: such a pattern is slow to match.
  if p_key !~ '^[\x21-\x7e]+$' or length(p_key) > 255 then
    perform private.refuse_field('Idempotency-Key', 'Idempotency-Key must be 1 to 255 visible ASCII characters.');
  end if;
  if p_hash !~ '^[\x21-\x7e]+$' or length(p_hash) > 128 then
    perform private.refuse_field('p_request_hash', 'p_request_hash must be 1 to 128 visible ASCII characters.');
  end if;
  -- Two keys that share a lock wait for each other, and no more.
  perform pg_advisory_xact_lock(726360, hashtext(p_user_id || p_key));
  select * into v_known from private.idempotency_keys where user_id = p_user_id and key = p_key;
  if not found then
    return null;
  end if;
  if v_known.created_at < now() - interval '24 hours' then
    delete from private.idempotency_keys where user_id = p_user_id and key = p_key;
    return null;
  end if;
  if v_known.request_hash <> p_hash then
    perform private.refuse(422, 'idempotency_mismatch', 'This idempotency key was used for another request.');
  end if;
  return private.start_answer(v_known.batch_id, v_known.generations, true);
end
$$;

-- One generation and its job for each item; answers with the list that the user gets. p_generation_id: the row that
-- the one item is for. leased: with p_lease, the job of the one item, if it could be leased to the caller at once
-- (private.insert_leased). has_budget: whether the installation has one.
create function private.insert_generations(
  p_user_id uuid, p_items jsonb, p_payload jsonb, p_model public.models, p_price numeric, p_width int, p_height int,
  p_adjustments jsonb, p_priority int, p_batch_id uuid, p_scheduled_at timestamptz, p_expires_at timestamptz,
  p_generation_id uuid, p_lease boolean, p_most int, out generations jsonb, out leased jsonb,
  out has_budget boolean
)
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_count int := jsonb_array_length(p_items);
  v_wait int := case when p_scheduled_at is null then 0 else ceil(extract(epoch from p_scheduled_at - now())) end;
  v_item jsonb;
  v_generation_id uuid;
  v_job_id uuid;
  v_generation_ids uuid[] := '{}';
  v_job_ids uuid[] := '{}';
  v_payload jsonb;
  v_jobs jsonb := '[]';
  v_first int;
  v_state record;
  v_reserves boolean;
begin
  generations := '[]';
  select
    s.parallel_images,
    coalesce(
      (select t.seconds from private.model_times as t where t.model_id = p_model.id), p_model.estimated_time_seconds, 20
    ) as seconds,
    coalesce(s.budget_per_day_usd, s.budget_per_month_usd) is not null as has_budget,
    exists (select from private.live_listeners where user_id = p_user_id and until > now()) as has_listener
  into v_state from private.settings as s;
  has_budget := v_state.has_budget;
  v_reserves := p_price > 0 and p_scheduled_at is null and has_budget;
  for v_index in 0..v_count - 1 loop
    v_item := p_items -> v_index;
    v_generation_id := coalesce(p_generation_id, gen_random_uuid());
    v_job_id := gen_random_uuid();
    v_payload := p_payload || jsonb_strip_nulls(jsonb_build_object(
      'prompt', v_item -> 'prompt', 'seed', v_item -> 'seed', 'generation_id', v_generation_id
    ));
    if v_count > 1 and v_item ->> 'negative_prompt' <> '' then
      v_payload := v_payload || jsonb_build_object('negative_prompt', v_item -> 'negative_prompt');
    end if;
    if p_generation_id is null then
      insert into public.image_generations (
        id, user_id, prompt, negative_prompt, model, model_id, style, width, height, steps, guidance_scale,
        seed, source_image_url, generation_strength, status, priority, batch_id, batch_index, job_id,
        adjustments, operation, source_generation_id, source_id, reserved_usd, reserved_on, webhook_url, budget_usd, seq
      )
      values (
        v_generation_id, p_user_id, v_item ->> 'prompt', v_payload ->> 'negative_prompt',
        p_model.replicate_id, p_model.id, p_payload ->> 'style', p_width, p_height,
        (p_payload ->> 'num_inference_steps')::int, (p_payload ->> 'guidance_scale')::numeric,
        (v_item ->> 'seed')::numeric::bigint, p_payload ->> 'source_image_url', (p_payload ->> 'strength')::numeric,
        'pending', p_priority, p_batch_id, case when p_batch_id is not null then v_index end, v_job_id,
        p_adjustments, coalesce(p_payload ->> 'operation', 'generate'), (p_payload ->> 'source_generation_id')::uuid,
        (p_payload ->> 'source_id')::uuid,
        coalesce(p_price, 0), case when p_scheduled_at is null then (clock_timestamp() at time zone 'UTC')::date end,
        p_payload ->> 'webhook_url', case when v_reserves then p_price else 0 end, private.next_seq(0)
      );
    else
      update public.image_generations set
        prompt = v_item ->> 'prompt', negative_prompt = v_payload ->> 'negative_prompt',
        model = p_model.replicate_id, model_id = p_model.id, style = p_payload ->> 'style', width = p_width,
        height = p_height, steps = (p_payload ->> 'num_inference_steps')::int,
        guidance_scale = (p_payload ->> 'guidance_scale')::numeric, seed = (v_item ->> 'seed')::numeric::bigint,
        source_image_url = p_payload ->> 'source_image_url', generation_strength = (p_payload ->> 'strength')::numeric,
        status = 'pending', priority = p_priority, job_id = v_job_id, adjustments = p_adjustments,
        batch_id = p_batch_id, batch_index = case when p_batch_id is not null then v_index end,
        operation = coalesce(p_payload ->> 'operation', 'generate'),
        source_generation_id = (p_payload ->> 'source_generation_id')::uuid,
        source_id = (p_payload ->> 'source_id')::uuid, reserved_usd = coalesce(p_price, 0),
        reserved_on = case when p_scheduled_at is null then (clock_timestamp() at time zone 'UTC')::date end,
        webhook_url = p_payload ->> 'webhook_url', seq = private.next_seq(seq)
      where id = p_generation_id and user_id = p_user_id and status = 'pending' and job_id is null;
      if not found then
        perform private.refuse(409, 'conflict', 'This generation was started already.');
      end if;
      if v_reserves then
        -- A trigger tells the budget of it.
        update public.image_generations set budget_usd = p_price, seq = private.next_seq(seq)
        where id = p_generation_id;
      end if;
    end if;
    if v_state.has_listener then
      perform private.tell_change(p_user_id, v_generation_id);
    end if;
    if v_count = 1 then
      if p_lease and p_scheduled_at is null then
        leased := private.insert_leased(
          v_job_id, p_user_id, v_generation_id, v_payload, p_priority, p_expires_at, p_most
        );
      end if;
      if leased is null then
        perform private.insert_job(
          v_job_id, 'generate-image', v_payload, p_priority, coalesce(p_scheduled_at, now()), 3, p_expires_at, null
        );
      end if;
    else
      v_jobs := v_jobs || jsonb_build_object(
        'id', v_job_id, 'job_type', 'generate-image', 'priority', p_priority, 'scheduled_at', p_scheduled_at,
        'expires_at', p_expires_at, 'payload', v_payload
      );
    end if;
    v_generation_ids := v_generation_ids || v_generation_id;
    v_job_ids := v_job_ids || v_job_id;
  end loop;
  if v_reserves and p_generation_id is null then
    insert into private.budget_deltas (day, reserved) values (private.today(), v_count * p_price);
  end if;
  if v_count > 1 then
    perform private.insert_jobs(v_jobs);
  end if;

  -- The others follow the first: counting the queue once is enough.
  v_first := case when leased is not null then 1 else private.queue_position(v_job_ids[1]) end;
  for v_index in 1..v_count loop
    generations := generations || jsonb_build_object(
      'generation_id', v_generation_ids[v_index],
      'job_id', v_job_ids[v_index],
      'queue_position', case when v_first is not null then least(v_first + v_index - 1, 1000) end,
      'estimated_seconds', v_wait + private.seconds_until_made(
        v_state.seconds, least(coalesce(v_first, 1) + v_index - 1, 1000), v_state.parallel_images
      )
    );
  end loop;
end
$$;

-- For later -----------------------------------------------------------------------------------------------------------
--
-- A request for later is judged when it is due, like a start at that moment: its images, its money and the budget.
-- Until then it reserves no money, and has counted in its user's images of the day on which it was asked for.

-- Counts and reserves what these due jobs cost. Returns those that may go on; the generations of the others have
-- failed. The caller has locked their rows and their users' slots. A job that has counted already, or that nobody
-- asked for through start_generation, goes on.
create function private.reserve_due(p_ids uuid[]) returns uuid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_due record;
  v_plan private.plans;
  v_message text;
  v_code text;
  v_ids uuid[] := p_ids;
begin
  for v_due in
    select
      j as job, g.id, g.user_id,
      -- What it costs by now, if that is more. Null: nobody knows.
      greatest(nullif(g.reserved_usd, 0), private.expected_cost(m, g.width, g.height)) as price,
      coalesce(m.replicate_id, g.model) as model
    from public.job_queue as j
    inner join public.image_generations as g on g.id = j.generation_id and g.job_id = j.id
    left join public.models as m on m.id = g.model_id
    where j.id = any(p_ids) and j.status = 'pending' and g.reserved_on is null and g.status in ('pending', 'queued')
    order by j.scheduled_at, j.seq
  loop
    -- A refusal takes back what its generation has counted.
    begin
      select p.* into v_plan from private.plan_of(v_due.user_id) as p;
      if v_due.price is null then
        perform private.refuse_unpriced(v_due.model, v_plan);
      end if;
      update public.image_generations
      set
        reserved_usd = coalesce(v_due.price, 0), reserved_on = private.today(),
        budget_usd = case when v_due.price > 0 and private.has_budget() then v_due.price else budget_usd end
      where id = v_due.id;
      perform private.use_quota(v_due.user_id, v_plan, 0, 1, coalesce(v_due.price, 0));
      perform private.check_budget();
    exception when sqlstate 'PT422' or sqlstate 'PT429' or sqlstate 'PT503' then
      get stacked diagnostics v_message = message_text, v_code = pg_exception_detail;
      if v_code = 'budget_exhausted' then
        v_message := 'No more images could be made when this one was due: the budget was used up.';
      end if;
      update public.job_queue set
        status = 'failed', completed_at = now(), error_message = v_message,
        error_details = private.with_error(
          (v_due.job).error_details, (v_due.job).attempts + 1, null, v_message, jsonb_build_object('code', v_code)
        )
      where id = (v_due.job).id;
      perform private.end_generation(v_due.id, 'failed', v_message, v_code);
      v_ids := array_remove(v_ids, (v_due.job).id);
    end;
  end loop;
  return v_ids;
end
$$;

-- The steps -----------------------------------------------------------------------------------------------------------

-- Whether an earlier attempt of the job ended with this prediction.
create function private.knew_prediction(p_job public.job_queue, p_prediction_id text) returns boolean
language sql stable
return coalesce(
  p_job.error_details @> jsonb_build_array(jsonb_build_object('prediction_id', p_prediction_id)), false
);

-- resumed: this create has ended a pause of the provider.
create function private.recorded(p_model text) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  -- Hardly ever is there anything to take back.
  if exists (select from private.refused_models where model = p_model)
    or exists (select from private.provider_pause where probing)
  then
    perform private.accept_model(p_model);
    if private.resume_provider() then
      return '{"outcome": "recorded", "resumed": true}';
    end if;
  end if;
  return '{"outcome": "recorded"}';
end
$$;

-- Notes the prediction that a run has created, and lets the lease run until a claim should look at it. A run that has
-- lost its lease is answered "stale", and handed a job that cancels its prediction, leased already.
create function private.record_prediction(
  p_job_id uuid, p_lease bigint, p_prediction_id text, p_wait_seconds int, p_details jsonb
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_running record;
  v_user_id uuid;
begin
  update private.running_jobs set
    prediction_id = p_prediction_id,
    lease_expires_at = now() + make_interval(secs => p_wait_seconds),
    -- How long it is awaited is measured from here, by this clock alone.
    started_at = now(),
    outcome_unknown = false,
    -- Started in time: a retry may come later than that.
    expires_at = null,
    retry_until = null
  where id = p_job_id and lease = p_lease and prediction_id is null
  returning generation_id, attempts, payload ->> 'model_id' as model into v_running;
  if found then
    insert into private.predictions (id, job_id, generation_id, attempt, lease, model, source)
    values (
      p_prediction_id, p_job_id, v_running.generation_id, v_running.attempts + 1, p_lease,
      v_running.model, coalesce(p_details ->> 'source', 'created')
    )
    on conflict (id) do nothing;
    update public.image_generations set
      status = 'processing', progress = greatest(progress, 10), replicate_prediction_id = p_prediction_id,
      started_at = coalesce(started_at, now()),
      width = coalesce((p_details ->> 'width')::int, width),
      height = coalesce((p_details ->> 'height')::int, height),
      adjustments = coalesce(nullif(p_details -> 'adjustments', 'null'), adjustments),
      seq = private.next_seq(seq)
    where id = v_running.generation_id and status in ('pending', 'queued', 'processing')
    returning user_id into v_user_id;
    if exists (select from private.live_listeners where user_id = v_user_id and until > now()) then
      perform private.tell_change(v_user_id, v_running.generation_id);
    end if;
    return private.recorded(v_running.model);
  end if;

  -- An answer that came too late may still name what the webhook has told us meanwhile.
  v_job := private.lock_job(p_job_id);
  if v_job.id is not null and v_job.status <> 'cancelled'
    and (v_job.prediction_id = p_prediction_id or private.knew_prediction(v_job, p_prediction_id))
  then
    return private.recorded(v_job.payload ->> 'model_id');
  end if;
  if v_job.status = 'cancelled' and v_job.lease = p_lease then
    -- This is what the search would look for that cancel_generation has left. Waits for nobody: one that somebody
    -- else has finds it, too.
    perform private.complete_search(v_job.generation_id);
  end if;
  if v_job.id is null then
    -- Deleted, with its user. What this costs stays known.
    v_job.id := p_job_id;
    v_job.payload := jsonb_build_object('model_id', p_details -> 'model_id');
  end if;
  -- The provider creates again, whoever wants it.
  perform private.resume_provider();
  if not private.note_prediction(v_job, p_prediction_id, coalesce(p_details ->> 'source', 'created'), null) then
    return '{"outcome": "stale"}';
  end if;
  if v_job.seq is null then
    -- It runs on until it is stopped: until then the budget counts what such a run is expected to cost.
    update private.predictions as p set
      cost_usd = (select private.expected_cost(m, null, null) from public.models as m where m.replicate_id = p.model)
    where p.id = p_prediction_id and p.ended_at is null;
  end if;
  return jsonb_build_object('outcome', 'stale', 'job', private.stop_prediction(v_job, p_prediction_id));
end
$$;

-- The same for several: [{job_id, lease, prediction_id, details}]. The answers come in the same order. All jobs are
-- locked first, in the order of their ids, so that two such calls never meet crosswise.
create function private.record_predictions(p_predictions jsonb, p_wait_seconds int) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_one record;
  v_answers jsonb[] := array_fill(null::jsonb, array[jsonb_array_length(p_predictions)]);
begin
  perform 1 from private.running_jobs
  where id = any(array(select (p.one ->> 'job_id')::uuid from jsonb_array_elements(p_predictions) as p (one)))
  order by id for update;
  for v_one in
    select
      (p.one ->> 'job_id')::uuid as job_id, (p.one ->> 'lease')::bigint as lease, p.one ->> 'prediction_id' as prediction_id,
      p.one -> 'details' as details, p.ord
    from jsonb_array_elements(p_predictions) with ordinality as p (one, ord)
    order by job_id
  loop
    v_answers[v_one.ord] := private.record_prediction(
      v_one.job_id, v_one.lease, v_one.prediction_id, p_wait_seconds, v_one.details
    );
  end loop;
  return jsonb_build_object('answers', to_jsonb(v_answers));
end
$$;

-- Notes how far the awaited prediction is, in percent of the generation (10 to 90), and where it had to
-- wait for a machine, since when it runs. Comes often, late, twice and out of order: only news about the
-- prediction that is awaited now changes anything, and nothing goes backwards. One row, no lock but its own.
create function private.record_progress(
  p_job_id uuid, p_prediction_id text, p_progress int, p_started_at timestamptz
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_progress int := least(greatest(coalesce(p_progress, 10), 10), 90);
  -- By the provider's clock, which may be ahead of ours.
  v_started timestamptz := case when p_started_at is not null then least(p_started_at, now()) end;
  v_user_id uuid;
  v_generation_id uuid;
begin
  update public.image_generations as g set
    progress = greatest(g.progress, v_progress),
    progress_at = case when g.progress < v_progress then now() else g.progress_at end,
    started_at = greatest(g.started_at, v_started),
    seq = case when g.progress < v_progress then private.next_seq(g.seq) else g.seq end
  where g.id = (select j.generation_id from private.running_jobs as j where j.id = p_job_id)
    and g.status = 'processing' and g.replicate_prediction_id = p_prediction_id
    and (g.progress < v_progress or g.started_at < v_started)
  returning g.user_id, g.id into v_user_id, v_generation_id;
  if found then
    perform private.tell_change(v_user_id, v_generation_id);
    return '{"outcome": "recorded"}';
  end if;
  -- A prediction that nobody has noted may have to be adopted or stopped.
  return jsonb_build_object('outcome', case
    when exists (select from private.predictions where id = p_prediction_id) then 'stale' else 'unknown' end);
end
$$;

-- The end of a prediction, from the provider's webhook or from asking. A fact, whoever holds the
-- lease: matched by job and prediction, and adopted where the run died before it could record it.
-- With p_next, up to so many ready jobs come back under a lease: a slot has become free, and whoever is
-- told of it can go on with the next image at once.
-- The outcome's member "call" names one call: its repetition gets the same download again, still leased.
-- A prediction that is still running is recorded where one is awaited. One that nobody awaits is cancelled, by
-- a job that comes back leased.
create function private.finish_prediction(
  p_job_id uuid, p_prediction_id text, p_outcome jsonb, p_lease_seconds int, p_next int
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_old public.job_queue;
  v_ended private.running_jobs;
  v_download private.running_jobs;
  v_running boolean := coalesce(p_outcome ->> 'status' = 'running', false);
  v_new boolean;
  v_end text;
  v_error jsonb;
  v_stopped boolean;
  v_reopened boolean := false;
begin
  -- The usual end, without the machinery: the very prediction that a first attempt awaits has succeeded.
  if p_outcome ->> 'status' = 'succeeded' then
    delete from private.running_jobs
    where id = p_job_id and prediction_id = p_prediction_id and job_type = 'generate-image' and error_details is null
    returning * into v_ended;
    if found then
      v_ended.expires_at := null;
      v_ended.outcome_unknown := false;
      perform private.finish_running(v_ended, null);
      if not private.note_end(
        p_prediction_id, coalesce(p_outcome ->> 'provider_status', 'succeeded'), (p_outcome ->> 'predict_time')::numeric
      ) then
        perform private.note_prediction(
          private.as_job(v_ended), p_prediction_id, coalesce(p_outcome ->> 'source', 'webhook'), p_outcome);
      end if;
      return private.begin_download(
        v_ended.fair_key, v_ended.generation_id, v_ended.payload ->> 'user_id', v_ended.started_at, p_prediction_id,
        p_outcome, p_lease_seconds, p_next, false
      );
    end if;
  end if;
  v_job := private.lock_job(p_job_id);
  if v_job.job_type <> 'generate-image' then
    v_job := null;
  end if;
  v_old := v_job;
  -- One that an earlier attempt ended with is told of late: nothing more is to be awaited of it.
  if v_running and v_job.status = 'processing' and v_job.prediction_id is null
    and not private.knew_prediction(v_job, p_prediction_id)
  then
    return private.record_prediction(p_job_id, v_job.lease, p_prediction_id, p_lease_seconds, '{"source": "webhook"}');
  end if;
  v_job.id := p_job_id;
  v_new := private.note_prediction(v_job, p_prediction_id, coalesce(p_outcome ->> 'source', 'webhook'), p_outcome);
  v_end := case
    when private.knew_prediction(v_job, p_prediction_id) then 'duplicate'
    when v_job.status is null or v_job.prediction_id <> p_prediction_id then 'mismatch'
    when v_job.status = 'cancelled' then 'cancelled'
  end;
  if v_running then
    -- One that a job waiting for its retry has left may still be the one it gets.
    return jsonb_strip_nulls(jsonb_build_object(
      'outcome', coalesce(v_end, 'running'),
      'job', case when v_new and v_job.status is distinct from 'pending'
        then private.stop_prediction(v_job, p_prediction_id) end
    ));
  end if;
  if v_end is not null then
    return jsonb_build_object('outcome', v_end);
  end if;
  if v_job.status = 'completed' then
    -- The caller that ended it, once more, because the first answer was lost: the download is still its own.
    select * into v_download from private.running_jobs
    where id = (select download_job_id from public.image_generations where id = v_job.generation_id)
      and lease = 1 and payload ->> 'call' = p_outcome ->> 'call';
    if found then
      return jsonb_build_object('outcome', 'download', 'job', to_jsonb(private.as_job(v_download)));
    end if;
    return '{"outcome": "duplicate"}';
  end if;
  if v_job.status = 'failed' then
    -- Given up because its last run died unseen; that run had created this prediction all the same.
    -- The image is made and paid for: it is brought in.
    if p_outcome ->> 'status' is distinct from 'succeeded' or v_job.prediction_id is not null
      or v_job.error_details -> -1 ->> 'code' is distinct from 'lease_expired'
    then
      return '{"outcome": "duplicate"}';
    end if;
    v_reopened := true;
  end if;

  v_job.prediction_id := p_prediction_id;
  if p_outcome ->> 'status' is distinct from 'succeeded' then
    v_error := case jsonb_typeof(p_outcome -> 'error_details') when 'object' then p_outcome -> 'error_details' else '{}' end
      || jsonb_strip_nulls(jsonb_build_object('code', p_outcome -> 'error_code'));
    -- One that we have stopped ourselves, for a run that had lost the job, was stopped by nobody else: another
    -- is made.
    v_stopped := p_outcome ->> 'error_code' = 'cancelled_at_provider' and exists (
      select from private.predictions where id = p_prediction_id and is_unwanted
    );
    -- Kept with the job, so that a repeated delivery is known after the retry has cleared it.
    v_end := private.end_attempt(
      v_old, v_job, p_outcome ->> 'error_message', v_error,
      case when v_stopped then 0 else (p_outcome ->> 'retry_in_seconds')::numeric end
    );
    return jsonb_build_object('outcome', v_end, 'next', private.next_jobs(p_next, p_lease_seconds));
  end if;

  v_job.status := 'completed';
  v_job.completed_at := now();
  v_job.lease_expires_at := null;
  v_job.slot := false;
  v_job.blocked := false;
  v_job.virtual_time := null;
  v_job.outcome_unknown := false;
  v_job.expires_at := null;
  v_job.error_message := null;
  perform private.save_job(v_old, v_job);
  return private.begin_download(
    v_job.fair_key, v_job.generation_id, v_job.payload ->> 'user_id', v_job.started_at, p_prediction_id, p_outcome,
    p_lease_seconds, p_next, v_reopened
  );
end
$$;

-- The image is made: its generation goes on to a download, leased to the caller at once, with up to p_next further
-- images. With p_reopened the generation had been given up.
create function private.begin_download(
  p_fair_key uuid, p_generation_id uuid, p_user_id text, p_started_at timestamptz, p_prediction_id text,
  p_outcome jsonb, p_lease_seconds int, p_next int, p_reopened boolean
) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_id uuid := gen_random_uuid();
  v_generation record;
  v_download private.running_jobs;
begin
  update public.image_generations set
    status = 'downloading', progress = greatest(progress, 90), replicate_prediction_id = p_prediction_id,
    started_at = coalesce(started_at, p_started_at, now()),
    predict_time_seconds = coalesce((p_outcome ->> 'predict_time')::numeric, predict_time_seconds),
    download_job_id = v_id,
    error_message = null, error_code = null, completed_at = null,
    reserved_on = case when p_reopened then private.today() else reserved_on end,
    budget_usd = 0, seq = private.next_seq(seq)
  where id = p_generation_id
    and (status in ('pending', 'queued', 'processing') or (p_reopened and status = 'failed'))
  returning id, user_id, width, height, webhook_url into v_generation;
  if exists (select from private.live_listeners where user_id = v_generation.user_id and until > now()) then
    perform private.tell_change(v_generation.user_id, p_generation_id);
  end if;
  if p_reopened then
    perform private.count_reopened(g) from public.image_generations as g where g.id = v_generation.id;
  end if;

  v_download := private.insert_running(
    v_id, 'download-image', p_fair_key, p_generation_id,
    jsonb_strip_nulls(jsonb_build_object('width', v_generation.width, 'height', v_generation.height))
      || (p_outcome - '{status,provider_status,source,completed_at}'::text[])
      -- Tells the worker that the end will be announced.
      || case when v_generation.webhook_url is null then '{}' else '{"webhook": true}' end::jsonb
      || jsonb_build_object(
        'generation_id', p_generation_id,
        'user_id', coalesce(v_generation.user_id::text, p_user_id),
        'prediction_id', p_prediction_id
      ),
    least(greatest(coalesce(p_lease_seconds, 120), 1), 86400),
    private.output_retry_until(p_outcome ->> 'completed_at')
  );
  return jsonb_build_object(
    'outcome', 'download', 'job', to_jsonb(private.as_job(v_download)), 'next', private.next_jobs(p_next, p_lease_seconds)
  );
end
$$;

-- Until when a prediction's output is worth fetching. The provider deletes it an hour after the end by its own
-- clock, <https://replicate.com/docs/topics/predictions/data-retention>; clocks differ by less than five minutes.
create function private.output_retry_until(p_completed_at text) returns timestamptz
language sql stable
return least(coalesce(p_completed_at::timestamptz, now()), now()) + interval '1 hour' + interval '5 minutes';

-- The image is stored: image, generation, job and batch are complete together.
create function private.finish_download(p_job_id uuid, p_lease bigint, p_image jsonb) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_its record;
  v_job private.running_jobs;
  v_generation record;
begin
  select
    g.user_id,
    (select m.cost_per_megapixel is not null from public.models as m where m.id = g.model_id) as by_size
  into v_its
  from private.running_jobs as j inner join public.image_generations as g on g.id = j.generation_id
  where j.id = p_job_id;
  -- The image will refer to it, and a deletion of the account locks it before the job.
  perform 1 from public.profiles where id = v_its.user_id for key share;
  delete from private.running_jobs where id = p_job_id and lease = p_lease and job_type = 'download-image'
  returning * into v_job;
  if not found then
    -- Told a second time, because the first answer was lost.
    return jsonb_build_object('outcome', case
      when exists (
        select from private.finished_jobs where id = p_job_id and lease = p_lease and status = 'completed'
      ) then 'completed' else 'stale' end);
  end if;
  perform private.finish_running(v_job, null);
  if v_its.by_size then
    perform private.correct_cost(v_job.generation_id, (p_image ->> 'width')::int, (p_image ->> 'height')::int);
  end if;

  update public.image_generations as g set
    status = 'completed', progress = 100, completed_at = now(), error_message = null, error_code = null,
    seq = private.next_seq(g.seq),
    width = coalesce((p_image ->> 'width')::int, g.width),
    height = coalesce((p_image ->> 'height')::int, g.height),
    generation_time_seconds = round(extract(epoch from now() - coalesce(g.started_at, g.created_at)), 3),
    -- What its image cost, and not what was paid for attempts before it.
    cost_usd = coalesce(
      (p_image ->> 'cost_usd')::numeric, g.cost_usd,
      (select p.cost_usd from private.predictions as p where p.id = g.replicate_prediction_id),
      (select private.expected_cost(m, g.width, g.height) from public.models as m where m.id = g.model_id)
    )
  where g.id = v_job.generation_id and g.status not in ('completed', 'failed', 'cancelled')
  returning g.id, g.user_id, g.width, g.height, g.prompt, g.negative_prompt, g.model, g.style, g.generation_strength,
    g.source_generation_id, g.reserved_on, g.reserved_usd, g.cost_usd, g.batch_id, g.webhook_url,
    g.budget_usd
  into v_generation;
  if not found then
    return '{"outcome": "completed"}';
  end if;
  -- One whose image is being stored holds nothing of the budget, unless somebody has set it back by hand.
  if v_generation.budget_usd <> 0 then
    update public.image_generations set budget_usd = 0, seq = private.next_seq(seq) where id = v_generation.id;
  end if;
  if exists (select from private.live_listeners where user_id = v_generation.user_id and until > now()) then
    perform private.tell_change(v_generation.user_id, v_generation.id);
  end if;

  insert into public.images as i (
    generation_id, user_id, filename, storage_path, public_url, file_size, width, height, format,
    prompt, negative_prompt, model, style, generation_strength, source_image_id
  )
  values (
    v_generation.id, v_generation.user_id, p_image ->> 'filename', p_image ->> 'storage_path',
    p_image ->> 'public_url', (p_image ->> 'file_size')::bigint,
    v_generation.width, v_generation.height, p_image ->> 'format',
    v_generation.prompt, v_generation.negative_prompt, v_generation.model, v_generation.style,
    v_generation.generation_strength,
    (select s.id from public.images as s where s.generation_id = v_generation.source_generation_id)
  )
  on conflict (generation_id) do update set
    filename = excluded.filename, storage_path = excluded.storage_path, public_url = excluded.public_url,
    file_size = excluded.file_size, width = excluded.width, height = excluded.height, format = excluded.format;

  if v_generation.reserved_usd <> coalesce(v_generation.cost_usd, 0) then
    perform private.settle_cost(
      v_generation.user_id, v_generation.reserved_on, v_generation.reserved_usd, coalesce(v_generation.cost_usd, 0)
    );
  end if;
  if v_generation.batch_id is not null then
    perform private.count_in_batch(v_generation.batch_id, 'completed', 1);
  end if;
  if v_generation.webhook_url is not null then
    perform private.announce_generation(v_generation.id);
  end if;
  return '{"outcome": "completed"}';
end
$$;

-- How a generation ends and comes back --------------------------------------------------------------------------------

-- Ends a generation for good, gives back what was reserved for it and counts it in its batch. The caller
-- holds the job's row. With p_cost_open the reservation counts until private.settle_cancelled. Without p_in_batch the
-- caller counts it in its batch.
create function private.end_generation(
  p_generation_id uuid, p_status text, p_error_message text, p_error_code text, p_cost_open boolean = false,
  p_cancel_job_id uuid = null, p_in_batch boolean = true
) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ended record;
begin
  update public.image_generations as g
  set status = p_status, error_message = p_error_message, error_code = p_error_code, completed_at = now(),
    cost_open = p_cost_open, cancel_job_id = coalesce(p_cancel_job_id, g.cancel_job_id),
    budget_usd = case when p_cost_open then g.budget_usd else 0 end, seq = private.next_seq(g.seq),
    -- A failed one may be brought back, and reserves it again.
    reserved_usd = case when p_status = 'cancelled' and not p_cost_open then 0 else g.reserved_usd end
  from (select id, reserved_usd, status from public.image_generations where id = p_generation_id for update) as before
  where g.id = before.id and g.status not in ('completed', 'failed', 'cancelled')
  returning g.user_id, g.batch_id, g.reserved_on, before.reserved_usd, before.status as was, g.webhook_url
  into v_ended;
  if not found then
    return;
  end if;
  perform private.tell_change(v_ended.user_id, p_generation_id);
  if not p_cost_open then
    perform private.settle_cost(v_ended.user_id, v_ended.reserved_on, v_ended.reserved_usd, 0);
  end if;
  -- What a try to store its image may have left is not for free either. An upload that is under way ends
  -- within its lease.
  if v_ended.was = 'downloading' then
    insert into private.removed_objects (name, due_at)
    select name, now() + interval '10 minutes'
    from unnest(private.object_names(v_ended.user_id, p_generation_id)) as name;
  end if;
  if v_ended.batch_id is not null and p_in_batch then
    perform private.count_in_batch(v_ended.batch_id, p_status, 1);
  end if;
  if v_ended.webhook_url is not null then
    perform private.announce_generation(p_generation_id);
  end if;
end
$$;

-- What the counters of a batch give as its status.
create function private.batch_status(p_total int, p_completed int, p_failed int, p_cancelled int) returns text
language sql stable
return case
  when p_completed + p_failed + p_cancelled < p_total then 'processing'
  when p_completed = p_total then 'completed'
  when p_completed > 0 then 'partial'
  when p_failed > 0 then 'failed'
  else 'cancelled'
end;

-- Adds p_delta to a batch's counter of one end status and derives the batch's own status. In one update: a row that
-- is written twice in a transaction has its foreign keys checked, and that would wait for a deletion of the account.
create function private.count_in_batch(p_batch_id uuid, p_status text, p_delta int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_completed int := case p_status when 'completed' then p_delta else 0 end;
  v_failed int := case p_status when 'failed' then p_delta else 0 end;
  v_cancelled int := p_delta - v_completed - v_failed;
begin
  update public.batch_generations set
    completed_count = completed_count + v_completed,
    failed_count = failed_count + v_failed,
    cancelled_count = cancelled_count + v_cancelled,
    status = private.batch_status(
      total_count, completed_count + v_completed, failed_count + v_failed, cancelled_count + v_cancelled
    ),
    completed_at = case
      when completed_count + failed_count + cancelled_count + p_delta >= total_count then now()
    end
  where id = p_batch_id;
end
$$;

-- A batch with the status that its counters give.
create function private.with_status(p_batch public.batch_generations) returns public.batch_generations
language plpgsql stable set search_path = '' as $$
declare
  v_batch public.batch_generations := p_batch;
begin
  v_batch.status := private.batch_status(
    p_batch.total_count, p_batch.completed_count, p_batch.failed_count, p_batch.cancelled_count
  );
  v_batch.completed_at := case
    when p_batch.completed_count + p_batch.failed_count + p_batch.cancelled_count >= p_batch.total_count then now()
  end;
  return v_batch;
end
$$;

-- Takes back that a generation has failed. The caller holds the job's row.
create function private.reopen_generation(p_generation_id uuid, p_status text) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_opened public.image_generations;
begin
  update public.image_generations set
    reserved_on = private.today(),
    status = p_status, progress = case p_status when 'pending' then 0 else progress end,
    error_message = null, error_code = null, completed_at = null, seq = private.next_seq(seq),
    budget_usd = case when private.is_waiting(p_status) then private.budget_again(image_generations) else 0 end
  where id = p_generation_id and status = 'failed'
  returning * into v_opened;
  if found then
    perform private.tell_change(v_opened.user_id, p_generation_id);
  end if;
  perform private.count_reopened(v_opened);
end
$$;

-- Counts one that is no longer failed again: its price in its user's money, itself in its batch.
create function private.count_reopened(p_generation public.image_generations) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if p_generation.id is null then
    return;
  end if;
  perform private.reserve_cost(p_generation.user_id, p_generation.reserved_on, p_generation.reserved_usd);
  if p_generation.batch_id is not null then
    perform private.count_in_batch(p_generation.batch_id, 'failed', -1);
  end if;
end
$$;

-- Ends a generation at its user's wish, as long as its image is not made: from `downloading` on it is paid for,
-- and its user's. A prediction that runs at the provider is
-- cancelled there by a job of its own; one that is being created just now is cancelled by its worker,
-- whose record_prediction is answered "stale". Where a create may have left one that nobody knows, the job
-- looks for it: at once when the outcome is unknown already, else when the run's lease is over. What was
-- reserved for a run counts until it is known what the run has cost. Cancelling what is cancelled already is
-- no error.
create function private.cancel_generation(p_generation_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation public.image_generations;
  v_job public.job_queue;
  v_cancel_job_id uuid;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;

  -- Waits for a step that is just being taken: whether the image is made is known after that.
  v_job := private.lock_job(v_generation.job_id);
  select * into v_generation from public.image_generations where id = p_generation_id for update;
  perform private.check_cancellable(v_generation.status);
  if v_generation.status <> 'cancelled' then
    v_cancel_job_id := private.cancel_job(v_job);
    perform private.end_generation(
      p_generation_id, 'cancelled', null, null, v_cancel_job_id is not null, v_cancel_job_id);
    if v_cancel_job_id is not null then
      perform private.stop_run(v_job, v_cancel_job_id);
    end if;
    if v_generation.job_id is null then
      delete from private.unstarted_generations where generation_id = p_generation_id;
    end if;
  end if;
  return jsonb_build_object('generation_id', p_generation_id, 'status', 'cancelled');
end
$$;

-- Refuses to cancel what is made or has failed.
create function private.check_cancellable(p_status text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if p_status in ('completed', 'failed') then
    perform private.refuse(409, 'conflict', format('The generation is already %s.', p_status));
  end if;
  if p_status = 'downloading' then
    perform private.refuse(
      409, 'conflict', 'The image has been made already; it is being stored and will be yours in a moment.'
    );
  end if;
end
$$;

-- Ends a generation's locked job, if it is open, at its user's wish. Where it runs, returns the id for the job that is
-- to stop the run (private.stop_run), which the caller makes once the generation has ended.
create function private.cancel_job(p_job public.job_queue) returns uuid
language plpgsql set search_path = '' as $$
declare
  v_new public.job_queue := p_job;
begin
  if p_job.status in ('pending', 'processing') then
    v_new.status := 'cancelled';
    v_new.completed_at := now();
    v_new.lease_expires_at := null;
    v_new.slot := false;
    v_new.blocked := false;
    v_new.virtual_time := null;
    v_new.error_message := 'Cancelled by the user.';
    perform private.save_job(p_job, v_new);
  end if;
  return case when p_job.status = 'processing' then gen_random_uuid() end;
end
$$;

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

-- Predictions that nobody wants ---------------------------------------------------------------------------------------

-- Until when a prediction is to be stopped: by then it has stopped by itself, at its deadline.
create function private.stop_until() returns timestamptz
language sql stable
return now() + interval '30 minutes';

-- A job that stops a prediction nobody wants, leased to the caller already. It is tried until the prediction,
-- which runs and costs, has reached its deadline.
create function private.stop_prediction(p_job public.job_queue, p_prediction_id text) returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.predictions set is_unwanted = true where id = p_prediction_id;
  return to_jsonb(private.as_job(private.insert_running(
    gen_random_uuid(), 'cancel-prediction', p_job.fair_key, p_job.generation_id,
    jsonb_strip_nulls(jsonb_build_object(
      'prediction_id', p_prediction_id, 'generation_id', p_job.generation_id, 'user_id', p_job.fair_key
    )),
    60, private.stop_until()
  )));
end
$$;

-- Leaves a job that stops what a run at the provider has created, or may be creating: the prediction that is
-- known; or whatever a search finds, at once where a create is in doubt, and else when the run's lease is over,
-- for its worker is told first. It is no part of the generation, which may be about to be deleted.
create function private.stop_run(p_job public.job_queue, p_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.insert_jobs(jsonb_build_array(jsonb_build_object(
    'id', p_id, 'job_type', 'cancel-prediction', 'priority', 100, 'retry_until', private.stop_until(),
    'scheduled_at', case
      when p_job.prediction_id is null and not p_job.outcome_unknown then p_job.lease_expires_at
    end,
    'payload', jsonb_strip_nulls(jsonb_build_object(
      'generation_id', p_job.generation_id, 'user_id', p_job.fair_key, 'model_id', p_job.payload -> 'model_id'
    )) || case
      when p_job.prediction_id is not null then jsonb_build_object('prediction_id', p_job.prediction_id)
      else jsonb_build_object(
        'job_id', p_job.id, 'since', p_job.started_at, 'search_until', p_job.lease_expires_at
      )
    end
  )));
end
$$;

-- The job that stop_run has left finds nothing any more: the worker itself has told what its run created.
create function private.complete_search(p_generation_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_id uuid := (select cancel_job_id from public.image_generations where id = p_generation_id);
  v_job public.job_queue;
  v_new public.job_queue;
begin
  perform 1 from private.scheduled_jobs where id = v_id for update skip locked;
  if not found then
    perform 1 from private.ready_jobs where id = v_id for update skip locked;
    if not found then
      return;
    end if;
  end if;
  select * into v_job from public.job_queue where id = v_id;
  -- One that stops a prediction that was known is not done.
  if not v_job.payload ? 'job_id' then
    return;
  end if;
  v_new := v_job;
  v_new.status := 'completed';
  v_new.completed_at := now();
  v_new.slot := false;
  v_new.virtual_time := null;
  perform private.save_job(v_job, v_new);
end
$$;

-- What a job of type cancel-prediction found: [{id, status, predict_time}] of the job that its payload
-- names, or the one prediction that it stopped.
create function private.note_stopped(p_payload jsonb, p_created_at timestamptz, p_predictions jsonb) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue;
  v_one jsonb;
  v_generation_id uuid := private.as_uuid(p_payload ->> 'generation_id');
begin
  -- One that was inserted since, with the id of one that was deleted, has nothing to do with it.
  if exists (
    select from public.image_generations where id = v_generation_id and created_at > p_created_at
  ) then
    v_generation_id := null;
  end if;
  if p_payload ? 'job_id' then
    select * into v_job from public.job_queue where id = private.as_uuid(p_payload ->> 'job_id');
    if not found then
      -- Its user was deleted, and what this costs stays known.
      v_job.id := private.as_uuid(p_payload ->> 'job_id');
      v_job.payload := p_payload;
      v_job.generation_id := v_generation_id;
    end if;
  end if;
  for v_one in select jsonb_array_elements(p_predictions) loop
    if v_job.id is not null then
      perform private.note_prediction(v_job, v_one ->> 'id', 'adopted', v_one - 'id');
    elsif v_one ->> 'status' <> 'running' then
      perform private.note_end(v_one ->> 'id', v_one ->> 'status', (v_one ->> 'predict_time')::numeric);
    end if;
  end loop;
  -- Nothing runs that could still cost something.
  if not p_predictions @> '[{"status": "running"}]' then
    perform private.settle_cancelled(v_generation_id, 0);
  end if;
end
$$;

-- The provider's pause ------------------------------------------------------------------------------------------------
--
-- While the provider refuses to create predictions, to everybody, none is asked for: claims hand out no ready jobs
-- 'generate-image' (private.pick_ready), and lost runs only look for what they may have created (private.rescue_jobs).
-- When the time is over one job at a time is let out to try, until a prediction has been created. Predictions that
-- exist are looked at, stored and cancelled as ever.

-- The pause as it stands; null where there is none. One that is taken up again within two minutes of its end
-- goes on: the account's and an outage are so long shown as well, so that an alert does not come and go with
-- each new try.
create function private.current_pause() returns private.provider_pause
language plpgsql stable set search_path = '' as $$
declare
  v_pause private.provider_pause;
begin
  select * into v_pause from private.provider_pause
  where until > now() - case reason when 'throttled' then interval '0' else interval '2 minutes' end;
  return v_pause;
end
$$;

-- The provider refused a create: pauses creation for everybody, an hour at most, and puts the job off until
-- the end of the pause; no attempt is used. Pauses do not add up: the one that ends last counts. That the
-- provider refuses is a fact, so it is noted under a lost lease too. started: this call began the pause, or
-- found that it is the account; operators should hear of it. seconds: how much longer the pause lasts.
-- An outage pauses for two seconds, twice as long each time a try fails, a minute at most; p_seconds is how long
-- the job itself waits, as one whose create may have arrived. Operators hear of the third failure.
create function private.pause_provider(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_reason text, p_code int
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_now timestamptz := clock_timestamp();
  v_until timestamptz := v_now + make_interval(secs => least(greatest(p_seconds, 1), 3600)::double precision);
  v_pause private.provider_pause;
  v_is_on boolean;
  v_goes_on boolean;
  v_begins boolean;
  v_failures int;
  v_outage boolean := p_reason = 'outage';
begin
  select * into v_pause from private.provider_pause for update;
  v_is_on := v_pause.until > v_now;
  v_goes_on := v_pause.until > v_now - interval '2 minutes';
  -- During the account's pause a 429 of a create already under way says nothing new; after it, that the
  -- account is accepted again.
  v_begins := not v_goes_on or (p_reason <> v_pause.reason and (p_reason = 'account' or not v_is_on));
  v_failures := case
    when v_is_on then v_pause.failures
    when v_begins or not v_outage then v_outage::int
    else v_pause.failures + 1
  end;
  if v_outage then
    v_until := v_now + make_interval(secs => least(2 ^ least(v_failures, 6), 60));
  end if;
  v_until := greatest(v_until, v_pause.until);
  update private.provider_pause set
    until = v_until,
    since = case when v_begins then v_now else since end,
    reason = case when v_begins then p_reason else reason end,
    code = case when v_begins or p_reason = reason then p_code else code end,
    probing = true,
    probe_until = '-infinity',
    failures = v_failures
  where only_row;
  return private.snooze_job(
    p_job_id, p_lease, case when v_outage then p_seconds else extract(epoch from v_until - now()) end, v_outage
  ) || jsonb_build_object(
    'started', case when v_outage then not v_is_on and v_failures = 3 else v_begins end,
    'seconds', extract(epoch from v_until - v_now)
  );
end
$$;

-- The three below change the row only where nobody else is about to: they wait for nobody.

-- When a pause is over and nothing has been created since: whether the caller may hand out the one job that
-- tries. Whoever has it and says nothing loses it after the time that a create takes.
create function private.take_probe() returns boolean
language plpgsql set search_path = '' as $$
begin
  update private.provider_pause set probe_until = now() + interval '45 seconds'
  where only_row = any(array(
    select only_row from private.provider_pause where probe_until <= now() for update skip locked
  ));
  return found;
end
$$;

-- A run has ended without a prediction, and not because the provider creates none: another one may try. Where the
-- run was not the one that tried, two may.
create function private.return_probe() returns void
language plpgsql set search_path = '' as $$
begin
  update private.provider_pause set probe_until = '-infinity'
  where only_row = any(array(
    select only_row from private.provider_pause where probing and probe_until > now() for update skip locked
  ));
end
$$;

-- A prediction was created: the pause is over. One that was created while a pause for other reasons than an
-- outage is on had been asked for before it. True: this call ended it.
create function private.resume_provider() returns boolean
language plpgsql set search_path = '' as $$
begin
  update private.provider_pause
  set until = '-infinity', probing = false, probe_until = '-infinity', failures = 0
  where only_row = any(array(
    select only_row from private.provider_pause
    where probing and (until <= now() or reason = 'outage') for update skip locked
  ));
  return found;
end
$$;

-- Models that the provider refuses ------------------------------------------------------------------------------------
--
-- That concerns the model alone. Its waiting jobs end when they are claimed, without asking the provider
-- (private.lease_ready marks them), and starts with it are refused (private.check_model), until one may try again.

-- The provider refused a create because of the job's model: its generation fails, without an attempt, and the
-- model is refused for a minute, twice as long each time a try fails, half an hour at most. Where so many are
-- refused that it is the account, that is paused in its place. started: operators should hear of it now.
create function private.refuse_model(
  p_job_id uuid, p_lease bigint, p_status int, p_error_message text, p_error_code text
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_job public.job_queue := private.leased_job(p_job_id, p_lease);
  v_model text;
  v_refusals int;
begin
  if v_job.id is null or v_job.job_type <> 'generate-image' or v_job.prediction_id is not null then
    return '{"outcome": "stale", "started": false}';
  end if;
  v_model := coalesce(v_job.payload ->> 'model_id', '');
  if p_status = 403 and private.is_account_refused(v_model) then
    delete from private.refused_models where status = 403;
    return private.pause_provider(p_job_id, p_lease, 60, 'account', 403) || '{"refused": "account"}';
  end if;
  insert into private.refused_models as r (model, since, until, status)
  values (v_model, now(), now() + interval '1 minute', p_status)
  on conflict (model) do update set
    status = excluded.status,
    until = case
      when r.until > now() then r.until
      else now() + least(interval '1 minute' * 2 ^ least(r.refusals, 5), interval '30 minutes')
    end,
    refusals = r.refusals + case when r.until > now() then 0 else 1 end
  returning refusals + case when since < now() then 1 else 0 end into v_refusals;
  perform private.end_attempt(v_job, v_job, p_error_message, jsonb_build_object('code', p_error_code), null);
  return jsonb_build_object('outcome', 'failed', 'refused', 'model', 'started', v_refusals = 1);
end
$$;

-- Whether a model that is refused with 403 is one too many for it to be the model: within ten minutes the third
-- one, and nothing was created since the first.
create function private.is_account_refused(p_model text) returns boolean
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_others int;
  v_since timestamptz;
begin
  select count(*), min(since) into v_others, v_since from private.refused_models
  where status = 403 and model <> p_model and since > now() - interval '10 minutes';
  return v_others >= 2 and not exists (select from private.predictions where recorded_at > v_since);
end
$$;

-- Refuses a start of a model that the provider refuses. When its time is over one start in a minute may try.
create function private.check_model(p_model text) returns void
language plpgsql set search_path = '' as $$
declare
  v_refused private.refused_models;
begin
  select * into v_refused from private.refused_models where model = p_model;
  if not found then
    return;
  end if;
  if v_refused.until <= now() then
    update private.refused_models set probe_until = now() + interval '1 minute'
    where model = p_model and until <= now() and probe_until <= now();
    if found then
      return;
    end if;
  end if;
  perform private.refuse(
    422, 'model_unavailable', 'This model cannot be used at the moment. Please choose another one.',
    greatest(1, ceil(extract(epoch from greatest(v_refused.until, v_refused.probe_until) - now())))::int
  );
end
$$;

-- A prediction of it was created.
create function private.accept_model(p_model text) returns void
language plpgsql set search_path = '' as $$
begin
  delete from private.refused_models where model = p_model;
end
$$;

-- Those that operators are told of: refused now, or with a try that nobody has made.
create function private.refused_model_names() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(r.model order by r.model), '[]')
  from (
    select model from private.refused_models where until > now() - interval '1 hour' order by since desc limit 100
  ) as r
$$;

-- Deletion of generations and accounts --------------------------------------------------------------------------------

-- With a user, or by hand, go generations, and their jobs with them. What runs at the provider is stopped
-- (private.write_job).
create function private.after_generation_delete() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.settle_deleted(old);
  delete from public.job_queue where id in (old.job_id, old.download_job_id);
  delete from public.job_queue
  where fair_key = old.user_id and generation_id = old.id and status in ('completed', 'failed', 'cancelled')
    and created_at between old.created_at - interval '1 minute' and coalesce(old.completed_at, now()) + interval '1 minute';
  return null;
end
$$;

-- An open one that is deleted, and not with its account: it counts as cancelled in its batch. One that has not begun
-- costs nothing. One that runs is stopped, and stays counted at its price: nobody is left to be told what it has cost.
create function private.settle_deleted(p_generation public.image_generations) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  -- Its row had a share of the budget; what its prediction may cost counts there until that has ended.
  if private.is_waiting(p_generation.status) or p_generation.cost_open then
    update private.predictions set cost_usd = p_generation.reserved_usd
    where id = p_generation.replicate_prediction_id and ended_at is null and p_generation.reserved_usd > 0;
  end if;
  if p_generation.status not in ('pending', 'queued', 'processing', 'downloading')
    or not exists (select from public.profiles where id = p_generation.user_id)
  then
    return;
  end if;
  if p_generation.job_id is null then
    delete from private.unstarted_generations where generation_id = p_generation.id;
  end if;
  if exists (select from public.job_queue where id = p_generation.job_id and status = 'pending') then
    perform private.settle_cost(
      p_generation.user_id, p_generation.reserved_on, p_generation.reserved_usd, 0
    );
  end if;
  if p_generation.batch_id is not null then
    perform private.count_in_batch(p_generation.batch_id, 'cancelled', 1);
  end if;
end
$$;

create trigger image_generations_delete_jobs after delete on public.image_generations
for each row execute function private.after_generation_delete();

-- Steps lock a job before its generation, and with a user the rows go the other way round: all the jobs first, in
-- whatever state, so that neither waits for the other. Twice: whoever had locked one of them may have left another.
-- What has finished for a generation goes at once, not for each of them.
create function private.before_profile_delete() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  for v_try in 1..2 loop
    perform private.lock_job(mine.id)
    from (
      select unnest(array[job_id, download_job_id, cancel_job_id]) as id from public.image_generations
      where user_id = old.id
      union
      select id from private.blocked_jobs where fair_key = old.id
      union
      select id from private.ready_jobs where slot and fair_key = old.id
      union
      select id from private.running_jobs where fair_key = old.id
      union
      select id from private.finished_jobs where fair_key = old.id
      order by 1
    ) as mine
    where mine.id is not null;
  end loop;
  delete from public.job_queue
  where fair_key = old.id and status in ('completed', 'failed', 'cancelled') and generation_id is not null;
  return old;
end
$$;

create trigger profiles_before_delete before delete on public.profiles
for each row execute function private.before_profile_delete();

-- What it has used goes with the account, and not with a profile, which may come back. Triggers fire in the order of
-- their names: after the foreign keys', so that all its jobs are locked.
create function private.after_user_delete() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  delete from private.usage where user_id = old.id;
  delete from private.idempotency_keys where user_id = old.id;
  return null;
end
$$;

create trigger picture_queue_after_delete after delete on auth.users
for each row execute function private.after_user_delete();
