-- What the dashboard shows of use: users, models, plans, and the daily roll-ups. From what is kept for each user, model
-- and day: no call counts generations.

create function private.ended_json(
  p_completed bigint, p_failed bigint, p_cancelled bigint, p_cost_usd numeric
) returns jsonb
language sql stable
return jsonb_build_object(
  'completed', coalesce(p_completed, 0), 'failed', coalesce(p_failed, 0), 'cancelled', coalesce(p_cancelled, 0),
  'cost_usd', coalesce(p_cost_usd, 0)
);

create function private.user_total_json(p_user_id uuid, p_period text, p_since date) returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v private.user_totals;
begin
  select * into v from private.user_totals where user_id = p_user_id and period = p_period and since = p_since;
  return private.ended_json(v.completed, v.failed, v.cancelled, v.cost_usd);
end
$$;

create function private.admin_user_json(p_user_id uuid) returns jsonb
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_today date := private.today();
  v_month date := date_trunc('month', v_today);
  v_user record;
  v_usage private.usage;
  v_plan private.plans := private.plan_of(p_user_id);
begin
  select u.email, u.created_at, u.banned_until, u.raw_app_meta_data into v_user from auth.users as u
  where u.id = p_user_id;
  select * into v_usage from private.usage where user_id = p_user_id;
  return jsonb_build_object(
    'id', p_user_id, 'email', v_user.email, 'created_at', v_user.created_at,
    'is_banned', coalesce(v_user.banned_until > now(), false),
    'is_admin', coalesce(v_user.raw_app_meta_data ->> 'role' = 'admin', false),
    'plan', v_plan.name, 'images_per_day', v_plan.images_per_day, 'money_per_day', v_plan.money_per_day,
    'running_jobs', v_plan.running_jobs,
    'images_today', case when v_usage.day = v_today then v_usage.day_images else 0 end,
    'cost_today_usd', case when v_usage.day = v_today then v_usage.day_cost else 0 end,
    'cost_this_month_usd', case when v_usage.day >= v_month then v_usage.month_cost else 0 end,
    'slots_taken', (
      -- Of each type the latest version of its row.
      select coalesce(sum(s.taken), 0) from (
        select distinct on (l.job_type) l.taken from private.user_slots as l where l.fair_key = p_user_id
        order by l.job_type, l.version desc
      ) as s
    ),
    'blocked_since', (
      select j.created_at from private.blocked_jobs as j where j.fair_key = p_user_id
      order by j.fair_key, j.job_type, j.priority desc, j.seq limit 1
    ),
    'today', private.user_total_json(p_user_id, 'day', v_today),
    'this_month', private.user_total_json(p_user_id, 'month', v_month)
  );
end
$$;

-- Users of whom something is under way, by how much of that there is among the first 200 jobs that run and the next 200
-- images that are ready: who takes the queue now is among them.
create function private.busiest_users(p_limit int) returns uuid[]
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return array(
    select b.fair_key from (
      (select j.fair_key from private.running_jobs as j order by j.lease_expires_at limit 200)
      union all
      (
        select j.fair_key from private.ready_jobs as j where j.job_type = 'generate-image'
        order by j.priority desc, j.virtual_time, j.seq limit 200
      )
    ) as b
    where b.fair_key is not null
    group by b.fair_key order by count(*) desc, b.fair_key limit p_limit
  );
end
$$;

