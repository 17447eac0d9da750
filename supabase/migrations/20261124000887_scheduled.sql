-- A picture for later is asked for when it is due: then it counts in its user's plan and in the budget, like a start
-- at that moment. Until then it holds nothing that somebody else could want.

-- Which of these due jobs may go on; the generations of the others have failed. The caller holds their rows and
-- their users' slots. A job that has counted already, or that nobody asked for through start_generation, goes on.
create function private.admit_due(p_ids uuid[]) returns uuid[]
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_due record;
  v_plan private.plans;
  v_message text;
  v_code text;
  v_ids uuid[] := p_ids;
begin
  for v_due in
    select
      j as job, g.id, g.user_id,
      -- What it costs by now, if that is more. Null: nobody knows.
      greatest(nullif(g.reserved_usd, 0), private.expected_cost(m, g.width, g.height)) as price,
      coalesce(m.replicate_id, g.model) as model
    from public.job_queue as j
    inner join public.image_generations as g on g.id = j.generation_id and g.job_id = j.id
    left join public.models as m on m.id = g.model_id
    where j.id = any(p_ids) and j.status = 'pending' and g.reserved_on is null and g.status = 'queued'
    order by j.scheduled_at, j.seq
  loop
    -- A refusal takes back what its picture has counted.
    begin
      select p.* into v_plan from private.plan_of(v_due.user_id) as p;
      if v_due.price is null then
        perform private.refuse_unpriced(v_due.model, v_plan);
      end if;
      update public.image_generations
      set reserved_usd = coalesce(v_due.price, 0), reserved_on = private.today()
      where id = v_due.id;
      perform private.use_quota(v_due.user_id, v_plan, 0, 1, coalesce(v_due.price, 0));
      perform private.check_budget();
    exception when sqlstate 'PT422' or sqlstate 'PT429' or sqlstate 'PT503' then
      get stacked diagnostics v_message = message_text, v_code = pg_exception_detail;
      if v_code = 'budget_exhausted' then
        v_message := 'No more images could be made when this one was due: the budget was used up.';
      end if;
      update public.job_queue set
        status = 'failed', completed_at = now(), error_message = v_message,
        error_details = private.with_error(
          (v_due.job).error_details, (v_due.job).attempts + 1, null, v_message, jsonb_build_object('code', v_code)
        )
      where id = (v_due.job).id;
      perform private.end_generation(v_due.id, 'failed', v_message, v_code);
      v_ids := array_remove(v_ids, (v_due.job).id);
    end;
  end loop;
  return v_ids;
end
$$;

revoke all on function private.admit_due from public, anon, authenticated, service_role;
