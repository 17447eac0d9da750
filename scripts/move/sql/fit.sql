-- Reads each value that the copy reads, in the copy's types: what does not fit is named before anything is put aside.
do $$
declare
  v_row record;
  v_column text;
  v_reason text;
begin
  for v_row in
    select * from (values ('old_models', 'models'), ('old_batches', 'batch_generations'),
      ('old_generations', 'image_generations'), ('old_images', 'images'), ('old_profiles', 'profiles')) as v (reader, name)
    -- Profiles that stay are not copied.
    where v.name in (select m.name from picture_queue_move.moved as m)
  loop
    begin
      execute format('select count(o) from picture_queue_move.%I as o', v_row.reader);
      continue;
    exception when data_exception then
      v_reason := sqlerrm;
    end;
    for v_column in
      select a.attname from pg_attribute as a
      where a.attrelid = format('picture_queue_move.%I', v_row.reader)::regclass and a.attnum > 0 order by a.attnum
    loop
      begin
        execute format('select count(o.%I) from picture_queue_move.%I as o', v_column, v_row.reader);
      exception when data_exception then
        raise exception 'values of %.%: %. Change or remove them, then run it again', v_row.name, v_column, sqlerrm
        using errcode = 'data_exception';
      end;
    end loop;
    raise exception 'values of %: %', v_row.name, v_reason using errcode = 'data_exception';
  end loop;
end
$$;
