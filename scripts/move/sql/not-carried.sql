-- The rows that could not be carried, whole.
do $$
declare
  v_table text;
  v_fates text;
begin
  for v_table, v_fates in values
    ('batch_generations', 'batch_fates'), ('image_generations', 'fated_generations'), ('images', 'fated_images')
  loop
    continue when to_regclass('original.' || v_table) is null;
    execute format(
      'insert into picture_queue_move.not_carried (table_name, id, reason, row_data)
       select %1$L, o.id::text, f.reason, to_jsonb(o)
       from (select id::text as id, reason from picture_queue_move.%2$I where reason is not null and id is not null) as f
       join original.%1$I as o on lower(o.id::text) = f.id', v_table, v_fates);
    -- Only where ids are texts.
    continue when (
      select atttypid = 'uuid'::regtype from pg_attribute
      where attrelid = to_regclass('original.' || v_table) and attname = 'id'
    );
    execute format(
      'insert into picture_queue_move.not_carried (table_name, id, reason, row_data)
       select %1$L, o.id::text, ''its id is no uuid'', to_jsonb(o) from original.%1$I as o
       where o.id is null or o.id::text !~* ''^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$''', v_table);
  end loop;
end
$$;
