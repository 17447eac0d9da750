-- What somebody who begins to listen is told first, and who listens.

-- A user's open generations, the oldest 200, and where p_since is given those that have ended since then, the
-- last 100: the beginning and the end of two ranges of one index.
create function private.live_generations(p_user_id uuid, p_since timestamptz) returns uuid[]
language plpgsql stable set search_path = '' set enable_seqscan = off set enable_sort = off as $$
begin
  return array(
    select id from public.image_generations
    where user_id = p_user_id and completed_at is null and status in ('pending', 'queued', 'processing', 'downloading')
    order by completed_at, created_at limit 200
  ) || array(
    select id from public.image_generations
    where user_id = p_user_id and completed_at > p_since
    order by completed_at desc limit 100
  );
end
$$;

-- The states of a user's open generations and, with p_since, a number that the listener has seen, of those that
-- have ended since; with p_generation_id of that one alone, or of none if it is not this user's. open: how many
-- of them are of open generations. From here on, for p_listen_seconds, changes are handed out.
create function private.live_snapshot(
  p_user_id uuid, p_generation_id uuid, p_since bigint, p_listen_seconds int
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_states jsonb;
  v_open int;
begin
  if p_generation_id is null then
    v_states := private.live_states(private.live_generations(
      p_user_id,
      -- A minute before: changes become visible in another order than they are numbered in.
      case when p_since is not null
        then to_timestamp((least(greatest(p_since, 60000), 32503680000000) - 60000) / 1000.0) end
    ));
  else
    v_states := private.live_states(array(
      select id from public.image_generations where id = p_generation_id and user_id = p_user_id
    ));
  end if;
  select count(*) into v_open from jsonb_array_elements(v_states) as s (state)
  where state ->> 'status' in ('queued', 'processing', 'downloading');
  -- Of one that is not there or has ended nothing more is told.
  if p_listen_seconds > 0 and (p_generation_id is null or v_open > 0) then
    insert into private.live_listeners as l (user_id, until)
    select id, now() + make_interval(secs => least(p_listen_seconds, 86400)) from auth.users where id = p_user_id
    on conflict (user_id) do update set until = excluded.until where l.until < excluded.until;
  end if;
  return jsonb_build_object('states', v_states, 'open', v_open);
end
$$;

create function public.live_snapshot(
  p_user_id uuid, p_generation_id uuid = null, p_since bigint = null, p_listen_seconds int = 0
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.live_snapshot(p_user_id, p_generation_id, p_since, p_listen_seconds);
end
$$;

-- Called by prune_jobs.
create function private.prune_listeners(p_limit int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  delete from private.live_listeners where user_id = any(array(
    select user_id from private.live_listeners where until <= now()
    order by until limit p_limit for update skip locked
  ));
end
$$;

revoke all on function
  private.live_generations, public.live_snapshot, private.live_snapshot, private.prune_listeners
from public, anon, authenticated, service_role;

grant execute on function public.live_snapshot, private.live_snapshot to service_role;
