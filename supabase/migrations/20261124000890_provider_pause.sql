-- While the provider refuses to create predictions, to everybody, none is asked for: claims hand out no
-- ready images (private.pick_ready), and lost runs only look for what they may have created
-- (private.rescue_jobs). When the time is over one job at a time is let out to try, until a prediction has been
-- created. Predictions that exist are looked at, stored and cancelled as ever.

create table private.provider_pause (
  only_row boolean primary key default true check (only_row),
  -- It ends by itself.
  until timestamptz not null default '-infinity',
  since timestamptz,
  -- throttled: 429. account: 401, 402 or 403, which a person must settle. outage: no answer, or an error of the
  -- provider's own.
  reason text check (reason in ('throttled', 'account', 'outage')),
  -- The provider's HTTP status; 503 for every outage.
  code int,
  -- Nothing has been created since it began.
  probing boolean not null default false,
  -- Nobody else is let out to try before that.
  probe_until timestamptz not null default '-infinity',
  -- How often it was taken up again in one outage: each time it lasts longer.
  failures int not null default 0
)
with (fillfactor = 50);
insert into private.provider_pause default values;

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
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
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

create function public.pause_provider(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_reason text, p_code int = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.pause_provider(p_job_id, p_lease, p_seconds, p_reason, p_code);
end
$$;

revoke all on function
  private.current_pause, public.pause_provider, private.pause_provider, private.take_probe, private.return_probe,
  private.resume_provider
from public, anon, authenticated, service_role;

alter table private.provider_pause enable row level security;
revoke all on private.provider_pause from public, anon, authenticated, service_role;

grant execute on function public.pause_provider, private.pause_provider to service_role;
