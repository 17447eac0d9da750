-- The provider's predictions, one row each, and what they cost. Written inside the steps that learn of
-- them: no step takes a further round trip. Not for users: what a picture cost its user stands in
-- image_generations.cost_usd.

create table private.predictions (
  -- The provider's.
  id text primary key,
  -- No foreign keys: jobs are pruned and generations deleted, what was paid stays.
  job_id uuid not null,
  generation_id uuid,
  -- Which of the job's attempts it was, from 1, and the lease then.
  attempt int not null,
  lease bigint not null,
  -- The model's name at the provider.
  model text,
  -- How we came to know of it: by the answer to our create, from the provider's list, from a webhook.
  learned text not null check (learned in ('created', 'adopted', 'webhook')),
  recorded_at timestamptz not null default now(),
  -- When we learned that it had ended. Null: it runs, as far as we know.
  ended_at timestamptz,
  -- The provider's word for how it ended: succeeded, failed, canceled, aborted. 'unknown': we gave it up.
  status text,
  -- Seconds that the model ran, by the provider's own measure.
  predict_time numeric,
  -- US dollars; null where it is not known.
  cost_usd numeric,
  -- We stop it: no job wants it.
  is_unwanted boolean not null default false
);
create index predictions_generation on private.predictions (generation_id);
create index predictions_age on private.predictions (recorded_at);

-- Notes how a known prediction ended. The first end counts; a guess of ours gives way to the provider's word.
create function private.note_end(p_prediction_id text, p_status text, p_predict_time numeric) returns boolean
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.predictions as p set
    ended_at = now(), status = p_status, predict_time = p_predict_time,
    cost_usd = (
      select private.prediction_cost(p.model, p_status, p_predict_time, g.width, g.height)
      from (select p.generation_id as id) as its left join public.image_generations as g on g.id = its.id
    )
  where p.id = p_prediction_id and (p.ended_at is null or p.status = 'unknown');
  return found;
end
$$;

-- Notes a prediction of a job and, with an outcome that is not 'running', how it ended. True: it was not known.
create function private.note_prediction(
  p_job public.job_queue, p_prediction_id text, p_learned text, p_outcome jsonb
) returns boolean
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_status text := nullif(coalesce(p_outcome ->> 'provider_status', p_outcome ->> 'status'), 'running');
  v_predict_time numeric := (p_outcome ->> 'predict_time')::numeric;
  v_model text := p_job.payload ->> 'model_id';
begin
  if v_status is not null and private.note_end(p_prediction_id, v_status, v_predict_time) then
    return false;
  end if;
  insert into private.predictions (
    id, job_id, generation_id, attempt, lease, model, learned, ended_at, status, predict_time, cost_usd
  )
  values (
    p_prediction_id, p_job.id, p_job.generation_id, coalesce(p_job.attempts, 0) + 1, coalesce(p_job.lease, 0),
    v_model, p_learned, case when v_status is not null then now() end, v_status, v_predict_time,
    case when v_status is not null then (
      select private.prediction_cost(v_model, v_status, v_predict_time, g.width, g.height)
      from (select p_job.generation_id as id) as its left join public.image_generations as g on g.id = its.id
    ) end
  )
  on conflict (id) do nothing;
  return found;
end
$$;

