-- The functions that look rows up pin `enable_seqscan = off` (see the enqueueing functions). Where a scan is all
-- there is, of a table of one row say, that makes the plan look like the dearest there can be, and a Postgres built
-- with LLVM compiles it before it runs: half a second for a claim of one millisecond. Nor does such a cost tell whether
-- a plan for all arguments is as good as one for these, and each call would be planned anew.

do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select oid from pg_proc where pronamespace = 'private'::regnamespace and proconfig @> array['enable_seqscan=off']
  loop
    execute format('alter function %s set jit = off set plan_cache_mode = force_generic_plan', v_function);
  end loop;
end
$$;
