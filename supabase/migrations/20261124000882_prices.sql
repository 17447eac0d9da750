-- What a request is expected to cost, what it did cost, and what is told of prices. US dollars.

-- What a start reserves for an image of a model that has no price of its own. Null: such a model is refused
-- wherever money is limited.
alter table private.settings add column default_price_usd numeric check (default_price_usd >= 0);

-- For an image of this size, 1 megapixel where it is not known; null where the model has no price for one. The
-- provider rounds megapixels (of 1024 x 1024) up.
create function private.image_price(p_model public.models, p_width int, p_height int) returns numeric
language sql stable
return case when p_model.cost_per_generation is not null or p_model.cost_per_megapixel is not null then
  coalesce(p_model.cost_per_generation, 0)
    + coalesce(p_model.cost_per_megapixel, 0) * ceil(coalesce(p_width::numeric * p_height, 1048576) / 1048576)
end;

-- What an image is expected to cost: by the second where the model is priced so (for the seconds that its runs
-- take, measured or else as the catalogue has it), else by the image. Null: nobody knows.
create function private.expected_cost(p_model public.models, p_width int, p_height int) returns numeric
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return coalesce(
    case when p_model.cost_per_second is not null then round(
      p_model.cost_per_second
        * private.model_seconds(p_model.id, coalesce(p_model.typical_seconds, p_model.estimated_time_seconds)), 6
    ) end,
    private.image_price(p_model, p_width, p_height),
    (select s.default_price_usd from private.settings as s)
  );
end
$$;

-- The same for a request. Its size is the one that the catalogue has mapped it to (output), which a direct call may
-- give as it likes: so no less than what it asks for, as far as the model goes.
create function private.requested_cost(p_request jsonb, p_model public.models) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  v_output jsonb := case jsonb_typeof(p_request -> 'output') when 'object' then p_request -> 'output' else '{}' end;
  v_width int := coalesce(private.read_number(p_request, 'width', 16, 8192, true), p_model.default_width);
  v_height int := coalesce(private.read_number(p_request, 'height', 16, 8192, true), p_model.default_height);
  v_price numeric := private.expected_cost(
    p_model,
    coalesce(private.read_number(v_output, 'width', 1, 16384, true), v_width)::int,
    coalesce(private.read_number(v_output, 'height', 1, 16384, true), v_height)::int
  );
begin
  if p_model.cost_per_megapixel is not null and v_output <> '{}' then
    v_price := greatest(v_price, private.expected_cost(
      p_model,
      least(v_width, coalesce(p_model.max_width, p_model.default_width)),
      least(v_height, coalesce(p_model.max_height, p_model.default_height))
    ));
  end if;
  return v_price;
end
$$;

-- What a prediction that has ended did cost: the time it ran where the model is priced so, else the image that
-- it made. What never started is free. Null: not known, as for what failed at a price by the image.
create function private.prediction_cost(
  p_model text, p_status text, p_predict_time numeric, p_width int, p_height int
) returns numeric
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_model public.models;
begin
  if p_status = 'aborted' then
    return 0;
  end if;
  select * into v_model from public.models where replicate_id = p_model;
  return coalesce(
    round(p_predict_time * v_model.cost_per_second, 6),
    case p_status when 'succeeded' then coalesce(
      private.image_price(v_model, p_width, p_height), (select s.default_price_usd from private.settings as s)
    ) end
  );
end
$$;

-- The size of the stored image is what the provider bills by: puts right what was taken from the expected one.
create function private.correct_cost(p_generation_id uuid, p_width int, p_height int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.predictions as p set
    cost_usd = private.prediction_cost(
      p.model, p.status, p.predict_time, coalesce(p_width, g.width), coalesce(p_height, g.height)
    )
  from public.image_generations as g inner join public.models as m on m.id = g.model_id
  where g.id = p_generation_id and p.id = g.replicate_prediction_id and p.status = 'succeeded'
    and m.cost_per_megapixel is not null;
end
$$;

-- Models that may be asked for and what they are charged at: [{id, is_available, usd_per_image, usd_per_megapixel,
-- usd_per_second}], usd_per_image being what is reserved for one of the model's default size; is_available is false
-- while a start would be refused because the provider refuses the model (private.admit_model).
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
      'usd_per_second', m.cost_per_second
    ) order by m.sort_order, m.replicate_id), '[]')
    from public.models as m where m.is_active
  );
end
$$;

create function public.model_prices()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.model_prices();
end
$$;

revoke all on function
  private.image_price, private.expected_cost, private.requested_cost, private.prediction_cost, private.correct_cost,
  private.model_prices, public.model_prices
from public, anon, authenticated, service_role;

-- Prices are public, as the rows of models are: the HTTP interface tells them to anybody.
grant usage on schema private to anon;
grant execute on function public.model_prices, private.model_prices to anon, authenticated, service_role;