-- Its user cancelled it while it ran, and now it is known what that has cost: this counts in the user's money
-- in the place of what was reserved, so that cancelling again and again is not free. The user is not charged:
-- image_generations.cost_usd stays null. Once.
create function private.settle_cancelled(p_generation_id uuid, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_cancelled record;
begin
  select user_id, reserved_on, reserved_usd into v_cancelled from public.image_generations
  where id = p_generation_id and cost_open for update;
  if found then
    update public.image_generations set cost_open = false, reserved_usd = coalesce(p_cost, 0)
    where id = p_generation_id;
    perform private.settle_cost(
      v_cancelled.user_id, v_cancelled.reserved_on, v_cancelled.reserved_usd, coalesce(p_cost, 0)
    );
  end if;
end
$$;

-- Whatever step learns that a prediction has ended. One that was given up before is an earlier attempt's.
create function private.after_prediction_end() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.ended_at is not null and (tg_op = 'INSERT' or old.ended_at is null) then
    perform private.settle_cancelled(new.generation_id, new.cost_usd);
  end if;
  return null;
end
$$;
create trigger predictions_after_end after insert or update on private.predictions
for each row execute function private.after_prediction_end();

-- Until when a prediction is to be stopped: by then it has stopped by itself, at its deadline.
create function private.stop_until() returns timestamptz
language sql stable
return now() + interval '30 minutes';

-- A job that stops a prediction nobody wants, leased to the caller already. It is tried until the prediction,
-- which runs and costs, has reached its deadline.
create function private.stop_prediction(p_job public.job_queue, p_prediction_id text) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.predictions set is_unwanted = true where id = p_prediction_id;
  return to_jsonb(private.as_job(private.insert_running(
    gen_random_uuid(), 'cancel-prediction', p_job.fair_key, p_job.generation_id,
    jsonb_strip_nulls(jsonb_build_object(
      'prediction_id', p_prediction_id, 'generation_id', p_job.generation_id, 'user_id', p_job.fair_key
    )),
    60, private.stop_until()
  )));
end
$$;

-- Leaves a job that stops what a run at the provider has created, or may be creating: the prediction that is
-- known; or whatever a search finds, at once where a create is in doubt, and else when the run's lease is over,
-- for its worker is told first. It is no part of the generation, which may be about to be deleted.
create function private.stop_run(p_job public.job_queue, p_id uuid) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  perform private.insert_jobs(jsonb_build_array(jsonb_build_object(
    'id', p_id, 'job_type', 'cancel-prediction', 'priority', 100, 'retry_until', private.stop_until(),
    'scheduled_at', case
      when p_job.prediction_id is null and not p_job.outcome_unknown then p_job.lease_expires_at
    end,
    'payload', jsonb_strip_nulls(jsonb_build_object(
      'generation_id', p_job.generation_id, 'user_id', p_job.fair_key, 'model_id', p_job.payload -> 'model_id'
    )) || case
      when p_job.prediction_id is not null then jsonb_build_object('prediction_id', p_job.prediction_id)
      else jsonb_build_object(
        'job_id', p_job.id, 'since', p_job.started_at, 'search_until', p_job.lease_expires_at
      )
    end
  )));
end
$$;

-- The job that stop_run has left finds nothing any more: the worker itself has told what its run created.
create function private.complete_search(p_generation_id uuid) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_id uuid := (select cancel_job_id from public.image_generations where id = p_generation_id);
  v_job public.job_queue;
  v_new public.job_queue;
begin
  perform 1 from private.scheduled_jobs where id = v_id for update skip locked;
  if not found then
    perform 1 from private.ready_jobs where id = v_id for update skip locked;
    if not found then
      return;
    end if;
  end if;
  select * into v_job from public.job_queue where id = v_id;
  -- One that stops a prediction that was known is not done.
  if not v_job.payload ? 'job_id' then
    return;
  end if;
  v_new := v_job;
  v_new.status := 'completed';
  v_new.completed_at := now();
  v_new.slot := false;
  v_new.virtual_time := null;
  perform private.save_job(v_job, v_new);
end
$$;

-- With a user, or by hand, go generations, and their jobs with them. What runs at the provider is stopped
-- (private.write_job).
create function private.after_generation_delete() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  delete from public.job_queue where id in (old.job_id, old.download_job_id);
  delete from public.job_queue
  where fair_key = old.user_id and generation_id = old.id and status in ('completed', 'failed', 'cancelled')
    and created_at between old.created_at - interval '1 minute' and coalesce(old.completed_at, now()) + interval '1 minute';
  return null;
end
$$;
create trigger image_generations_delete_jobs after delete on public.image_generations
for each row execute function private.after_generation_delete();

-- Steps lock a job before its generation, and with a user the rows go the other way round: all the jobs first, in
-- whatever state, so that neither waits for the other. Twice: whoever held one of them may have left another. What has
-- finished for a generation goes at once, not for each of them.
create function private.before_profile_delete() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  for v_try in 1..2 loop
    perform private.lock_job(mine.id)
    from (
      select unnest(array[job_id, download_job_id, cancel_job_id]) as id from public.image_generations
      where user_id = old.id
      union
      select id from private.blocked_jobs where fair_key = old.id
      union
      select id from private.ready_jobs where slot and fair_key = old.id
      union
      select id from private.running_jobs where fair_key = old.id
      union
      select id from private.finished_jobs where fair_key = old.id
      order by 1
    ) as mine
    where mine.id is not null;
  end loop;
  delete from public.job_queue
  where fair_key = old.id and status in ('completed', 'failed', 'cancelled') and generation_id is not null;
  return old;
end
$$;
create trigger profiles_before_delete before delete on public.profiles
for each row execute function private.before_profile_delete();

-- What it has used goes with the account, and not with a profile, which may come back. Triggers fire in the order of
-- their names: after the foreign keys', so that all its jobs are locked.
create function private.after_user_delete() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  delete from private.usage where user_id = old.id;
  return null;
end
$$;
create trigger picture_queue_after_delete after delete on auth.users
for each row execute function private.after_user_delete();

-- What a job of type cancel-prediction found: [{id, status, predict_time}] of the job that its payload
-- names, or the one prediction that it stopped.
create function private.note_stopped(p_payload jsonb, p_predictions jsonb) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
  v_one jsonb;
begin
  if p_payload ? 'job_id' then
    select * into v_job from public.job_queue where id = private.as_uuid(p_payload ->> 'job_id');
    if not found then
      -- Its user was deleted, and what this costs stays known.
      v_job.id := private.as_uuid(p_payload ->> 'job_id');
      v_job.payload := p_payload;
      v_job.generation_id := private.as_uuid(p_payload ->> 'generation_id');
    end if;
  end if;
  for v_one in select jsonb_array_elements(p_predictions) loop
    if v_job.id is not null then
      perform private.note_prediction(v_job, v_one ->> 'id', 'adopted', v_one - 'id');
    elsif v_one ->> 'status' <> 'running' then
      perform private.note_end(v_one ->> 'id', v_one ->> 'status', (v_one ->> 'predict_time')::numeric);
    end if;
  end loop;
  -- Nothing runs that could still cost something.
  if not p_predictions @> '[{"status": "running"}]' then
    perform private.settle_cancelled(private.as_uuid(p_payload ->> 'generation_id'), 0);
  end if;
end
$$;

-- Called by prune_jobs.
create function private.prune_predictions(p_limit int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  delete from private.predictions where id = any(array(
    select id from private.predictions where recorded_at < now() - interval '90 days'
    order by recorded_at limit p_limit for update skip locked
  ));
end
$$;

revoke all on function
  private.note_end, private.note_prediction, private.stop_until, private.stop_prediction, private.stop_run,
  private.after_generation_delete, private.complete_search, private.before_profile_delete, private.after_user_delete,
  private.note_stopped, private.prune_predictions, private.settle_cancelled, private.after_prediction_end
from public, anon, authenticated, service_role;

alter table private.predictions enable row level security;
revoke all on private.predictions from public, anon, authenticated, service_role;
