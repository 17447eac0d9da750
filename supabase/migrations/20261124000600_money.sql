-- What everything costs, in US dollars. Three things are kept exact, whatever happens at the same time:
--
--   usage         what a user has asked for in this minute and day, and what it costs (plans: requests, images, money)
--   predictions   the ledger: what the provider was paid for each prediction, whoever asked for it
--   budget        what is spent and reserved of the whole installation's budget, if one is set
--
-- A start reserves what a generation is expected to cost; its end settles what it did cost, or gives it back:
--
--   event                     usage.day_cost   reserved_usd   budget: reserved   predictions.cost_usd
--   start; later: when due    + expected       expected       + expected
--   prediction succeeded                                      - expected         what it cost, at once in budget: spent
--   image stored              = cost                                             put right by the image's size
--   failed                    - expected       stays          - expected         what it cost, if anything
--   cancelled before its run  - expected       0              - expected
--   cancelled while it ran    stays, until its prediction has ended: then = what that cost (private.settle_cancelled)
--   brought back (requeued)   + expected       stays          + expected, unless it is only to be stored

-- Prices --------------------------------------------------------------------------------------------------------------

-- For an image of this size, 1 megapixel where it is not known; null where the model has no price for one. The
-- provider rounds megapixels (of 1024 x 1024) up.
create function private.image_price(p_model public.models, p_width int, p_height int) returns numeric
language sql stable
return case when p_model.cost_per_generation is not null or p_model.cost_per_megapixel is not null then
  coalesce(p_model.cost_per_generation, 0)
    + coalesce(p_model.cost_per_megapixel, 0) * ceil(coalesce(p_width::numeric * p_height, 1048576) / 1048576)
end;

-- What so many megapixels of source images cost.
create function private.source_price(p_model public.models, p_source_megapixels int) returns numeric
language sql stable
return coalesce(p_model.cost_per_source_megapixel * p_source_megapixels, 0);

-- What the source images of a request, as its payload has them (private.take_sources), are billed as, in megapixels.
-- The size of an image of the user's own is known; an upload and an address count as much as one may.
create function private.source_megapixels(p_model public.models, p_source jsonb) returns int
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_most int := coalesce(p_model.max_source_megapixels, 16);
begin
  if p_model.cost_per_source_megapixel is null or p_source = '{}' then
    return 0;
  end if;
  return (
    select coalesce(sum(least(v_most, coalesce((
      select greatest(ceil(i.width::numeric * i.height / 1048576), 1) from public.images as i
      where i.generation_id = (s.one ->> 'source_generation_id')::uuid
        and i.width is not null and i.height is not null
    ), v_most))), 0)
    from jsonb_array_elements(coalesce(p_source -> 'sources', jsonb_build_array(p_source))) as s (one)
  );
end
$$;

-- What an image is expected to cost: by the second where the model is priced so (for the seconds that its runs
-- take, measured or else as the catalogue has it), else by the image and its source images. Null: nobody knows.
create function private.expected_cost(
  p_model public.models, p_width int, p_height int, p_source_megapixels int = 0
) returns numeric
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return coalesce(
    case when p_model.cost_per_second is not null then round(
      p_model.cost_per_second
        * private.model_seconds(p_model.id, coalesce(p_model.typical_seconds, p_model.estimated_time_seconds)), 6
    ) end,
    private.image_price(p_model, p_width, p_height) + private.source_price(p_model, p_source_megapixels),
    (select s.default_price_usd from private.settings as s)
  );
end
$$;

