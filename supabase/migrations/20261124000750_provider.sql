-- What the provider refuses: to create anything for a while, or to run one model.

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
