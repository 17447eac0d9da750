-- Looks at the project and notes what there is; changes nothing of it. Definitions are written with an empty search
-- path, so that every name in them is whole.

set local search_path = '';

-- The old objects: whatever has in public a name that Picture Queue needs.
insert into picture_queue_move.moved (kind, id, name)
select
  case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
  c.oid, c.relname
from pg_catalog.pg_class as c
join picture_queue_move.names as n on n.kind = 'relation' and n.name = c.relname
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
order by c.relname;

insert into picture_queue_move.moved (kind, id, name)
select case p.prokind when 'p' then 'procedure' else 'function' end, p.oid,
  pg_catalog.format('%I(%s)', p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid))
from pg_catalog.pg_proc as p
join picture_queue_move.names as n on n.kind = 'function' and n.name = p.proname
where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p')
order by p.proname, p.oid;

-- A type or domain that stands alone: not the row of a table, and not an array.
insert into picture_queue_move.moved (kind, id, name)
select 'type', t.oid, t.typname
from pg_catalog.pg_type as t
join picture_queue_move.names as n on n.kind = 'relation' and n.name = t.typname
where t.typnamespace = 'public'::regnamespace and t.typrelid = 0 and t.typelem = 0
order by t.typname;

insert into picture_queue_move.foreign_keys
  (id, table_id, table_name, name, definition, comment, target, columns, target_columns)
select c.oid, c.conrelid, c.conrelid::regclass::text, c.conname, pg_catalog.pg_get_constraintdef(c.oid),
  pg_catalog.obj_description(c.oid, 'pg_constraint'), m.name,
  array(
    select a.attname::text from pg_catalog.unnest(c.conkey) with ordinality as k (attnum, ord)
    join pg_catalog.pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.attnum order by k.ord
  ),
  array(
    select a.attname::text from pg_catalog.unnest(c.confkey) with ordinality as k (attnum, ord)
    join pg_catalog.pg_attribute as a on a.attrelid = c.confrelid and a.attnum = k.attnum order by k.ord
  )
from pg_catalog.pg_constraint as c
join picture_queue_move.moved as m on m.id = c.confrelid
where c.contype = 'f' and c.conparentid = 0
  and c.conrelid not in (select id from picture_queue_move.moved);

with recursive readers as (
  select m.id, 0 as depth from picture_queue_move.moved as m where m.kind in ('table', 'view', 'materialized view')
  union
  select r.ev_class, readers.depth + 1
  from readers
  join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = readers.id
    and d.classid = 'pg_catalog.pg_rewrite'::regclass
  join pg_catalog.pg_rewrite as r on r.oid = d.objid and r.ev_class <> d.refobjid
)
insert into picture_queue_move.views
  (id, ord, schema_name, name, kind, definition, options, owner, grants, parts, comment)
select c.oid, pg_catalog.row_number() over (order by max(readers.depth), c.relname), s.nspname, c.relname,
  case c.relkind when 'm' then 'materialized view' else 'view' end,
  pg_catalog.pg_get_viewdef(c.oid),
  pg_catalog.array_to_string(c.reloptions, ', '), pg_catalog.pg_get_userbyid(c.relowner),
  array(
    select pg_catalog.format('grant %s on table %s to %s%s', g.privilege_type, c.oid::regclass,
      picture_queue_move.grantee(g.grantee), case when g.is_grantable then ' with grant option' else '' end)
    from pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) as g
    union all
    select pg_catalog.format('grant %s (%I) on table %s to %s%s', g.privilege_type, a.attname, c.oid::regclass,
      picture_queue_move.grantee(g.grantee), case when g.is_grantable then ' with grant option' else '' end)
    from pg_catalog.pg_attribute as a cross join pg_catalog.aclexplode(a.attacl) as g where a.attrelid = c.oid
  ),
  array(
    select pg_catalog.pg_get_indexdef(i.indexrelid) from pg_catalog.pg_index as i where i.indrelid = c.oid
    union all
    select pg_catalog.format('comment on column %s.%I is %L', c.oid::regclass, a.attname,
      pg_catalog.col_description(c.oid, a.attnum))
    from pg_catalog.pg_attribute as a
    where a.attrelid = c.oid and pg_catalog.col_description(c.oid, a.attnum) is not null
    union all
    select pg_catalog.format('alter view %s alter column %I set default %s', c.oid::regclass, a.attname,
      pg_catalog.pg_get_expr(d.adbin, d.adrelid))
    from pg_catalog.pg_attrdef as d
    join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum where d.adrelid = c.oid
    union all
    select pg_catalog.pg_get_ruledef(r.oid) from pg_catalog.pg_rewrite as r
    where r.ev_class = c.oid and r.rulename <> '_RETURN'
    union all
    select pg_catalog.pg_get_triggerdef(t.oid) from pg_catalog.pg_trigger as t where t.tgrelid = c.oid
    union all
    select pg_catalog.format('comment on trigger %I on %s is %L', t.tgname, c.oid::regclass,
      pg_catalog.obj_description(t.oid, 'pg_trigger'))
    from pg_catalog.pg_trigger as t
    where t.tgrelid = c.oid and pg_catalog.obj_description(t.oid, 'pg_trigger') is not null
  ),
  pg_catalog.obj_description(c.oid, 'pg_class')
