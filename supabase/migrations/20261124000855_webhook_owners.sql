-- Outgoing webhooks, from their owners' side: the secret, the log, sending again. And pruning.

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
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
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
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
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
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
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
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
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

-- Called by prune_jobs.
create function private.prune_webhooks(p_limit int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  delete from private.webhook_deliveries where id = any(array(
    select id from private.webhook_deliveries where ended_at < now() - interval '30 days'
    order by ended_at limit p_limit for update skip locked
  ));
  delete from private.webhook_secrets where secret = any(array(
    select secret from private.webhook_secrets where expires_at is not null and expires_at <= now()
    order by expires_at limit p_limit for update skip locked
  ));
end
$$;
