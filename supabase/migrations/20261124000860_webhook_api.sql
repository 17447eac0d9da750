-- What the API exposes of outgoing webhooks, and who may do what with them.

create function public.webhook_message(p_job_id uuid, p_lease bigint)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.webhook_message(p_job_id, p_lease);
end
$$;

create function public.record_delivery(
  p_job_id uuid, p_lease bigint, p_status text, p_attempt jsonb = '{}', p_retry_in_seconds numeric = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.record_delivery(p_job_id, p_lease, p_status, p_attempt, p_retry_in_seconds);
end
$$;

create function public.webhook_secret()
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.webhook_secret();
end
$$;

create function public.rotate_webhook_secret()
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.rotate_webhook_secret();
end
$$;

create function public.webhook_deliveries(p_generation_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.webhook_deliveries(p_generation_id);
end
$$;

create function public.resend_webhook(p_generation_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.resend_webhook(p_generation_id);
end
$$;

do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_proc as p
    where p.pronamespace in ('private'::regnamespace, 'public'::regnamespace) and p.proname = any(array[
      'read_webhook_url', 'enqueue_delivery', 'announce_generation', 'ensure_webhook_secret', 'signed_in',
      'webhook_message', 'record_delivery', 'webhook_secret', 'rotate_webhook_secret', 'webhook_deliveries',
      'resend_webhook', 'prune_webhooks'
    ])
  loop
    execute format('revoke all on function %s from public, anon, authenticated, service_role', v_function);
  end loop;
end
$$;

alter table private.webhook_secrets enable row level security;
alter table private.webhook_deliveries enable row level security;
revoke all on private.webhook_secrets, private.webhook_deliveries from public, anon, authenticated, service_role;

grant execute on function
  public.webhook_secret, private.webhook_secret,
  public.rotate_webhook_secret, private.rotate_webhook_secret,
  public.webhook_deliveries, private.webhook_deliveries,
  public.resend_webhook, private.resend_webhook
to authenticated;

grant execute on function
  public.webhook_message, private.webhook_message,
  public.record_delivery, private.record_delivery
to service_role;