from readers
join pg_catalog.pg_class as c on c.oid = readers.id and c.relkind in ('v', 'm')
join pg_catalog.pg_namespace as s on s.oid = c.relnamespace
where readers.depth > 0 and s.nspname <> 'picture_queue_move'
  and c.oid not in (select id from picture_queue_move.moved)
group by c.oid, c.relname, c.relkind, c.reloptions, c.relowner, c.relacl, s.nspname;

insert into picture_queue_move.functions
  (id, schema_name, name, aside_name, kind, definition, owner, grants, comment)
select p.oid, s.nspname, p.oid::regprocedure::text, p.proname,
  case p.prokind when 'p' then 'procedure' else 'function' end,
  pg_catalog.pg_get_functiondef(p.oid), pg_catalog.pg_get_userbyid(p.proowner),
  array(
    select pg_catalog.format('grant execute on routine %s to %s%s', p.oid::regprocedure,
      picture_queue_move.grantee(g.grantee), case when g.is_grantable then ' with grant option' else '' end)
    from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as g
  ),
  pg_catalog.obj_description(p.oid, 'pg_proc')
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as s on s.oid = p.pronamespace
where p.prokind in ('f', 'p') and p.oid not in (select id from picture_queue_move.moved)
  and s.nspname <> 'picture_queue_move'
  and exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid
      and (
        d.refobjid in (select id from picture_queue_move.moved)
        or d.refobjid in (select id from picture_queue_move.views)
        or (d.refclassid = 'pg_catalog.pg_type'::regclass and d.refobjid in (
          select t.oid from pg_catalog.pg_type as t
          left join pg_catalog.pg_type as element on element.oid = t.typelem
          where coalesce(element.typrelid, t.typrelid) in (
            select id from picture_queue_move.moved union select id from picture_queue_move.views
          )
        ))
      )
  );

insert into picture_queue_move.policies (id, table_name, name, using_text, check_text)
select p.oid, p.polrelid::regclass::text, p.polname,
  pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
from pg_catalog.pg_policy as p
where p.polrelid not in (select id from picture_queue_move.moved)
  and exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid
      and d.refclassid = 'pg_catalog.pg_class'::regclass
      and (d.refobjid in (select id from picture_queue_move.moved)
        or d.refobjid in (select id from picture_queue_move.views))
  );

-- Of the old tables themselves: they stay with them.
insert into picture_queue_move.remarks (topic, what)
select 'policy', pg_catalog.format('%s on %s', pg_catalog.quote_ident(p.polname), m.name)
from pg_catalog.pg_policy as p join picture_queue_move.moved as m on m.id = p.polrelid
order by m.name, p.polname;
insert into picture_queue_move.remarks (topic, what)
select 'trigger', pg_catalog.format('%I on %s calls %s', t.tgname, m.name, t.tgfoid::regprocedure)
from pg_catalog.pg_trigger as t join picture_queue_move.moved as m on m.id = t.tgrelid
where not t.tgisinternal
order by m.name, t.tgname;

