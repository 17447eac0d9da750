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

-- Refuses a request for the first of its members that is none of them: who misspells one would pay for another image
-- than the one that was asked for.
create function private.refuse_unknown(p_request jsonb, p_known text[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_name text := (
    select left(k.name, 60) from jsonb_object_keys(p_request - p_known) as k (name) order by k.name limit 1
  );
begin
  perform private.refuse_field(regexp_replace(v_name, '\s', '_', 'g'), format(
    '%s is not a field of this request. Its fields are: %s.', v_name, array_to_string(p_known, ', ')
  ));
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

create function private.take_ratio(p_value jsonb, p_key text) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_text text := p_value #>> '{}';
begin
  if jsonb_typeof(p_value) <> 'string' or v_text !~ '^[1-9][0-9]?:[1-9][0-9]?$' then
    perform private.refuse_field(p_key, format('%s must be two whole numbers from 1 to 99 such as 16:9.', p_key));
  end if;
  return v_text;
end
$$;

-- A shape such as 16:9, or null where it is absent or null. It takes the place of width and height.
create function private.read_ratio(p_request jsonb, p_key text) returns text
language sql stable
return case when p_request ->> p_key is not null then private.take_ratio(p_request -> p_key, p_key) end;

create function private.take_country(p_value jsonb, p_key text) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_text text := p_value #>> '{}';
begin
  if jsonb_typeof(p_value) <> 'string' or v_text !~ '^[A-Z][A-Z0-9]$' then
    perform private.refuse_field(p_key, format('%s must be two capital letters such as DE.', p_key));
  end if;
  return nullif(v_text, 'XX');
end
$$;

-- A country as Cloudflare names it, T1 being Tor; null where it is absent, null or XX, which is unknown.
create function private.read_country(p_request jsonb, p_key text) returns text
language sql stable
return case when p_request ->> p_key is not null then private.take_country(p_request -> p_key, p_key) end;

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

-- The items of a request, [{prompt, seed, negative_prompt}], from either of its two forms. Where the model takes no
-- prompt an item needs none: it is '' then.
create function private.read_items(p_request jsonb, p_needs_prompt boolean) returns jsonb
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
    if v_item - '{prompt,seed,negative_prompt}'::text[] <> '{}' then
      perform private.refuse_unknown(v_item, '{prompt,seed,negative_prompt}');
    end if;
    v_prompt := private.read_text(v_item, 'prompt', 4000);
    if p_needs_prompt and (v_prompt is null or private.is_blank(v_prompt)) then
      perform private.refuse_field('prompt', 'prompt must be a text of 1 to 4000 characters.');
    end if;
    perform private.read_number(v_item, 'seed', 0, 4294967295, true);
    if v_item ? 'negative_prompt' then
      perform private.read_text(v_item, 'negative_prompt', 4000);
    end if;
  end loop;
  if not p_needs_prompt then
    v_items := (
      select jsonb_agg('{"prompt": ""}' || jsonb_strip_nulls(i.one) order by i.ord)
      from jsonb_array_elements(v_items) with ordinality as i (one, ord)
    );
  end if;
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

-- The image that p_value names, {} where it names none: {source_image_url}, a public address, or {source_bucket,
-- source_path}, a stored file of the user's own, with {source_generation_id}, whose image it is, or {source_id}, an
-- upload. A file has no address before the run that needs it makes one. p_place: where in the request it stands, as
-- 'mask.'; '' for the request itself.
create function private.take_source(p_value jsonb, p_user_id uuid, p_place text = '') returns jsonb
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_url text := case when p_value ->> 'source_image_url' is not null
    then private.take_text(p_value -> 'source_image_url', p_place || 'source_image_url', 2048) end;
  v_id uuid := case when p_value ->> 'source_generation_id' is not null
    then private.take_id(p_value -> 'source_generation_id', p_place || 'source_generation_id') end;
  v_upload uuid := case when p_value ->> 'source_id' is not null
    then private.take_id(p_value -> 'source_id', p_place || 'source_id') end;
  v_path text;
  v_source record;
begin
  if num_nonnulls(v_url, v_id, v_upload) > 1 then
    perform private.refuse_field(
      p_place || case when v_upload is not null then 'source_id' else 'source_generation_id' end,
      'Give only one of source_image_url, source_generation_id and source_id.'
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
    perform private.refuse_field(
      p_place || 'source_image_url', p_place || 'source_image_url must be a public https address.'
    );
  end if;
  return jsonb_strip_nulls(jsonb_build_object('source_image_url', v_url));
end
$$;

-- The same of an object of its own, which has to name one, or of the id of an upload. p_place as 'mask'.
create function private.take_placed_source(p_value jsonb, p_user_id uuid, p_place text) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_source jsonb;
begin
  if jsonb_typeof(p_value) = 'string' then
    perform private.take_id(p_value, p_place);
    return private.take_source(jsonb_build_object('source_id', p_value), p_user_id, p_place || '.');
  end if;
  if jsonb_typeof(p_value) = 'object'
    and p_value - '{source_image_url,source_generation_id,source_id}'::text[] = '{}'
  then
    v_source := private.take_source(p_value, p_user_id, p_place || '.');
  end if;
  if coalesce(v_source, '{}') = '{}' then
    perform private.refuse_field(p_place, format(
      '%s must be the id of an upload, or an object with one of source_image_url, source_generation_id, source_id.',
      p_place
    ));
  end if;
  return v_source;
end
$$;

-- What the request starts from, as the payload has it. One source image: as private.take_source has it. Several, or a
-- mask: {sources: [{source_image_url | source_generation_id | source_id}], mask: {…}, files: [{source_bucket,
-- source_path} or {}]}, where files are those of the source images, and then of the mask.
create function private.take_sources(p_request jsonb, p_user_id uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_list jsonb := nullif(p_request -> 'sources', 'null');
  v_mask jsonb := nullif(p_request -> 'mask', 'null');
  v_found jsonb := private.take_source(p_request, p_user_id);
  v_all jsonb := '[]';
  v_bare jsonb;
begin
  if v_list is not null then
    if v_found <> '{}' then
      perform private.refuse_field('sources', 'Give either sources or a single source image, not both.');
    end if;
    if jsonb_typeof(v_list) <> 'array' or jsonb_array_length(v_list) not between 1 and 10 then
      perform private.refuse_field('sources', 'sources must be a list of 1 to 10 source images.');
    end if;
    for v_index in 0..jsonb_array_length(v_list) - 1 loop
      v_all := v_all || private.take_placed_source(v_list -> v_index, p_user_id, format('sources[%s]', v_index));
    end loop;
  elsif v_found <> '{}' then
    v_all := jsonb_build_array(v_found);
  end if;
  if v_mask is not null then
    v_mask := private.take_placed_source(v_mask, p_user_id, 'mask');
    if v_all = '[]' then
      perform private.refuse_field('mask', 'mask needs a source image.');
    end if;
    v_all := v_all || v_mask;
  end if;
  if jsonb_array_length(v_all) < 2 then
    return coalesce(v_all -> 0, '{}');
  end if;
  v_bare := (select jsonb_agg(a.one - '{source_bucket,source_path}'::text[] order by a.n)
    from jsonb_array_elements(v_all) with ordinality as a (one, n));
  v_found := jsonb_build_object('files', (
    select jsonb_agg(a.one - '{source_image_url,source_generation_id,source_id}'::text[] order by a.n)
    from jsonb_array_elements(v_all) with ordinality as a (one, n)
  ));
  if v_mask is not null then
    v_found := v_found || jsonb_build_object('mask', v_bare -> -1);
    v_bare := v_bare - -1;
  end if;
  return v_found || case
    when jsonb_array_length(v_bare) = 1 then v_bare -> 0 else jsonb_build_object('sources', v_bare)
  end;
end
$$;

create function private.read_sources(p_request jsonb, p_user_id uuid) returns jsonb
language sql volatile
return case
  when p_request ?| '{source_image_url,source_generation_id,source_id,sources,mask}'
    then private.take_sources(p_request, p_user_id)
  else '{}'
end;

-- The uploads that several source images and a mask name; null where there are none.
create function private.uploads_among(p_payload jsonb) returns uuid[]
language plpgsql immutable set search_path = '' as $$
begin
  return (select array_agg((s.id #>> '{}')::uuid) from jsonb_path_query(p_payload, '$.*.source_id') as s (id));
end
$$;

create function private.take_parent(p_request jsonb, p_user_id uuid, p_generation_id uuid) returns uuid
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_id uuid := private.read_id(p_request, 'parent_id');
begin
  if v_id = p_generation_id
    or not exists (select from public.image_generations where id = v_id and user_id = p_user_id)
  then
    perform private.refuse(404, 'not_found', 'There is no such generation to make again.');
  end if;
  return v_id;
end
$$;

-- The trace that the HTTP request belongs to, as https://www.w3.org/TR/trace-context/ writes it, from the headers that
-- PostgREST tells; null where they name none.
create function private.traceparent() returns text
language plpgsql stable set search_path = '' as $$
declare
  v_headers text := current_setting('request.headers', true);
begin
  if strpos(v_headers, '"traceparent"') > 0 then
    return substring(v_headers from '"traceparent" *: *"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"');
  end if;
  return null;
end
$$;

-- The generation of the user's own that the request makes again, or null where it makes none. p_generation_id: the row
-- that the request is for, where there is one already; that is no parent of its own.
create function private.read_parent(p_request jsonb, p_user_id uuid, p_generation_id uuid) returns uuid
language sql stable
return case
  when p_request ->> 'parent_id' is not null then private.take_parent(p_request, p_user_id, p_generation_id)
end;

-- Whether webhooks may be sent there: a public https address without a port, or one of the operator's own origins.
create function private.is_webhook_url(p_url text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return private.is_public_https_url(p_url)
    or octet_length(p_url) <= 2048 and p_url !~ '[[:space:][:cntrl:]\\]' and exists (
      select from private.settings as s, unnest(s.webhook_allowed_origins) as allowed (origin)
      where starts_with(p_url || '/', allowed.origin || '/')
    );
end
$$;

-- The address of a request, or null where there is none.
create function private.take_webhook_url(p_value jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_url text := private.take_text(p_value, 'webhook_url', 2048);
begin
  if private.is_webhook_url(v_url) then
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
