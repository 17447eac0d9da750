-- Deletion of generations and accounts --------------------------------------------------------------------------------

-- With a user, or by hand, go generations, and their jobs with them. What runs at the provider is stopped
-- (private.write_job).
create function private.after_generation_delete() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.keep_end(old);
  perform private.keep_owner(old);
  perform private.settle_deleted(old);
  delete from public.job_queue where id in (old.job_id, old.download_job_id);
  delete from public.job_queue
  where fair_key = old.user_id and generation_id = old.id and status in ('completed', 'failed', 'cancelled')
    and created_at between old.created_at - interval '1 minute' and coalesce(old.completed_at, now()) + interval '1 minute';
  return null;
end
$$;

-- An open one that is deleted, and not with its account: it counts as cancelled in its batch. One that has not begun
-- costs nothing. One that runs is stopped, and stays counted at its price: nobody is left to be told what it has cost.
create function private.settle_deleted(p_generation public.image_generations) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  -- Its row had a share of the budget; what its prediction may cost counts there until that has ended.
  if private.is_waiting(p_generation.status) or p_generation.cost_open then
    update private.predictions set cost_usd = p_generation.reserved_usd
    where id = p_generation.replicate_prediction_id and ended_at is null and p_generation.reserved_usd > 0;
  end if;
  if p_generation.status not in ('pending', 'queued', 'processing', 'downloading')
    or not exists (select from public.profiles where id = p_generation.user_id)
  then
    return;
  end if;
  if p_generation.job_id is null then
    delete from private.unstarted_generations where generation_id = p_generation.id;
  end if;
  if exists (select from public.job_queue where id = p_generation.job_id and status = 'pending') then
    perform private.settle_cost(
      p_generation.user_id, p_generation.reserved_on, p_generation.reserved_usd, 0
    );
  end if;
  if p_generation.batch_id is not null then
    perform private.count_in_batch(p_generation.batch_id, 'cancelled', 1);
  end if;
end
$$;

create trigger image_generations_delete_jobs after delete on public.image_generations
for each row execute function private.after_generation_delete();

-- Steps lock a job before its generation, and with a user the rows go the other way round: all the jobs first, in
-- whatever state, so that neither waits for the other. Twice: whoever had locked one of them may have left another.
-- What has finished for a generation goes at once, not for each of them.
create function private.before_profile_delete() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
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
-- their names: after the foreign keys', so that all its jobs are locked. Its rows in the roll-ups go with the next
-- roll-up, which alone writes there: a deletion waits for none, and none brings them back.
create function private.after_user_delete() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  delete from private.usage where user_id = old.id;
  delete from private.idempotency_keys where user_id = old.id;
  update private.prediction_owners set user_id = null where user_id = old.id;
  insert into private.gone_users (user_id) values (old.id) on conflict (user_id) do nothing;
  return null;
end
$$;

create trigger picture_queue_after_delete after delete on auth.users
for each row execute function private.after_user_delete();

-- What an operator does in Auth, for the user who asks for it by the account's own address: so that no program that
-- means one image deletes them all.
create function private.delete_own_account(p_email text) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_email text;
begin
  select lower(coalesce(u.email, '')) into v_email from auth.users as u where u.id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such account.');
  end if;
  if lower(btrim(coalesce(p_email, ''))) <> v_email then
    perform private.refuse_field('p_email', 'p_email must be the email address of the account that is to be deleted.');
  end if;
  delete from auth.users where id = auth.uid();
  return jsonb_build_object('deleted', true);
exception when foreign_key_violation then
  perform private.refuse(
    409, 'conflict', 'Other data of this installation refers to the account. Ask who runs it to delete it.'
  );
end
$$;
