-- Models that the provider refuses: not there any more, not for us, or their version gone. That concerns the model
-- alone. Its waiting jobs end when their turn comes, without asking the provider (private.lease_ready marks
-- them), and it is refused at the door (private.admit_model), until one start may try again.

create table private.refused_models (
  -- The model's name at the provider.
  model text primary key,
  since timestamptz not null,
  -- Until then nobody asks the provider for it.
  until timestamptz not null,
  -- One start is let in to try; the next one not before this.
  probe_until timestamptz not null default '-infinity',
  -- The provider's status: 403, 404 or 422.
  status int not null,
  -- How often a try has failed: each doubles the wait.
  refusals int not null default 1
);

-- Those that operators are told of: refused now, or with a try that nobody has made.
create function private.refused_model_names() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(r.model order by r.model), '[]')
  from (
    select model from private.refused_models where until > now() - interval '1 hour' order by since desc limit 100
  ) as r
$$;

-- Refuses a start of a model that the provider refuses. When its time is over one start in a minute may try.
create function private.admit_model(p_model text) returns void
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

-- Whether a model that is refused with 403 is one too many for it to be the model: within ten minutes the third
-- one, and nothing was created since the first.
create function private.is_account_refused(p_model text) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_others int;
  v_since timestamptz;
begin
  select count(*), min(since) into v_others, v_since from private.refused_models
  where status = 403 and model <> p_model and since > now() - interval '10 minutes';
  return v_others >= 2 and not exists (select from private.predictions where recorded_at > v_since);
end
$$;

-- The provider refused a create because of the job's model: its generation fails, without an attempt, and the
-- model is refused for a minute, twice as long each time a try fails, half an hour at most. Where so many are
-- refused that it is the account, that is paused in its place. started: operators should hear of it now.
create function private.refuse_model(
  p_job_id uuid, p_lease bigint, p_status int, p_error_message text, p_error_code text
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
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

create function public.refuse_model(
  p_job_id uuid, p_lease bigint, p_status int, p_error_message text, p_error_code text = 'model_unavailable'
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.refuse_model(p_job_id, p_lease, p_status, p_error_message, p_error_code));
end
$$;

revoke all on function
  private.refused_model_names, private.admit_model, private.accept_model, private.is_account_refused,
  private.refuse_model, public.refuse_model
from public, anon, authenticated, service_role;

alter table private.refused_models enable row level security;
revoke all on private.refused_models from public, anon, authenticated, service_role;

grant execute on function public.refuse_model, private.refuse_model to service_role;