-- Of Storage: they stay in force beside the new ones. One that names no bucket reaches each.
insert into picture_queue_move.remarks (topic, what)
select 'storage', pg_catalog.format('%s, for %s', pg_catalog.quote_ident(p.polname),
  case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end)
from pg_catalog.pg_policy as p
cross join lateral (
  select pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid), ' ',
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) as expression
) as e
where p.polrelid = 'storage.objects'::regclass
  and (e.expression ~ '\mgenerated-images\M' or e.expression !~ '\mbucket_id\M')
order by p.polname;

-- Buckets that are there and get other settings.
insert into picture_queue_move.remarks (topic, what)
select 'bucket', pg_catalog.format('%s %s. Before: public %s, file_size_limit %s, allowed_mime_types %s', b.id,
  case b.id when 'generated-images' then 'becomes public: whoever knows the address of a file may read it'
    else 'becomes private, for PNG, JPEG and WebP up to 10 MiB' end,
  b.public::text, coalesce(b.file_size_limit::text, 'null'), coalesce(b.allowed_mime_types::text, 'null'))
from storage.buckets as b
where b.id = 'generated-images' and b.public is not true or b.id = 'source-images' and (
  b.public is not false or b.file_size_limit is distinct from 10485760
  or b.allowed_mime_types is distinct from '{image/png,image/jpeg,image/webp}'
)
order by b.id;

-- Functions of the app's that name an old table in their text.
insert into picture_queue_move.remarks (topic, what)
select 'function', pg_catalog.format('%s names %s', p.oid::regprocedure, pg_catalog.string_agg(m.name, ', ' order by m.name))
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as s on s.oid = p.pronamespace
join pg_catalog.pg_language as l on l.oid = p.prolang and l.lanname in ('sql', 'plpgsql')
join picture_queue_move.moved as m on m.kind in ('table', 'view')
  and coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) ~ ('\m' || m.name || '\M')
where p.oid not in (select id from picture_queue_move.moved)
  and p.oid not in (select id from picture_queue_move.functions)
  and s.nspname not in ('pg_catalog', 'information_schema', 'auth', 'storage', 'realtime', 'extensions', 'picture_queue_move')
group by p.oid
order by p.oid::regprocedure::text;

-- Columns of the original's tables that have no equal: --finish drops their values with the tables.
insert into picture_queue_move.remarks (topic, what)
select 'column', pg_catalog.format('%s.%s', m.name, a.attname)
from picture_queue_move.moved as m
join pg_catalog.pg_attribute as a on a.attrelid = m.id and a.attnum > 0 and not a.attisdropped
where m.kind = 'table' and m.name in ('profiles', 'models', 'batch_generations', 'image_generations', 'images')
  and a.attname <> all (pg_catalog.regexp_split_to_array(pg_catalog.btrim(case m.name
    when 'profiles' then 'id username email avatar_url created_at'
    when 'models' then 'id replicate_id version name display_name description default_width default_height
      default_steps default_guidance_scale default_strength min_width min_height max_width max_height max_steps
      strength_min strength_max supported_aspect_ratios supports_negative_prompt supports_seed supports_img2img
      cost_per_generation estimated_time_seconds is_active is_default sort_order created_at'
    when 'batch_generations' then 'id user_id name total_count completed_count failed_count status model_id
      model_version width height steps guidance_scale created_at completed_at'
    when 'image_generations' then 'id user_id prompt negative_prompt model model_id style width height steps
      guidance_scale seed source_image_url generation_strength status error_message generation_time_seconds
      replicate_prediction_id priority retry_count batch_id batch_index multi_group_id multi_index created_at
      completed_at'
    else 'id generation_id user_id filename storage_path public_url file_size width height format prompt
      negative_prompt model style source_image_id generation_strength blurhash is_public is_favorite rating
      download_count archived_at created_at'
  end), '\s+'))
order by m.name, a.attnum;
