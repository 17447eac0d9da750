-- The indexes and foreign keys of before (unload.sql). A foreign key that does not hold ends the copy.
do $$
declare
  v_again text;
begin
  for v_again in select again from unloaded order by ord loop
    execute v_again;
  end loop;
end
$$;
