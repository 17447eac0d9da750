-- Outgoing webhooks: the end of a generation is told to the address that its request named, in the form of Standard
-- Webhooks. The announcement writes a row of webhook_deliveries and a job 'process-webhook'; the Worker that runs the
-- job asks for the message, sends it, and records what came of it.

-- From the announcement to the log ------------------------------------------------------------------------------------

-- Called in the transaction that ended a generation, once everything of it is written. Does nothing
-- where no address was named, or where this end has been announced already.
create function private.announce_generation(p_generation_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_generation public.image_generations;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and webhook_url is not null and status in ('completed', 'failed', 'cancelled');
  if found then
    perform private.announce(v_generation);
  end if;
end
$$;

-- The same for the row as it is about to be written.
create function private.announce(p_generation public.image_generations) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_delivery private.webhook_deliveries;
begin
  insert into private.webhook_deliveries (generation_id, ended_at, event_type, url, body)
  values (
    p_generation.id, coalesce(p_generation.completed_at, now()), 'generation.' || p_generation.status,
    p_generation.webhook_url,
    jsonb_build_object(
      'type', 'generation.' || p_generation.status,
      'timestamp', coalesce(p_generation.completed_at, now()),
      'data', private.generation_json(p_generation)
    )::text
  )
  on conflict (generation_id, ended_at) do nothing
  returning * into v_delivery;
  if found then
    perform private.enqueue_delivery(v_delivery, p_generation.user_id);
  end if;
end
$$;

-- Puts the sending of a delivery into the queue. Eight attempts: the waits between them are the worker's.
create function private.enqueue_delivery(p_delivery private.webhook_deliveries, p_user_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
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

-- What a leased job sends, and the secrets to sign it with, the current one first.
create function private.webhook_message(p_job_id uuid, p_lease bigint) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_payload jsonb;
  v_delivery private.webhook_deliveries;
  v_user uuid;
  v_trace text;
  v_secrets jsonb;
begin
  select payload into v_payload from private.running_jobs
  where id = p_job_id and lease = p_lease and job_type = 'process-webhook';
  if not found then
    return '{"outcome": "stale"}';
  end if;
  if v_payload ? 'notice_id' then
    return private.notice_message(private.as_uuid(v_payload ->> 'notice_id'), p_job_id);
  end if;
  select * into v_delivery from private.webhook_deliveries
  where id = private.as_uuid(v_payload ->> 'delivery_id') and job_id = p_job_id;
  if not found then
    return '{"outcome": "unknown"}';
  end if;
  select g.user_id, (select j.payload ->> 'traceparent' from public.job_queue as j where j.id = g.job_id)
  into v_user, v_trace
  from public.image_generations as g where g.id = v_delivery.generation_id;
  perform private.ensure_webhook_secret(v_user);
  select jsonb_agg(secret order by expires_at desc nulls first) into v_secrets
  from private.webhook_secrets
  where user_id = v_user and (expires_at is null or expires_at > now());
  return jsonb_build_object(
    'outcome', 'message', 'webhook_id', 'msg_' || v_delivery.id, 'url', v_delivery.url,
    'body', v_delivery.body, 'secrets', v_secrets, 'traceparent', v_trace
  );
end
$$;

-- Makes sure that the user has a current secret: 33 bytes, of which 244 bits are random. In base64 they end without the
-- padding that a double click leaves out.
create function private.ensure_webhook_secret(p_user_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  insert into private.webhook_secrets (user_id, secret)
  select p_user_id,
    'whsec_' || encode(
      sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) || substr(uuid_send(gen_random_uuid()), 1, 1),
      'base64'
    )
  where not exists (select from private.webhook_secrets where user_id = p_user_id and expires_at is null)
  on conflict (user_id) where expires_at is null do nothing;
end
$$;

-- Ends a job's run and logs the attempt in one step. p_status: delivered, failed (tried again after
-- p_retry_in_seconds, unless that is null or the attempts are used up) or gone.
create function private.record_delivery(
  p_job_id uuid, p_lease bigint, p_status text, p_attempt jsonb, p_retry_in_seconds numeric
) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_answer jsonb;
  v_attempt int;
  v_notice uuid;
  v_status text;
begin
  select attempts + 1, private.as_uuid(payload ->> 'notice_id') into v_attempt, v_notice from private.running_jobs
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
  v_status := case v_answer ->> 'outcome' when 'retrying' then 'pending' else p_status end;
  if v_notice is not null then
    perform private.record_notice(
      v_notice, p_job_id, v_status, jsonb_build_object('attempt', v_attempt, 'at', now()) || p_attempt
    );
    return v_answer;
  end if;
  update private.webhook_deliveries set
    status = v_status,
    attempts = case when jsonb_array_length(attempts) >= 20 then attempts - 0 else attempts end
      || jsonb_build_array(jsonb_build_object('attempt', v_attempt, 'at', now()) || p_attempt)
  where job_id = p_job_id;
  return v_answer;
end
$$;

-- For their owners: the secret, the log, sending again ----------------------------------------------------------------

create function private.signed_in() returns uuid
language plpgsql stable set search_path = '' as $$
begin
  if auth.uid() is null then
    perform private.refuse(403, 'forbidden', 'Sign in first.');
  end if;
  return auth.uid();
end
$$;

create function private.webhook_secret() returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := private.signed_in();
begin
  perform private.ensure_webhook_secret(v_user);
  return (
    select jsonb_build_object(
      'secret', max(secret) filter (where expires_at is null),
      'created_at', max(created_at) filter (where expires_at is null),
      'old_secrets_expire_at', max(expires_at) filter (where expires_at > now())
    )
    from private.webhook_secrets where user_id = v_user
  );
end
$$;

-- A new secret; the one before signs as well for another 24 hours.
create function private.rotate_webhook_secret() returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := private.signed_in();
  v_old int;
  v_first_expiry timestamptz;
begin
  -- Parallel rotations wait here for each other: the row that each of them ends is not yet there to lock.
  perform pg_advisory_xact_lock(hashtextextended('webhook secret of ' || v_user, 0));
  perform private.ensure_webhook_secret(v_user);
  select count(*), min(expires_at) into v_old, v_first_expiry
  from private.webhook_secrets where user_id = v_user and expires_at > now();
  -- A receiver tries every signature it is sent: four are enough.
  if v_old >= 3 then
    perform private.refuse(429, 'quota_exceeded', 'The secret has been rotated three times within 24 hours.',
      greatest(1, ceil(extract(epoch from v_first_expiry - now())))::int);
  end if;
  update private.webhook_secrets set expires_at = now() + interval '24 hours'
  where user_id = v_user and expires_at is null;
  return private.webhook_secret();
end
$$;

-- The log of a generation's webhooks, for its owner.
create function private.webhook_deliveries(p_generation_id uuid) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if not exists (select from public.image_generations where id = p_generation_id and user_id = auth.uid()) then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'webhook_id', 'msg_' || d.id, 'type', d.event_type, 'url', d.url, 'created_at', d.ended_at,
      -- A job may be brought back by an operator, and one that lost all its runs ended without a word.
      'status', case
        when j.status in ('pending', 'processing') then 'pending'
        when d.status = 'pending' then 'failed'
        else d.status
      end,
      'next_attempt_at', case j.status when 'pending' then j.scheduled_at end,
      'attempts', d.attempts
    ) order by d.ended_at), '[]')
    from private.webhook_deliveries as d left join public.job_queue as j on j.id = d.job_id
    where d.generation_id = p_generation_id
  );