-- The same for a request of p_width and p_height, absent ones being the model's. Its size is the one that the
-- catalogue has mapped it to (p_made_…), which a direct call may give as it likes: so no less than what it asks for,
-- as far as the model goes.
create function private.requested_cost(
  p_model public.models, p_width int, p_height int, p_made_width int, p_made_height int
) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  v_price numeric;
begin
  -- The usual price: the same for each image.
  if p_model.cost_per_second is null and p_model.cost_per_megapixel is null
    and p_model.cost_per_generation is not null
  then
    return p_model.cost_per_generation;
  end if;
  v_price := private.expected_cost(
    p_model, coalesce(p_made_width, p_width, p_model.default_width),
    coalesce(p_made_height, p_height, p_model.default_height)
  );
  if p_model.cost_per_megapixel is not null and (p_made_width is not null or p_made_height is not null) then
    v_price := greatest(v_price, private.expected_cost(
      p_model,
      least(coalesce(p_width, p_model.default_width), coalesce(p_model.max_width, p_model.default_width)),
      least(coalesce(p_height, p_model.default_height), coalesce(p_model.max_height, p_model.default_height))
    ));
  end if;
  return v_price;
end
$$;

-- The same of an image that is p_scale times as wide and as high as its source image (private.take_sources), where the
-- model lets one choose: p_price was for its usual scale, and of an unknown size. No less than what it may cost, nor
-- than the usual: a model priced by the second takes so much longer, and of one priced by the megapixel the source
-- image counts as one of 16 megapixels where its size is not known here.
create function private.enlarged_cost(p_model public.models, p_price numeric, p_scale numeric, p_source jsonb)
returns numeric
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_usual numeric := coalesce(p_model.default_scale, p_model.max_scale);
  v_scale numeric := greatest(v_usual, least(coalesce(p_scale, v_usual), p_model.max_scale));
  v_pixels bigint;
begin
  if p_model.cost_per_second is not null then
    return round(p_price * power(v_scale / v_usual, 2), 6);
  end if;
  if p_model.cost_per_megapixel is null then
    return p_price;
  end if;
  select i.width::bigint * i.height into v_pixels from public.images as i
  where i.generation_id = (p_source ->> 'source_generation_id')::uuid;
  return coalesce(p_model.cost_per_generation, 0)
    + p_model.cost_per_megapixel * ceil(coalesce(v_pixels, 16777216) * v_scale * v_scale / 1048576);
end
$$;

-- What a prediction that has ended did cost: the time it ran where the model is priced so, else the image that
-- it made, with its source images (p_price, where that is known without its size). What never started is free. Null:
-- not known, as for what failed at a price by the image.
create function private.prediction_cost(
  p_model text, p_status text, p_predict_time numeric, p_width int, p_height int, p_source_megapixels int,
  p_price numeric = null
) returns numeric
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if p_status = 'aborted' then
    return 0;
  end if;
  return (
    select coalesce(
      round(p_predict_time * m.cost_per_second, 6),
      case p_status when 'succeeded' then coalesce(
        p_price, private.image_price(m, p_width, p_height) + private.source_price(m, p_source_megapixels),
        (select s.default_price_usd from private.settings as s)
      ) end
    )
    from (select p_model as name) as its left join public.models as m on m.replicate_id = its.name
  );
end
$$;

-- Models that may be asked for and what they are charged at: [{id, is_available, usd_per_image, usd_per_megapixel,
-- usd_per_second, usd_per_source_megapixel, max_source_megapixels}], usd_per_image being what is reserved for one of
-- the model's default size without a source image; is_available is false while a start would be refused because the
-- provider refuses the model (private.check_model).
create function private.model_prices() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', m.replicate_id,
      'is_available', not exists (
        select from private.refused_models as r
        where r.model = m.replicate_id and greatest(r.until, r.probe_until) > now()
      ),
      'usd_per_image', private.expected_cost(m, m.default_width, m.default_height),
      'usd_per_megapixel', m.cost_per_megapixel,
      'usd_per_second', m.cost_per_second,
      'usd_per_source_megapixel', m.cost_per_source_megapixel,
      'max_source_megapixels', case when m.cost_per_source_megapixel is not null
        then coalesce(m.max_source_megapixels, 16) end
    ) order by m.sort_order, m.replicate_id), '[]')
    from public.models as m where m.is_active
  );
end
$$;

-- What a user's plan allows -------------------------------------------------------------------------------------------

create function private.plan_of(p_user_id uuid) returns private.plans
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_plan private.plans;
begin
  select p.* into v_plan from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = p_user_id), 'default');
  return v_plan;
end
$$;