-- Users of whom generations have ended in the period, the most first; those who take slots now; or the one that is
-- searched for.
create function private.admin_users(p_search text, p_sort text, p_limit int, p_cursor text) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := private.page_limit(p_limit);
  v_sort text := coalesce(p_sort, 'cost_month');
  v_cursor text[] := private.read_cursor(p_cursor, '^\d{1,20}(\.\d{1,20})?_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');
  v_value numeric := coalesce(v_cursor[1]::numeric, 'Infinity');
  v_id uuid := coalesce(v_cursor[2], 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid;
  v_period text := split_part(v_sort, '_', 2);
  v_since date;
  v_ids uuid[];
  v_values numeric[];
begin
  perform private.check_admin();
  if v_sort <> all('{cost_today,images_today,cost_month,images_month,slots}'::text[]) then
    perform private.refuse_field(
      'p_sort', 'p_sort must be one of: cost_today, images_today, cost_month, images_month, slots.'
    );
  end if;
  if p_search is not null then
    if char_length(btrim(p_search)) not between 1 and 320 then
      perform private.refuse_field('p_search', 'p_search must be a user''s id or whole e-mail address.');
    end if;
    -- auth.users has an index of e-mail addresses, which Supabase Auth writes in small letters.
    v_ids := array(
      select u.id from auth.users as u where u.id = private.as_uuid(btrim(p_search))
      union
      select u.id from auth.users as u where u.email = lower(btrim(p_search)) and not u.is_sso_user
      limit 10
    );
  elsif v_sort = 'slots' then
    v_ids := private.busiest_users(v_limit);
  else
    v_period := case v_period when 'today' then 'day' else v_period end;
    v_since := date_trunc(v_period, private.today()::timestamp);
    if v_sort like 'cost%' then
      select array_agg(t.user_id order by t.cost_usd desc, t.user_id desc), array_agg(t.cost_usd order by t.cost_usd desc, t.user_id desc)
      into v_ids, v_values
      from (
        select u.user_id, u.cost_usd from private.user_totals as u
        where u.period = v_period and u.since = v_since and (u.cost_usd, u.user_id) < (v_value, v_id)
        order by u.cost_usd desc, u.user_id desc limit v_limit + 1
      ) as t;
    else
      select array_agg(t.user_id order by t.generations desc, t.user_id desc), array_agg(t.generations order by t.generations desc, t.user_id desc)
      into v_ids, v_values
      from (
        select u.user_id, u.generations from private.user_totals as u
        where u.period = v_period and u.since = v_since
          and (u.generations, u.user_id) < (least(v_value, 9223372036854775807)::bigint, v_id)
        order by u.generations desc, u.user_id desc limit v_limit + 1
      ) as t;
    end if;
  end if;
  return jsonb_build_object(
    'users', (
      select coalesce(jsonb_agg(its.json order by case v_sort when 'slots' then -(its.json ->> 'slots_taken')::int end, n), '[]')
      from generate_series(1, least(coalesce(cardinality(v_ids), 0), v_limit)) as n
      cross join lateral (select private.admin_user_json(v_ids[n]) as json) as its
    ),
    'next_cursor', case when v_values is not null and cardinality(v_ids) > v_limit
      then v_values[v_limit] || '_' || v_ids[v_limit] end
  );
end
$$;

-- All models with their use, from the daily roll-ups of everybody.
create function private.admin_models() returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_today date := private.today();
  v_paused text[] := (select p.paused_models from private.provider_pause as p);
begin
  perform private.check_admin();
  return jsonb_build_object('models', (
    with used as materialized (
      select
        d.model, p.period,
        coalesce(sum(d.generations) filter (where d.status = 'completed'), 0) as completed,
        coalesce(sum(d.generations) filter (where d.status = 'failed'), 0) as failed,
        coalesce(sum(d.generations) filter (where d.status = 'cancelled'), 0) as cancelled,
        sum(d.seconds) as seconds, sum(d.cost_usd) as cost_usd
      from private.daily_totals as d
      cross join (values ('today', v_today), ('last_30_days', v_today - 29)) as p (period, since)
      where d.day between v_today - 29 and v_today and d.day >= p.since
      group by d.model, p.period
    ), uses as (
      select u.model, jsonb_object_agg(u.period, private.ended_json(
        u.completed::bigint, u.failed::bigint, u.cancelled::bigint, u.cost_usd
      ) || jsonb_build_object(
        'success_rate', round(u.completed / nullif(u.completed + u.failed, 0), 4),
        'mean_seconds', round(u.seconds / nullif(u.completed, 0), 3)
      )) as by_period
      from used as u group by u.model
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'model', m.replicate_id, 'display_name', m.display_name, 'is_active', m.is_active, 'is_default', m.is_default,
      'is_held', m.replicate_id = any(v_paused),
      'refused', (
        select jsonb_build_object('since', r.since, 'until', r.until, 'status', r.status, 'refusals', r.refusals)
        from private.refused_models as r where r.model = m.replicate_id
      ),
      'usd_per_image', private.expected_cost(m.row, m.default_width, m.default_height),
      'mean_seconds', (select round(t.seconds, 3) from private.model_times as t where t.model_id = m.id),
      'today', coalesce(u.by_period -> 'today', v.none), 'last_30_days', coalesce(u.by_period -> 'last_30_days', v.none)
    ) order by m.is_active desc, m.sort_order, m.replicate_id), '[]')
    from (
      select a as row, a.* from public.models as a
      order by a.is_active desc, a.sort_order, a.replicate_id limit 500
    ) as m
    left join uses as u on u.model = m.replicate_id
    cross join (
      select private.ended_json(0, 0, 0, 0) || '{"success_rate": null, "mean_seconds": null}' as none
    ) as v
  ));
