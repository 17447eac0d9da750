-- The installation's budget: what everybody together may spend in a day and in a month (UTC). What is compared
-- with it is what the ledger (private.predictions) says was spent in that time, and what open generations are
-- expected to cost.
--
-- Both are noted by triggers, in rows of their own (private.budget_deltas), whatever step or hand it was: a step
-- takes no lock for it. Only a start looks: it locks the one row of private.budget, as its last lock and until
-- its commit, folds the notes into it and compares. So starts take their turn there, and only there; where no
-- budget is set nothing is noted and nothing is locked.

-- Null: none.
alter table private.settings
add column budget_per_day_usd numeric check (budget_per_day_usd >= 0),
add column budget_per_month_usd numeric check (budget_per_month_usd >= 0);

-- What it holds of the budget: its expected cost, until its prediction has succeeded (then the ledger has the
-- cost) or it has ended.
alter table public.image_generations add column budget_usd numeric not null default 0;

create table private.budget (
  only_row boolean primary key default true check (only_row),
  day date not null default '-infinity',
  day_spent numeric not null default 0,
  -- Its first day.
  month date not null default '-infinity',
  month_spent numeric not null default 0,
  reserved numeric not null default 0,
  -- How much of it, in percent, has been alerted of in that time: 0, 80 or 100.
  day_alert int not null default 0,
  month_alert int not null default 0
)
with (fillfactor = 50);
insert into private.budget default values;

-- What is not in private.budget yet.
create table private.budget_deltas (
  id bigint generated always as identity primary key,
  day date not null,
  spent numeric not null default 0,
  reserved numeric not null default 0
)
with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);

create function private.today() returns date
language plpgsql stable set search_path = '' as $$
begin
  return (clock_timestamp() at time zone 'UTC')::date;
end
$$;

create function private.has_budget() returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from private.settings where budget_per_day_usd is not null or budget_per_month_usd is not null
  );
end
$$;

-- Reserves for a generation that waits to be made, one for later when it is due, and gives back once its prediction
-- has succeeded or it has ended; for a cancelled run not before it is known what that has cost.
create function private.before_budget_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_waits boolean;
  v_change numeric := 0;
begin
  if tg_op = 'DELETE' then
    v_change := -old.budget_usd;
  else
    v_waits := new.status in ('pending', 'queued', 'processing');
    if tg_op = 'UPDATE' and new.budget_usd > 0 and not v_waits and not (new.status = 'cancelled' and new.cost_open) then
      v_change := -new.budget_usd;
    elsif v_waits and new.budget_usd = 0 and new.reserved_usd > 0 and new.reserved_on is not null
      and (tg_op = 'INSERT' or old.status not in ('pending', 'queued', 'processing') or old.reserved_on is null)
      and private.has_budget()
    then
      v_change := new.reserved_usd;
    end if;
    new.budget_usd := new.budget_usd + v_change;
  end if;
  if v_change <> 0 then
    insert into private.budget_deltas (day, reserved) values (private.today(), v_change);
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;
-- By column, for progress comes often and changes none of them.
create trigger image_generations_budget
before insert or delete or update of status, cost_open, reserved_usd, reserved_on, budget_usd
on public.image_generations for each row execute function private.before_budget_change();

-- What a prediction has cost, when it is known and when it is put right.
create function private.after_prediction_cost() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_change numeric := coalesce(new.cost_usd, 0) - coalesce(old.cost_usd, 0);
begin
  if v_change <> 0 and private.has_budget() then
    insert into private.budget_deltas (day, spent)
    values ((coalesce(new.ended_at, now()) at time zone 'UTC')::date, v_change);
  end if;
  return null;
end
$$;
create trigger predictions_after_cost after insert or update on private.predictions
for each row execute function private.after_prediction_cost();

-- The budget as it stands, for the caller alone until its transaction ends.
create function private.lock_budget() returns private.budget
language plpgsql set search_path = '' as $$
declare
  v_day date;
  v_month date;
  v_budget private.budget;