-- Makes up for a missing profile: a start never fails for want of one.
create function private.restore_profile(p_user_id uuid) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into public.profiles (id)
  select id from auth.users where id = p_user_id
  on conflict (id) do nothing;
  if not exists (select from public.profiles where id = p_user_id) then
    perform private.refuse(403, 'forbidden', 'This account no longer exists.');
  end if;
end
$$;

-- Counts against the user's plan: requests, images, and what these are expected to cost (US dollars). The row's
-- lock makes parallel calls take their turn; what is refused counts for nothing.
create function private.use_quota(
  p_user_id uuid, p_plan private.plans, p_requests int, p_images int, p_cost numeric
) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_usage private.usage;
  v_now timestamptz;
  v_tomorrow int;
begin
  -- The slots before the usage, as in every step that frees a slot and then settles its cost.
  perform 1 from private.user_slots
  where fair_key = p_user_id and job_type = 'generate-image' order by version desc limit 1 for update;
  if not found then
    perform private.lock_slots(p_user_id, 'generate-image');
  end if;

  -- clock_timestamp(): a request may have waited for the row since its transaction began.
  for v_try in 1..2 loop
    update private.usage as u set
      minute_started_at = case
        when u.minute_started_at <= clock_timestamp() - interval '1 minute' then clock_timestamp()
        else u.minute_started_at
      end,
      minute_requests = p_requests
        + case when u.minute_started_at <= clock_timestamp() - interval '1 minute' then 0 else u.minute_requests end,
      day = (clock_timestamp() at time zone 'UTC')::date,
      day_images = p_images
        + case when u.day = (clock_timestamp() at time zone 'UTC')::date then u.day_images else 0 end,
      day_cost = p_cost + case when u.day = (clock_timestamp() at time zone 'UTC')::date then u.day_cost else 0 end,
      month_cost = p_cost + case
        when u.day >= date_trunc('month', clock_timestamp() at time zone 'UTC') then u.month_cost else 0
      end
    where u.user_id = p_user_id
    returning * into v_usage;
    exit when found;
    insert into private.usage (user_id, minute_started_at, minute_requests, day, day_images)
    values (p_user_id, clock_timestamp(), 0, (clock_timestamp() at time zone 'UTC')::date, 0)
    on conflict do nothing;
  end loop;

  v_now := clock_timestamp();
  v_tomorrow := greatest(1, ceil(extract(epoch from (v_usage.day + 1)::timestamp at time zone 'UTC' - v_now))::int);
  if p_requests > 0 and v_usage.minute_requests > p_plan.requests_per_minute then
    perform private.refuse(
      429, 'quota_exceeded', format('You can send %s requests a minute.', p_plan.requests_per_minute),
      greatest(1, ceil(extract(epoch from v_usage.minute_started_at + interval '1 minute' - v_now))::int),
      'requests_per_minute'
    );
  end if;
  if v_usage.day_images > p_plan.images_per_day then
    perform private.refuse(
      429, 'quota_exceeded', format('You can make %s images a day.', p_plan.images_per_day),
      v_tomorrow, 'images_per_day'
    );
  end if;
  if v_usage.day_cost > p_plan.money_per_day then
    perform private.refuse(
      429, 'quota_exceeded', format('You can spend %s US dollars a day.', trim_scale(p_plan.money_per_day)),
      v_tomorrow, 'money_per_day'
    );
  end if;
end
$$;

-- Refuses a model without a price where money is limited: it would be free.
create function private.refuse_unpriced(p_model text, p_plan private.plans) returns void
language plpgsql set search_path = '' as $$
begin
  if p_plan.money_per_day is not null or private.has_budget() then
    perform private.refuse(422, 'unsupported', format(
      'The model %s has no price here, so it cannot be used where money is limited.', p_model));
  end if;
end
$$;