end
$$;

create function private.admin_plans() returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  perform private.check_admin();
  return jsonb_build_object(
    'plans', (
      select coalesce(jsonb_agg(to_jsonb(p) || jsonb_build_object('users', (
        select count(*) from (select from private.user_plans as u where u.plan = p.name limit 10000) as given
      )) order by p.name), '[]')
      from (select * from private.plans as a order by a.name limit 500) as p
    ),
    'budget', private.spending()
  );
end
$$;

-- Rows of the daily roll-ups, with what is not told apart added up and null. A table, so that PostgREST writes it as
-- CSV for who asks so. Those of users are read where one user or one day is asked for. A row may have a cost and no
-- generation: a prediction may end on another day, or in another way, than its generation.
create function private.admin_analytics(
  p_from date, p_to date, p_by text[], p_user_id uuid, p_model text, p_country text
) returns table (
  day date, user_id uuid, model text, status text, country text, error_code text, generations bigint, seconds numeric,
  cost_usd numeric
)
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_by text[] := coalesce(p_by, '{day,model,status}');
  v_to date := coalesce(p_to, private.today());
  v_from date := coalesce(p_from, case when 'user' = any(v_by) and p_user_id is null then v_to else v_to - 29 end);
  v_rows bigint;
begin
  perform private.check_admin();
  if not v_by <@ '{day,model,status,country,error_code,user}' then
    perform private.refuse_field('p_by', 'p_by must be some of: day, model, status, country, error_code, user.');
  end if;
  if v_from > v_to or v_to - v_from >= 400 then
    perform private.refuse_field('p_from', 'p_from must be a day up to p_to, and at most 399 days before it.');
  end if;
  if 'user' = any(v_by) and p_user_id is null and v_from <> v_to then
    perform private.refuse_field('p_by', 'user in p_by needs p_user_id, or the same day as p_from and p_to.');
  end if;
  return query
  select
    case when 'day' = any(v_by) then d.day end, case when 'user' = any(v_by) then d.user_id end,
    case when 'model' = any(v_by) then d.model end, case when 'status' = any(v_by) then d.status end,
    case when 'country' = any(v_by) then d.country end, case when 'error_code' = any(v_by) then d.error_code end,
    sum(d.generations)::bigint, sum(d.seconds), sum(d.cost_usd)
  from (
    select t.day, null::uuid as user_id, t.model, t.status, t.country, t.error_code, t.generations, t.seconds, t.cost_usd
    from private.daily_totals as t
    where p_user_id is null and 'user' <> all(v_by) and t.day between v_from and v_to
    union all
    select u.day, u.user_id, u.model, u.status, u.country, u.error_code, u.generations, u.seconds, u.cost_usd
    from private.daily_users as u
    where u.user_id = p_user_id and u.day between v_from and v_to
    union all
    select u.day, u.user_id, u.model, u.status, u.country, u.error_code, u.generations, u.seconds, u.cost_usd
    from private.daily_users as u
    where p_user_id is null and 'user' = any(v_by) and u.day = v_to
  ) as d
  where (p_model is null or d.model = p_model) and (p_country is null or d.country = p_country)
  group by 1, 2, 3, 4, 5, 6
  -- What was taken back, or put right to nothing.
  having sum(d.generations) <> 0 or sum(d.seconds) <> 0 or sum(d.cost_usd) <> 0
  order by 1, 2, 3, 4, 5, 6
  limit 50001;
  get diagnostics v_rows = row_count;
  if v_rows > 50000 then
    perform private.refuse_field('p_from', 'These are more than 50,000 rows: ask for fewer days, or tell less apart.');
  end if;
end
$$;

