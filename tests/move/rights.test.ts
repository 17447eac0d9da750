import fs from 'node:fs/promises';
import { expect, test } from 'vitest';
import { project } from './project.ts';
import { snapshot } from './snapshot.ts';

// What the move makes anew of an app's own has the rights, triggers and comments it had before. In a project from before
// May 2026 whatever is made in `public` is open to the API's roles until it is revoked.

const GRANTS = new URL('../../dev/stack/supabase/automatic-grants.sql', import.meta.url);

test('views and functions that are made anew are open to nobody else', async () => {
  const { sql, run } = await project(`
    ${await fs.readFile(GRANTS, 'utf8')}
    revoke select on public.batch_progress from service_role;
    revoke execute on function public.title_of(public.images) from public;
    create view public.gallery as select id, user_id, prompt from public.images;
    revoke all on public.gallery from anon, authenticated, service_role;
    grant select (id, prompt) on public.gallery to anon;
    grant insert on public.gallery to authenticated with grant option;
    comment on column public.gallery.prompt is 'What was asked for.';
    alter view public.gallery alter column prompt set default 'a lamp';
    create function public.add_picture() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger add_picture instead of insert on public.gallery for each row execute function public.add_picture();
    comment on trigger add_picture on public.gallery is 'Asks for one.';
    create rule "no updates" as on update to public.gallery do instead nothing;
    create schema mine;
    grant usage, create on schema mine to service_role;
    create view mine.shown as select id from public.images;
    grant select on mine.shown to postgres, anon;
    alter view mine.shown owner to service_role;
    create materialized view mine.totals as select count(*) as images from public.images;
    create function mine.closed() returns setof public.images language sql stable as $$ select * from public.images $$;
    revoke all on function mine.closed() from public;`);
  const list = async (query: string) =>
    (await sql.unsafe(query)).map((row) => Object.values(row).join(' | '));
  const made = async () => ({
    relations:
      await list(`select c.oid::regclass, c.relowner::regrole, a.grantee::regrole, a.privilege_type, a.is_grantable
      from pg_class as c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as a
      where c.relkind in ('v', 'm') and c.oid::regclass::text ~ '^(mine\\.|gallery|batch_progress|multi_generation|tag_counts)'
      order by c.oid::regclass::text, a.grantee::regrole::text, a.privilege_type`),
    columns:
      await list(`select c.oid::regclass, t.attname, t.attacl, col_description(c.oid, t.attnum), pg_get_expr(d.adbin, c.oid)
      from pg_class as c join pg_attribute as t on t.attrelid = c.oid
      left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = t.attnum
      where c.oid = to_regclass('public.gallery') order by t.attnum`),
    triggers: await list(`select pg_get_triggerdef(oid), obj_description(oid, 'pg_trigger')
      from pg_trigger where tgrelid = to_regclass('public.gallery')`),
    rules: await list(`select pg_get_ruledef(oid) from pg_rewrite
      where ev_class = to_regclass('public.gallery') and rulename <> '_RETURN'`),
    functions:
      await list(`select p.oid::regprocedure, p.proowner::regrole, a.grantee::regrole, a.privilege_type
      from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
      where p.oid::regprocedure::text ~ '^(mine\\.|get_feed|title_of|count_images)'
      order by p.oid::regprocedure::text, a.grantee::regrole::text`),
  });
  const [before, all] = [await made(), await snapshot(sql)];
  expect(before.relations.length).toBeGreaterThan(20);
  await run('apply');
  expect(await made()).toEqual(before);
  await run('undo');
  expect(await snapshot(sql)).toEqual(all);
});