begin
  perform 1 from private.budget where only_row for update;
  -- Not before the lock: midnight may have come meanwhile.
  v_day := private.today();
  v_month := date_trunc('month', v_day);
  with taken as (
    delete from private.budget_deltas where id > 0 returning day, spent, reserved
  ), added as (
    select
      coalesce(sum(spent) filter (where day = v_day), 0) as day_spent,
      coalesce(sum(spent) filter (where day >= v_month), 0) as month_spent,
      coalesce(sum(reserved), 0) as reserved
    from taken
  )
  update private.budget as b set
    day = v_day,
    day_spent = case when b.day = v_day then b.day_spent else 0 end + a.day_spent,
    day_alert = case when b.day = v_day then b.day_alert else 0 end,
    month = v_month,
    month_spent = case when b.month = v_month then b.month_spent else 0 end + a.month_spent,
    month_alert = case when b.month = v_month then b.month_alert else 0 end,
    reserved = b.reserved + a.reserved
  from added as a
  where b.only_row
  returning b.* into v_budget;
  return v_budget;
end
$$;

-- The last act of a start: what it has reserved must fit.
create function private.check_budget() returns void
language plpgsql set search_path = '' as $$
declare
  v_settings private.settings;
  v_budget private.budget;
begin
  select * into v_settings from private.settings;
  if v_settings.budget_per_day_usd is null and v_settings.budget_per_month_usd is null then
    return;
  end if;
  v_budget := private.lock_budget();
  if v_budget.month_spent + v_budget.reserved > v_settings.budget_per_month_usd then
    perform private.refuse(
      503, 'budget_exhausted', 'No more images can be made this month. Please try again next month.',
      private.seconds_until((v_budget.month + interval '1 month')::date)
    );
  end if;
  if v_budget.day_spent + v_budget.reserved > v_settings.budget_per_day_usd then
    perform private.refuse(
      503, 'budget_exhausted', 'No more images can be made today. Please try again tomorrow.',
      private.seconds_until(v_budget.day + 1)
    );
  end if;
end
$$;

create function private.seconds_until(p_day date) returns int
language plpgsql stable set search_path = '' as $$
begin
  return greatest(1, ceil(extract(epoch from p_day::timestamp at time zone 'UTC' - clock_timestamp())));
end
$$;

-- How each of the two stands, without a lock: [{period, budget_usd, used_usd, spent_usd}], used_usd being what is
-- spent and reserved.
create function private.budget_periods() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_day date := private.today();
  v_month date := date_trunc('month', v_day);
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'period', of.period, 'budget_usd', of.budget, 'used_usd', of.spent + of.reserved, 'spent_usd', of.spent
    ) order by of.period), '[]')
    from private.settings as s
    cross join private.budget as b
    cross join lateral (
      select
        coalesce(sum(d.spent) filter (where d.day = v_day), 0) as day_spent,
        coalesce(sum(d.spent) filter (where d.day >= v_month), 0) as month_spent,
        coalesce(sum(d.reserved), 0) + b.reserved as reserved
      from private.budget_deltas as d
    ) as more
    cross join lateral (values
      ('day', s.budget_per_day_usd, case when b.day = v_day then b.day_spent else 0 end + more.day_spent, more.reserved),
      ('month', s.budget_per_month_usd, case when b.month = v_month then b.month_spent else 0 end + more.month_spent,
        more.reserved)
    ) as of (period, budget, spent, reserved)
    where of.budget is not null
  );
end
$$;

