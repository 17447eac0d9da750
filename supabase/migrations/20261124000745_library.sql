-- A user's own generations, made again ------------------------------------------------------------------------------

-- The request that a generation of the caller's stands for, by the names of a request: what a rerun changes and starts.
-- When it was to start, and until when, are no part of it. source_is_gone: it had a source image that nothing names any
-- more.
create function private.kept_request(p_generation_id uuid) returns jsonb
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
  return private.request_of(v_generation) || jsonb_strip_nulls(jsonb_build_object(
    'model_id', coalesce(v_generation.model, v_generation.model_id::text),
    'operation', v_generation.operation,
    'source_id', v_generation.source_id,
    'priority', case sign(v_generation.priority) when -1 then 'low' when 0 then 'normal' else 'high' end,
    'webhook_url', v_generation.webhook_url,
    'source_is_gone', case when v_generation.has_source and num_nonnulls(
      v_generation.source_image_url, v_generation.source_generation_id, v_generation.source_id
    ) = 0 then true end
  ));
end
$$;
