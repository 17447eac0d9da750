-- The app's own foreign keys, views, functions and policies, on the new tables. What does not fit stays as it is, with the reason.
-- Only a lock that somebody holds, or a wait for ours, ends the step: that passes, and the step is run again.

set local search_path = '';
-- A body is read when it runs, as at a restore.
set local check_function_bodies = off;

do $$
declare
  v_row record;
  v_part text;
begin
  for v_row in select * from picture_queue_move.foreign_keys where outcome is null order by table_name, name loop
    execute format('alter table %s drop constraint %I', v_row.table_name, v_row.name);
    begin
      execute format('alter table %s add constraint %I %s%s', v_row.table_name, v_row.name, v_row.definition,
        case when v_row.definition like '%NOT VALID' then '' else ' not valid' end);
      if v_row.comment is not null then
        execute format('comment on constraint %I on %s is %L', v_row.name, v_row.table_name, v_row.comment);
      end if;
      update picture_queue_move.foreign_keys set outcome = 'not validated' where id = v_row.id;
    exception when lock_not_available or deadlock_detected then
      raise;
    when others then
      update picture_queue_move.foreign_keys set outcome = 'dropped', reason = sqlerrm where id = v_row.id;
    end;
  end loop;

  for v_row in select * from picture_queue_move.views where outcome is null order by ord loop
    begin
      execute format('create %s %I.%I%s as %s', v_row.kind, v_row.schema_name, v_row.name,
        case when coalesce(v_row.options, '') = '' then '' else format(' with (%s)', v_row.options) end,
        rtrim(v_row.definition, '; '));
      foreach v_part in array v_row.parts loop
        execute v_part;
      end loop;
      if v_row.comment is not null then
        execute format('comment on %s %I.%I is %L', v_row.kind, v_row.schema_name, v_row.name, v_row.comment);
      end if;
      perform picture_queue_move.hand_over(v_row.kind, format('%I.%I', v_row.schema_name, v_row.name), v_row.owner,
        v_row.grants);
      update picture_queue_move.views set outcome = 'moved',
        made = pg_get_viewdef(to_regclass(format('%I.%I', v_row.schema_name, v_row.name))) where id = v_row.id;
    exception when lock_not_available or deadlock_detected then
      raise;
    when others then
      update picture_queue_move.views set outcome = 'left aside', reason = sqlerrm where id = v_row.id;
    end;
  end loop;

  for v_row in select * from picture_queue_move.functions where outcome is null order by name loop
    begin
      execute v_row.definition;
      if v_row.comment is not null then
        execute format('comment on %s %s is %L', v_row.kind, v_row.name, v_row.comment);
      end if;
      perform picture_queue_move.hand_over(v_row.kind, v_row.name, v_row.owner, v_row.grants);
      update picture_queue_move.functions set outcome = 'moved',
        made = pg_get_functiondef(to_regprocedure(v_row.name)) where id = v_row.id;
    exception when lock_not_available or deadlock_detected then
      raise;
    when others then
      update picture_queue_move.functions set outcome = 'left aside', reason = sqlerrm where id = v_row.id;
    end;
  end loop;

  for v_row in select * from picture_queue_move.policies where outcome is null order by table_name, name loop
    begin
      execute format('alter policy %I on %s%s%s', v_row.name, v_row.table_name,
        ' using (' || v_row.using_text || ')', ' with check (' || v_row.check_text || ')');
      update picture_queue_move.policies set outcome = 'moved', made = (
        select jsonb_build_object('using', pg_get_expr(p.polqual, p.polrelid), 'check',
          pg_get_expr(p.polwithcheck, p.polrelid)) from pg_policy as p where p.oid = v_row.id
      ) where id = v_row.id;
    exception when lock_not_available or deadlock_detected then
      raise;
    when others then
      update picture_queue_move.policies set outcome = 'left on the old table', reason = sqlerrm where id = v_row.id;
    end;
  end loop;
end
$$;