-- Counts an expected cost in the user's money of p_day, which is today.
create function private.reserve_cost(p_user_id uuid, p_day date, p_cost numeric) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into private.usage as u (user_id, minute_started_at, minute_requests, day, day_images, day_cost, month_cost)
  values (p_user_id, clock_timestamp(), 0, p_day, 0, p_cost, p_cost)
  on conflict (user_id) do update set
    day = excluded.day,
    day_images = case when u.day = excluded.day then u.day_images else 0 end,
    day_cost = case when u.day = excluded.day then u.day_cost + p_cost else p_cost end,
    month_cost = p_cost + case when u.day >= date_trunc('month', excluded.day::timestamp) then u.month_cost else 0 end;
end
$$;

-- Puts what a generation really cost in the place of what was reserved for it: in the user's money of that day, if it
-- is today, and of that month, if it is this one.
create function private.settle_cost(p_user_id uuid, p_day date, p_reserved numeric, p_cost numeric) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  if p_day is not null and p_reserved <> p_cost then
    update private.usage set
      day_cost = case when day = p_day then greatest(day_cost - p_reserved + p_cost, 0) else day_cost end,
      month_cost = greatest(month_cost - p_reserved + p_cost, 0)
    where user_id = p_user_id and day >= p_day
      and date_trunc('month', day::timestamp) = date_trunc('month', p_day::timestamp);
  end if;
end
$$;

-- Its user cancelled it while it ran, and now it is known what that has cost: this counts in the user's money
-- in the place of what was reserved, so that cancelling again and again is not free. The user is not charged:
-- image_generations.cost_usd stays null. Once.
create function private.settle_cancelled(p_generation_id uuid, p_cost numeric) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_cancelled record;
begin
  select user_id, reserved_on, reserved_usd into v_cancelled from public.image_generations
  where id = p_generation_id and cost_open for update;
  if found then
    update public.image_generations set cost_open = false, reserved_usd = coalesce(p_cost, 0), budget_usd = 0
    where id = p_generation_id;
    perform private.settle_cost(
      v_cancelled.user_id, v_cancelled.reserved_on, v_cancelled.reserved_usd, coalesce(p_cost, 0)
    );
  end if;
end
$$;

