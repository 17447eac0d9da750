-- While the provider refuses to create predictions, to everybody, none is asked for: claims hand out no
-- ready images (private.line_heads), and lost runs only look for what they may have created
-- (private.rescue_jobs). Predictions that exist are looked at, stored and cancelled as ever.

create table private.provider_pause (
  only_row boolean primary key default true check (only_row),
  -- It ends by itself.
  until timestamptz not null default '-infinity',
  since timestamptz,
  -- throttled: 429. account: 401, 402 or 403, which a person must settle.
  reason text check (reason in ('throttled', 'account')),
  -- The provider's HTTP status.
  code int
)
with (fillfactor = 50);
insert into private.provider_pause default values;

-- The pause as it stands; null where there is none. One that is taken up again within two minutes of its end
-- goes on: the account's is so long shown as well, so that an alert does not come and go with each new try.
create function private.current_pause() returns private.provider_pause
language plpgsql stable set search_path = '' as $$
declare
  v_pause private.provider_pause;
begin
  select * into v_pause from private.provider_pause
  where until > now() - case reason when 'account' then interval '2 minutes' else interval '0' end;
  return v_pause;
end
$$;

-- The provider refused a create: pauses creation for everybody, an hour at most, and puts the job off until
-- the end of the pause; no attempt is used. Pauses do not add up: the one that ends last counts. That the
-- provider refuses is a fact, so it is noted under a lost lease too. started: this call began the pause, or
-- found that it is the account.
create function private.pause_provider(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_reason text, p_code int
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_until timestamptz := v_now + make_interval(secs => least(greatest(p_seconds, 1), 3600)::double precision);
  v_pause private.provider_pause;
  v_goes_on boolean;
  v_started boolean;
begin
  select * into v_pause from private.provider_pause for update;
  v_goes_on := v_pause.until > v_now - interval '2 minutes';
  -- During the account's pause a 429 of a create already under way says nothing new; after it, that the
  -- account is accepted again.
  v_started := not v_goes_on
    or (p_reason <> v_pause.reason and (p_reason = 'account' or v_pause.until <= v_now));
  v_until := greatest(v_until, v_pause.until);
  update private.provider_pause set
    until = v_until,
    since = case when v_started then v_now else since end,
    reason = case when v_started then p_reason else reason end,
    code = case when v_started or p_reason = reason then p_code else code end
  where only_row;
  return private.snooze_job(p_job_id, p_lease, extract(epoch from v_until - now()), false)
    || jsonb_build_object('started', v_started, 'paused_until', v_until);
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
  private.current_pause, public.pause_provider, private.pause_provider
from public, anon, authenticated, service_role;

alter table private.provider_pause enable row level security;
revoke all on private.provider_pause from public, anon, authenticated, service_role;

grant execute on function public.pause_provider, private.pause_provider to service_role;