-- none: no budget is set; near: 80 % of one are used; exhausted: not even the cheapest model fits into one.
create function private.budget_state(p_periods jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_least numeric;
begin
  if p_periods = '[]' then
    return 'none';
  end if;
  select min(cost) into v_least from (
    select private.expected_cost(m, m.default_width, m.default_height) as cost from public.models as m where m.is_active
  ) as priced where cost > 0;
  return (
    select case
      when bool_or(used + coalesce(v_least, 0) > budget or used >= budget) then 'exhausted'
      when bool_or(used >= 0.8 * budget) then 'near'
      else 'ok'
    end
    from (
      select (p ->> 'used_usd')::numeric as used, (p ->> 'budget_usd')::numeric as budget
      from jsonb_array_elements(p_periods) as p
    ) as each_period
  );
end
$$;

-- For the cron: folds the notes, and gives the sentences that operators are to be alerted with, each once in its
-- day or month.
create function private.sweep_budget() returns text[]
language plpgsql set search_path = '' as $$
declare
  v_budget private.budget;
  v_alerts text[] := '{}';
  v_one record;
begin
  if not private.has_budget() then
    return v_alerts;
  end if;
  v_budget := private.lock_budget();
  for v_one in
    select
      p ->> 'period' as period, (p ->> 'budget_usd')::numeric as budget, (p ->> 'used_usd')::numeric as used,
      case private.budget_state(jsonb_build_array(p)) when 'exhausted' then 100 when 'near' then 80 else 0 end as alert,
      case p ->> 'period' when 'day' then v_budget.day_alert else v_budget.month_alert end as alerted
    from jsonb_array_elements(private.budget_periods()) as p
  loop
    if v_one.alert > v_one.alerted then
      v_alerts := v_alerts || format(
        'The budget of this %s, %s US dollars, is %s: %s are spent or reserved.', v_one.period,
        trim_scale(v_one.budget), case v_one.alert when 100 then 'used up' else 'nearly used up' end,
        trim_scale(round(v_one.used, 2))
      );
      update private.budget set
        day_alert = case v_one.period when 'day' then v_one.alert else day_alert end,
        month_alert = case v_one.period when 'month' then v_one.alert else month_alert end
      where only_row;
    end if;
  end loop;
  return v_alerts;
end
$$;

-- Counts anew, from the ledger and the open generations. Called where a budget is set or changed: as long as there
-- was none nothing was noted. A generation that was started then holds nothing, and counts when it is paid.
create function private.recount_budget() returns void
language plpgsql set search_path = '' as $$
declare
  v_day date := private.today();
  v_month date := date_trunc('month', v_day);
begin
  perform 1 from private.budget where only_row for update;
  delete from private.budget_deltas where id > 0;
  update private.budget set
    day = v_day, month = v_month, day_alert = 0, month_alert = 0,
    day_spent = (
      select coalesce(sum(p.cost_usd), 0) from private.predictions as p where p.ended_at >= v_day::timestamp at time zone 'UTC'
    ),
    month_spent = (
      select coalesce(sum(p.cost_usd), 0) from private.predictions as p where p.ended_at >= v_month::timestamp at time zone 'UTC'
    ),
    reserved = (select coalesce(sum(g.budget_usd), 0) from public.image_generations as g where g.budget_usd > 0)
  where only_row;
end
$$;

create function private.after_settings_change() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.budget_per_day_usd is distinct from old.budget_per_day_usd
    or new.budget_per_month_usd is distinct from old.budget_per_month_usd
  then
    perform private.recount_budget();
  end if;
  return null;
end
$$;
create trigger settings_after_change after update on private.settings
for each row execute function private.after_settings_change();

revoke all on function
  private.today, private.has_budget, private.before_budget_change, private.after_prediction_cost, private.lock_budget,
  private.check_budget, private.seconds_until, private.budget_periods, private.budget_state, private.sweep_budget,
  private.recount_budget, private.after_settings_change
from public, anon, authenticated, service_role;

alter table private.budget enable row level security;
alter table private.budget_deltas enable row level security;
revoke all on private.budget, private.budget_deltas from public, anon, authenticated, service_role;
revoke all on sequence private.budget_deltas_id_seq from public, anon, authenticated, service_role;