-- Called by prune_jobs. Where a day has passed the provider will not say any more what a cancelled run has cost: its
-- prediction has an unknown end, and nothing is reserved for it any longer.
create function private.close_open_costs(p_limit int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_id uuid;
  v_ids uuid[] := array(
    select id from public.image_generations
    where cost_open and completed_at < now() - interval '1 day' limit p_limit
  );
  v_users uuid[];
begin
  -- All predictions before the first generation. Of generations and of what is used, those that another transaction has
  -- are left for the next run: who waits for nobody meets nobody crosswise.
  perform 1 from private.predictions where generation_id = any(v_ids) and ended_at is null order by id for update;
  v_ids := array(
    select id from public.image_generations where id = any(v_ids) and cost_open for no key update skip locked
  );
  v_users := array(
    select u.user_id from private.usage as u
    where u.user_id = any(array(select g.user_id from public.image_generations as g where g.id = any(v_ids)))
    for update skip locked
  );
  v_ids := array(
    select g.id from public.image_generations as g
    where g.id = any(v_ids)
      and (g.user_id = any(v_users) or not exists (select from private.usage as u where u.user_id = g.user_id))
  );
  foreach v_id in array v_ids loop
    perform private.note_end(p.id, 'unknown', null) from private.predictions as p
    where p.generation_id = v_id and p.ended_at is null;
    perform private.settle_cancelled(v_id, 0);
  end loop;
end
$$;

-- The ledger of predictions -------------------------------------------------------------------------------------------

-- Notes a prediction of a job and, with an outcome that is not 'running', how it ended. True: it was not known.
-- p_closes: the caller has completed the job with it.
create function private.note_prediction(
  p_job public.job_queue, p_prediction_id text, p_source text, p_outcome jsonb, p_closes boolean = false
) returns boolean
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_status text := nullif(coalesce(p_outcome ->> 'provider_status', p_outcome ->> 'status'), 'running');
  v_predict_time numeric := (p_outcome ->> 'predict_time')::numeric;
  v_model text := p_job.payload ->> 'model_id';
begin
  if v_status is not null and private.note_end(p_prediction_id, v_status, v_predict_time, p_closes) then
    return false;
  end if;
  insert into private.predictions (
    id, job_id, generation_id, attempt, lease, model, source, ended_at, status, predict_time, cost_usd, closed_at
  )
  values (
    p_prediction_id, p_job.id, p_job.generation_id, coalesce(p_job.attempts, 0) + 1, coalesce(p_job.lease, 0),
    v_model, p_source, case when v_status is not null then now() end, v_status, v_predict_time,
    case when v_status is not null then (
      select private.prediction_cost(v_model, v_status, v_predict_time, g.width, g.height, g.source_megapixels)
      from (select p_job.generation_id as id) as its left join public.image_generations as g on g.id = its.id
    ) end,
    case when p_closes and v_status is not null then now() end
  )
  on conflict (id) do nothing;
  return found;
end
$$;

-- Notes how a known prediction ended. The first end counts; a guess of ours gives way to the provider's word. Where its
-- generation was deleted, its price was noted with it (private.settle_deleted).
create function private.note_end(
  p_prediction_id text, p_status text, p_predict_time numeric, p_closes boolean = false
) returns boolean
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.predictions as p set
    ended_at = now(), status = p_status, predict_time = p_predict_time,
    closed_at = case when p_closes then now() else p.closed_at end,
    cost_usd = (
      select private.prediction_cost(
        p.model, p_status, p_predict_time, g.width, g.height, g.source_megapixels,
        case when g.id is null then p.cost_usd end
      )
      from (select p.generation_id as id) as its left join public.image_generations as g on g.id = its.id
    )
  where p.id = p_prediction_id and (p.ended_at is null or p.status = 'unknown');
  return found;
end
$$;

-- The size of the stored image is what the provider bills by: puts right what was taken from the expected one.
create function private.correct_cost(p_generation_id uuid, p_width int, p_height int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  update private.predictions as p set
    cost_usd = private.prediction_cost(
      p.model, p.status, p.predict_time, coalesce(p_width, g.width), coalesce(p_height, g.height), g.source_megapixels
    )
  from public.image_generations as g inner join public.models as m on m.id = g.model_id
  where g.id = p_generation_id and p.id = g.replicate_prediction_id and p.status = 'succeeded'
    and m.cost_per_megapixel is not null;
end
$$;

-- Called by prune_jobs.
create function private.prune_predictions(p_limit int) returns void
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  with gone as (
    delete from private.predictions where id = any(array(
      select id from private.predictions where recorded_at < now() - interval '90 days'
      order by recorded_at limit p_limit for update skip locked
    ))
    returning id
  )
  delete from private.prediction_owners where prediction_id = any(array(select id from gone));
end
$$;

-- The installation's budget -------------------------------------------------------------------------------------------
--
-- The installation's budget: what everybody together may spend in a day and in a month (UTC). What is compared
-- with it is what the ledger (private.predictions) says was spent in that time, and what open generations are
-- expected to cost.
--
-- Both are noted in rows of their own (private.budget_deltas), by triggers on what a generation holds and on what a
-- prediction has cost, whatever step or hand it was: a step takes no lock for it. Who reserves looks: a start, or a
-- claim for images that are due. It locks the one row of private.budget until its commit, folds the notes into it
-- and compares. So starts take their turn there, and only there. Where no budget is set nothing is reserved and nothing
-- is locked.

create function private.today() returns date
language plpgsql stable set search_path = '' as $$
begin
  return (clock_timestamp() at time zone 'UTC')::date;
end
$$;

create function private.seconds_until(p_day date) returns int
language plpgsql stable set search_path = '' as $$
begin
  return greatest(1, ceil(extract(epoch from p_day::timestamp at time zone 'UTC' - clock_timestamp())));
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

create function private.is_waiting(p_status text) returns boolean
language sql stable
return p_status in ('pending', 'queued', 'processing');

-- What a generation is to hold of the budget (image_generations.budget_usd): it reserves while it waits to be made, one
-- for later when it is due, and gives back once its prediction has succeeded or it has ended; for a cancelled run not
-- before it is known what that has cost. With p_anew it has not waited before. Whoever changes a status writes it.
create function private.budget_share(p_generation public.image_generations, p_anew boolean) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  if private.is_waiting(p_generation.status) then
    if p_anew and p_generation.budget_usd = 0 and p_generation.reserved_usd > 0
      and p_generation.reserved_on is not null and private.has_budget()
    then
      return p_generation.reserved_usd;
    end if;
  elsif not (p_generation.status = 'cancelled' and p_generation.cost_open) then
    return 0;
  end if;
  return p_generation.budget_usd;
end
$$;

-- The same for one that is about to wait again.
create function private.budget_again(p_generation public.image_generations) returns numeric
language sql stable
return case
  when not private.is_waiting(p_generation.status) and p_generation.budget_usd = 0 and p_generation.reserved_usd > 0
    and private.has_budget() then p_generation.reserved_usd
  else p_generation.budget_usd
end;

-- Notes what is reserved or given back.
create function private.after_budget_change() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.budget_deltas (day, reserved)
  values (private.today(), case when tg_op = 'DELETE' then 0 else new.budget_usd end - old.budget_usd);
  return null;
end
$$;

-- Of whatever columns: a trigger before it may have changed the share, too.
create trigger image_generations_budget after update on public.image_generations
for each row when (new.budget_usd <> old.budget_usd) execute function private.after_budget_change();
create trigger image_generations_budget_delete after delete on public.image_generations
for each row when (old.budget_usd <> 0) execute function private.after_budget_change();

-- Whatever step learns that a prediction has ended, and what it has cost; also when that is put right. One that was
-- given up before is an earlier attempt's.
create function private.after_prediction_change() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_change numeric := coalesce(new.cost_usd, 0) - coalesce(old.cost_usd, 0);
begin
  if v_change <> 0 then
    -- On the day on which it is spent: one that runs holds its price on the day on which it was recorded.
    insert into private.budget_deltas (day, spent)
    select change.day, change.spent from private.settings
    cross join lateral (
      select (coalesce(new.ended_at, new.recorded_at) at time zone 'UTC')::date as day, v_change as spent
      where coalesce(old.cost_usd, 0) = 0
      union all
      select (at at time zone 'UTC')::date, sum(cost)
      from (
        values (coalesce(old.ended_at, old.recorded_at), -old.cost_usd),
        (coalesce(new.ended_at, new.recorded_at), coalesce(new.cost_usd, 0))
      ) as both_sides (at, cost)
      where coalesce(old.cost_usd, 0) <> 0 group by 1
    ) as change
    where budget_per_day_usd is not null or budget_per_month_usd is not null;
  end if;
  -- The usual end is booked by its job.
  if coalesce(old.cost_usd, 0) <> 0
    or (coalesce(new.cost_usd, 0) <> 0 and (new.closed_at is null or old.closed_at is not null))
  then
    perform private.book_prediction(old, new);
  end if;
  if old.ended_at is null and exists (
    select from public.image_generations where id = new.generation_id and cost_open
  ) then
    perform private.settle_cancelled(new.generation_id, new.cost_usd);
  end if;
  return null;
end
$$;

create trigger predictions_after_insert after insert on private.predictions
for each row when (new.ended_at is not null) execute function private.after_prediction_change();
create trigger predictions_after_change after update of ended_at, cost_usd on private.predictions
for each row execute function private.after_prediction_change();

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
create function private.budget_alerts() returns text[]
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
  -- One statement: what is committed meanwhile is in the changes that stay, and not in the sums.
  with folded as (delete from private.budget_deltas where id > 0)
  update private.budget set
    day = v_day, month = v_month, day_alert = 0, month_alert = 0,
    day_spent = (
      select coalesce(sum(p.cost_usd), 0) from private.predictions as p
      where coalesce(p.ended_at, p.recorded_at) >= v_day::timestamp at time zone 'UTC'
    ),
    month_spent = (
      select coalesce(sum(p.cost_usd), 0) from private.predictions as p
      where coalesce(p.ended_at, p.recorded_at) >= v_month::timestamp at time zone 'UTC'
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
