-- Outgoing webhooks: the end of a generation is told to the address that its request named, in the
-- form of Standard Webhooks. Tables, and the way from the announcement to the log.

alter table public.image_generations add column webhook_url text;

-- Origins that may be named although they are not public https ones, for local development. The
-- Workers have a list of their own, WEBHOOK_ALLOWED_ORIGINS: both must agree.
alter table private.settings add column webhook_allowed_origins text[] not null default '{}';

-- What a user's webhooks are signed with. One is current; after a rotation the old one signs as well
-- until it expires.
create table private.webhook_secrets (
  secret text primary key,
  user_id uuid not null references auth.users on delete cascade,
  created_at timestamptz not null default now(),
  -- Null for the current one.
  expires_at timestamptz
);
create unique index webhook_secrets_current on private.webhook_secrets (user_id) where expires_at is null;
create index webhook_secrets_user on private.webhook_secrets (user_id);
create index webhook_secrets_expiry on private.webhook_secrets (expires_at) where expires_at is not null;

-- One row for each end of a generation that is announced, kept for 30 days: what is sent, and the log.
create table private.webhook_deliveries (
  id uuid primary key default gen_random_uuid(),
  generation_id uuid not null references public.image_generations on delete cascade,
  ended_at timestamptz not null,
  event_type text not null
    check (event_type in ('generation.completed', 'generation.failed', 'generation.cancelled')),
  url text not null,
  -- {type, timestamp, data} as it stood at that end: as text, so that every attempt sends the same bytes.
  body text not null,
  -- gone: the receiver answered 410.
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed', 'gone')),
  -- The last 20: [{attempt, at, status, duration_ms, error, response}].
  attempts jsonb not null default '[]',
  -- No foreign key: jobs are pruned, the log stays.
  job_id uuid,
  resent_at timestamptz,
  -- A generation that is brought back ends again: another event.
  unique (generation_id, ended_at)
);
create index webhook_deliveries_age on private.webhook_deliveries (ended_at);
create index webhook_deliveries_job on private.webhook_deliveries (job_id);

-- The address of a request: a public https one without a port, or null where there is none.
create function private.read_webhook_url(p_request jsonb) returns text
language plpgsql set search_path = '' as $$
declare
  v_url text := private.read_text(p_request, 'webhook_url', 2048);
begin
  if v_url is null or private.is_public_https_url(v_url) then
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

-- Puts the sending of a delivery into the queue. Eight attempts: the waits between them are the worker's.
create function private.enqueue_delivery(p_delivery private.webhook_deliveries, p_user_id uuid) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.webhook_deliveries set
    status = 'pending',
    job_id = private.enqueue_job(
      'process-webhook',
      jsonb_build_object(
        'delivery_id', p_delivery.id, 'generation_id', p_delivery.generation_id, 'user_id', p_user_id
      ),
      0, now(), 8
    )
  where id = p_delivery.id;
end
$$;

-- Called in the transaction that ended a generation, once everything of it is written. Does nothing
-- where no address was named, or where this end has been announced already.
create function private.announce_generation(p_generation_id uuid) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_generation public.image_generations;
  v_delivery private.webhook_deliveries;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and webhook_url is not null and status in ('completed', 'failed', 'cancelled');
  if not found then
    return;
  end if;
  insert into private.webhook_deliveries (generation_id, ended_at, event_type, url, body)
  values (
    p_generation_id, coalesce(v_generation.completed_at, now()), 'generation.' || v_generation.status,
    v_generation.webhook_url,
    jsonb_build_object(
      'type', 'generation.' || v_generation.status,
      'timestamp', coalesce(v_generation.completed_at, now()),
      'data', private.generation_json(v_generation)
    )::text
  )
  on conflict (generation_id, ended_at) do nothing
  returning * into v_delivery;
  if found then
    perform private.enqueue_delivery(v_delivery, v_generation.user_id);
  end if;
end
$$;

-- Makes sure that the user has a current secret: 32 bytes, of which 244 bits are random.
create function private.ensure_webhook_secret(p_user_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.webhook_secrets (user_id, secret)
  select p_user_id,
    'whsec_' || encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64')
  where not exists (select from private.webhook_secrets where user_id = p_user_id and expires_at is null)
  on conflict (user_id) where expires_at is null do nothing;
end
$$;

-- What a leased job sends, and the secrets to sign it with, the current one first.
create function private.webhook_message(p_job_id uuid, p_lease bigint) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_payload jsonb;
  v_delivery private.webhook_deliveries;
  v_user uuid;
  v_secrets jsonb;
begin
  select payload into v_payload from private.running_jobs
  where id = p_job_id and lease = p_lease and job_type = 'process-webhook';
  if not found then
    return '{"outcome": "stale"}';
  end if;
  select * into v_delivery from private.webhook_deliveries
  where id = private.as_uuid(v_payload ->> 'delivery_id') and job_id = p_job_id;
  if not found then
    return '{"outcome": "unknown"}';
  end if;
  select user_id into v_user from public.image_generations where id = v_delivery.generation_id;
  perform private.ensure_webhook_secret(v_user);
  select jsonb_agg(secret order by expires_at desc nulls first) into v_secrets
  from private.webhook_secrets
  where user_id = v_user and (expires_at is null or expires_at > now());
  return jsonb_build_object(
    'outcome', 'message', 'webhook_id', 'msg_' || v_delivery.id, 'url', v_delivery.url,
    'body', v_delivery.body, 'secrets', v_secrets
  );
end
$$;

-- Ends a job's run and logs the attempt in one step. p_status: delivered, failed (tried again after
-- p_retry_in_seconds, unless that is null or the attempts are used up) or gone.
create function private.record_delivery(
  p_job_id uuid, p_lease bigint, p_status text, p_attempt jsonb, p_retry_in_seconds numeric
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_answer jsonb;
  v_attempt int;
begin
  select attempts + 1 into v_attempt from private.running_jobs
  where id = p_job_id and lease = p_lease and job_type = 'process-webhook' for update;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  if p_status = 'delivered' then
    v_answer := private.complete_job(p_job_id, p_lease, null);
  else
    v_answer := private.fail_job(
      p_job_id, p_lease, coalesce(p_attempt ->> 'error', 'The webhook could not be delivered.'),
      jsonb_build_object('code', 'webhook_' || p_status), p_retry_in_seconds
    );
  end if;
  -- Fresh webhooks come first: a receiver that is down must not hold up those of others.
  if v_answer ->> 'outcome' = 'retrying' then
    update private.scheduled_jobs set priority = -10 where id = p_job_id;
  end if;
  update private.webhook_deliveries set
    status = case v_answer ->> 'outcome' when 'retrying' then 'pending' else p_status end,
    attempts = case when jsonb_array_length(attempts) >= 20 then attempts - 0 else attempts end
      || jsonb_build_array(jsonb_build_object('attempt', v_attempt, 'at', now()) || p_attempt)
  where job_id = p_job_id;
  return v_answer;
end
$$;
