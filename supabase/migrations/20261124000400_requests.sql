-- Reading a request that comes straight from a user: every value is checked before it is used.

-- Refuses a call with an answer that PostgREST hands on as HTTP: status, a sentence, a stable code.
-- p_retry_after: seconds until it is worth trying again; p_limit: which of the plan's limits it met.
create function private.refuse(
  p_status int, p_code text, p_message text, p_retry_after int = null, p_limit text = null
) returns void
language plpgsql set search_path = '' as $$
begin
  if p_retry_after is null then
    raise exception using errcode = 'PT' || p_status, message = p_message, detail = p_code;
  end if;
  raise exception using errcode = 'PT' || p_status, message = p_message, detail = p_code,
    hint = concat_ws(' ', 'retry_after=' || p_retry_after, 'limit=' || p_limit);
end
$$;

-- Refuses a member of a request for what it holds.
create function private.refuse_field(p_field text, p_message text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PT422', message = p_message, detail = 'invalid_request',
    hint = 'field=' || p_field;
end
$$;

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

-- A text of at most p_max characters (Unicode code points), or null where it is absent or null.
create function private.read_text(p_request jsonb, p_key text, p_max int) returns text
language plpgsql set search_path = '' as $$
declare
  v_text text := p_request ->> p_key;
begin
  if v_text is not null and (jsonb_typeof(p_request -> p_key) <> 'string' or char_length(v_text) > p_max) then
    perform private.refuse_field(p_key, format('%s must be a text of at most %s characters.', p_key, p_max));
  end if;
  return v_text;
end
$$;

-- One of the words, or null where it is absent or null.
create function private.read_word(p_request jsonb, p_key text, p_words text[]) returns text
language plpgsql set search_path = '' as $$
declare
  v_text text := p_request ->> p_key;
begin
  if v_text is not null and (jsonb_typeof(p_request -> p_key) <> 'string' or v_text <> all(p_words)) then
    perform private.refuse_field(p_key, format('%s must be one of: %s.', p_key, array_to_string(p_words, ', ')));
  end if;
  return v_text;
end
$$;

-- An id, in the spellings that the Worker reads: with hyphens, also in braces or as a URN, or without any.
create function private.read_id(p_request jsonb, p_key text) returns uuid
language plpgsql set search_path = '' as $$
declare
  v_text text := private.read_text(p_request, p_key, 100);
  v_bare text := case
    when v_text like '{%}' then substr(v_text, 2, 36) when v_text ilike 'urn:uuid:%' then substr(v_text, 10)
  end;
begin
  if v_text is null then
    return null;
  end if;
  if (v_bare is null and v_text ~ '^[0-9A-Fa-f]{32}$')
    or (length(v_text) in (36, 38, 45) and coalesce(v_bare, v_text) ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$')
  then
    return coalesce(v_bare, v_text)::uuid;
  end if;
  perform private.refuse_field(p_key, format('%s must be an id.', p_key));
end
$$;

-- A number from p_min to p_max, whole where p_whole, or null where it is absent or null. As the Worker reads it:
-- in double precision, of which 15 digits are kept.
create function private.read_number(p_request jsonb, p_key text, p_min numeric, p_max numeric, p_whole boolean)
returns numeric
language plpgsql set search_path = '' as $$
declare
  v_number numeric;
begin
  if p_request -> p_key is null or p_request -> p_key = 'null' then
    return null;
  end if;
  if jsonb_typeof(p_request -> p_key) = 'number' then
    v_number := (p_request -> p_key)::numeric;
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

-- The items of a request, [{prompt, seed}], from either of its two forms.
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
  end loop;
  return v_items;
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
-- {source_bucket, source_path}, a stored file of the user's own, with {source_generation_id}, whose picture it
-- is, or {source_id}, an upload. A file has no address before the run that needs it makes one.
create function private.read_source(p_request jsonb, p_user_id uuid) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
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
create function private.read_schedule(p_request jsonb) returns timestamptz
language plpgsql set search_path = '' as $$
declare
  v_text text := private.read_text(p_request, 'scheduled_at', 40);
  v_at timestamptz;
begin
  if v_text is null then
    return null;
  end if;
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
