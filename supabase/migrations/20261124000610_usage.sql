-- What a user has used of their plan ----------------------------------------------------------------------------------

-- Null where there is no limit.
create function private.what_is_left(p_limit numeric, p_used numeric) returns numeric
language sql immutable
return case when p_limit is not null then greatest(p_limit - p_used, 0) end;

-- The caller's plan, what is used and left of each of its limits and until when, what they have spent, and their jobs
-- that make images, each kind counted up to 1,000. From what is counted anyway: it costs the same however many
-- generations they have.
create function private.user_usage() returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_user uuid := auth.uid();
  v_plan private.plans := private.plan_of(v_user);
  v_usage private.usage;
  v_now timestamptz := clock_timestamp();
  v_day date := (v_now at time zone 'UTC')::date;
  v_tomorrow timestamptz := (v_day + 1)::timestamp at time zone 'UTC';
  v_requests int := 0;
  v_images int := 0;
  v_day_cost numeric := 0;
  v_month_cost numeric := 0;
  v_starts_anew timestamptz;
  v_ready int;
begin
  select * into v_usage from private.usage where user_id = v_user;
  if v_usage.minute_started_at > v_now - interval '1 minute' then
    v_requests := v_usage.minute_requests;
    v_starts_anew := v_usage.minute_started_at + interval '1 minute';
  end if;
  if v_usage.day = v_day then
    v_images := v_usage.day_images;
    v_day_cost := v_usage.day_cost;
  end if;
  if v_usage.day >= date_trunc('month', v_day::timestamp) then
    v_month_cost := v_usage.month_cost;
  end if;
  select count(*) into v_ready from (
    select from private.ready_jobs where fair_key = v_user and job_type = 'generate-image' and slot limit 1000
  ) as ready;
  return jsonb_build_object(
    'plan', jsonb_build_object(
      'name', v_plan.name,
      'requests_per_minute', v_plan.requests_per_minute,
      'images_per_day', v_plan.images_per_day,
      'money_per_day', v_plan.money_per_day,
      'running_jobs', v_plan.running_jobs,
      'priorities', to_jsonb(v_plan.priorities)
    ),
    'requests', jsonb_build_object(
      'used', v_requests, 'left', private.what_is_left(v_plan.requests_per_minute, v_requests),
      'resets_at', v_starts_anew
    ),
    'images', jsonb_build_object(
      'used', v_images, 'left', private.what_is_left(v_plan.images_per_day, v_images), 'resets_at', v_tomorrow
    ),
    'money', jsonb_build_object(
      'used', v_day_cost, 'left', private.what_is_left(v_plan.money_per_day, v_day_cost), 'resets_at', v_tomorrow
    ),
    'spent_usd', jsonb_build_object('today', v_day_cost, 'this_month', v_month_cost),
    'jobs', jsonb_build_object(
      'running', greatest(coalesce((
        select s.taken from private.user_slots as s
        where s.fair_key = v_user and s.job_type = 'generate-image' order by s.version desc limit 1
      ), 0) - v_ready, 0),
      'ready', v_ready,
      'blocked', (
        select count(*) from (
          select from private.blocked_jobs where fair_key = v_user and job_type = 'generate-image' limit 1000
        ) as blocked
      ),
      'scheduled', (
        select count(*) from (
          select from private.scheduled_jobs where fair_key = v_user and job_type = 'generate-image' limit 1000
        ) as scheduled
      )
    )
  );
end
$$;
