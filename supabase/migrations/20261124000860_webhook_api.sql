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

revoke all on function
  private.read_webhook_url, private.enqueue_delivery, private.announce_generation,
  private.ensure_webhook_secret, private.signed_in, public.webhook_message, private.webhook_message,
  public.record_delivery, private.record_delivery, public.webhook_secret, private.webhook_secret,
  public.rotate_webhook_secret, private.rotate_webhook_secret, public.webhook_deliveries,
  private.webhook_deliveries, public.resend_webhook, private.resend_webhook, private.prune_webhooks
from public, anon, authenticated, service_role;

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
