-- Rows of an app's own tables that name a model by its old id are given the new one, and noted. No trigger of the app's
-- hears of it: to the app nothing has changed. A table without a primary key is left as it is; so is one where two
-- models of one name become the same one, and may not.

set local search_path = '';

do $$
declare
  v_row record;
  v_key text;
begin
  for v_row in
    select f.id, f.table_name, f.columns[1] as column_name from picture_queue_move.foreign_keys as f
    where f.target = 'models' and f.target_columns = '{id}' and f.outcome = 'not validated'
    order by f.table_name, f.name
  loop
    v_key := picture_queue_move.key_of(v_row.table_name);
    continue when v_key is null;
    begin
      perform picture_queue_move.quietly(v_row.table_name, format(
        'with renamed as (
           update %1$s as t set %2$I = k.model_id from picture_queue_move.model_keys as k
           where k.key = t.%2$I::text and k.model_id <> t.%2$I
           returning %3$s as key, k.key::uuid as old_id, k.model_id as new_id
         )
         insert into picture_queue_move.renamed_models (foreign_key, key, old_id, new_id)
         select %4$L, key, old_id, new_id from renamed',
        v_row.table_name, v_row.column_name, v_key, v_row.id));
    exception when unique_violation then
      null;
    end;
  end loop;
end
$$;