end
$$;

-- Sends the last webhook of a generation again, under the same id, or at once where it waits for its
-- next attempt. Rows are locked in the order job, delivery.
create function private.resend_webhook(p_generation_id uuid) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_delivery private.webhook_deliveries;
  v_status text;
begin
  select d.* into v_delivery
  from private.webhook_deliveries as d inner join public.image_generations as g on g.id = d.generation_id
  where d.generation_id = p_generation_id and g.user_id = auth.uid()
  order by d.ended_at desc limit 1;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no webhook of that generation.');
  end if;
  v_status := (private.lock_job(v_delivery.job_id)).status;
  select * into v_delivery from private.webhook_deliveries where id = v_delivery.id for update;
  if v_delivery.resent_at > now() - interval '1 minute' then
    perform private.refuse(429, 'quota_exceeded', 'A webhook can be sent again once a minute.', 60);
  end if;
  if v_status = 'processing' then
    perform private.refuse(409, 'conflict', 'The webhook is being sent just now.');
  end if;
  if v_status = 'pending' then
    -- Promoted by the next claim.
    update private.scheduled_jobs set scheduled_at = now() where id = v_delivery.job_id;
  else
    perform private.enqueue_delivery(v_delivery, auth.uid());
  end if;
  update private.webhook_deliveries set resent_at = now() where id = v_delivery.id;
  return jsonb_build_object('webhook_id', 'msg_' || v_delivery.id, 'status', 'pending');
end
$$;

-- Maintenance ---------------------------------------------------------------------------------------------------------

-- Called by prune_jobs.
create function private.prune_webhooks(p_limit int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  delete from private.webhook_deliveries where id = any(array(
    select id from private.webhook_deliveries where ended_at < now() - interval '30 days'
    order by ended_at limit p_limit for update skip locked
  ));
  delete from private.webhook_secrets where secret = any(array(
    select secret from private.webhook_secrets where expires_at is not null and expires_at <= now()
    order by expires_at limit p_limit for update skip locked
  ));
  perform private.prune_alert_notices(p_limit);
end
$$;
