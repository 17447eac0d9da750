-- This transaction has written what is in the new tables by the copy: changes.sql.
insert into picture_queue_move.written (table_id, by)
select c.oid, pg_current_xact_id()::xid::text from pg_class as c
where c.relkind = 'r' and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace)
on conflict do nothing;