-- The same for a file, whole and by pages, of users over many days as well: {rows, next_cursor, day}; day: how far it
-- has come. A page has what some 5,000 rows of the roll-ups add up to: rows of several pages that are told apart by
-- nothing are to be added up.
create function private.admin_export(
  p_from date, p_to date, p_by text[], p_user_id uuid, p_model text, p_country text, p_cursor text
) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_by text[] := coalesce(p_by, '{day,model,status}');
  v_to date := coalesce(p_to, private.today());
  v_from date := coalesce(p_from, v_to - 29);
  v_cursor text[] := private.read_cursor(p_cursor, '^\d{1,6}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');
  -- Behind these, up to those.
  v_day date := coalesce('epoch'::date + v_cursor[1]::int, v_from - 1);
  v_user uuid := coalesce(v_cursor[2], 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid;
  v_last record;
  v_all uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  perform private.check_admin();
  if not v_by <@ '{day,model,status,country,error_code,user}' then
    perform private.refuse_field('p_by', 'p_by must be some of: day, model, status, country, error_code, user.');
  end if;
  if v_from > v_to or v_to - v_from >= 400 then
    perform private.refuse_field('p_from', 'p_from must be a day up to p_to, and at most 399 days before it.');
  end if;
  if v_day not between v_from - 1 and v_to then
    perform private.refuse_field('p_cursor', 'p_cursor must be the next_cursor of an earlier page of the same list.');
  end if;
  -- Where the page ends; null: with the last day.
  if p_user_id is not null then
    select u.day, v_all as user_id into v_last from private.daily_users as u
    where u.user_id = p_user_id and u.day > v_day and u.day <= v_to order by u.day offset 4999 limit 1;
  elsif 'user' = any(v_by) then
    select u.day, u.user_id into v_last from private.daily_users as u
    where u.day >= v_day and (u.day, u.user_id) > (v_day, v_user) and u.day <= v_to
    order by u.day, u.user_id offset 4999 limit 1;
  else
    select t.day, v_all as user_id into v_last from private.daily_totals as t
    where t.day > v_day and t.day <= v_to order by t.day offset 4999 limit 1;
  end if;
  return jsonb_build_object(
    'rows', (
      select coalesce(jsonb_agg(to_jsonb(r)), '[]') from (
        select
          case when 'day' = any(v_by) then d.day end as day,
          case when 'user' = any(v_by) then d.user_id end as user_id,
          case when 'model' = any(v_by) then d.model end as model,
          case when 'status' = any(v_by) then d.status end as status,
          case when 'country' = any(v_by) then d.country end as country,
          case when 'error_code' = any(v_by) then d.error_code end as error_code,
          sum(d.generations)::bigint as generations, sum(d.seconds) as seconds, sum(d.cost_usd) as cost_usd
        from (
          select u.day, u.user_id, u.model, u.status, u.country, u.error_code, u.generations, u.seconds, u.cost_usd
          from private.daily_users as u
          where u.user_id = p_user_id and u.day > v_day and u.day <= coalesce(v_last.day, v_to)
          union all
          select u.day, u.user_id, u.model, u.status, u.country, u.error_code, u.generations, u.seconds, u.cost_usd
          from private.daily_users as u
          where p_user_id is null and 'user' = any(v_by) and u.day >= v_day and (u.day, u.user_id) > (v_day, v_user)
            and u.day <= coalesce(v_last.day, v_to)
            and (u.day, u.user_id) <= (coalesce(v_last.day, v_to), coalesce(v_last.user_id, v_all))
          union all
          select t.day, null, t.model, t.status, t.country, t.error_code, t.generations, t.seconds, t.cost_usd
          from private.daily_totals as t
          where p_user_id is null and 'user' <> all(v_by) and t.day > v_day and t.day <= coalesce(v_last.day, v_to)
        ) as d
        where (p_model is null or d.model = p_model) and (p_country is null or d.country = p_country)
        group by 1, 2, 3, 4, 5, 6
        order by 1, 2, 3, 4, 5, 6
      ) as r
    ),
    'next_cursor', case when (v_last.day, v_last.user_id) < (v_to, v_all) then
      (v_last.day - 'epoch'::date) || '_' || v_last.user_id end,
    'day', coalesce(v_last.day, v_to)
  );
end
$$;
