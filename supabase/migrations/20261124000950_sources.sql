-- Images that users upload to start from: {user_id}/{source_id}.{png|jpg|webp} in a private bucket. The worker
-- start-generation writes them with the user's own token, and the policies here decide; Storage holds the types,
-- and the size of what says how large it is. A day after its upload a file is deleted (private.sweep_storage),
-- unless an open generation needs it.
--
-- Storage asks the policies before the body comes, and writes the row later with its own rights: of many uploads
-- at once each is judged as if it were the only one. So the policies keep out what they can, and what counts is
-- decided when a file is used: the oldest files that the plan has room for. The rest is never used, and goes with
-- the next sweep (docs/decisions/0024).

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ('source-images', 'source-images', false, 10485760, '{image/png,image/jpeg,image/webp}')
on conflict (id) do update set
  public = false, file_size_limit = excluded.file_size_limit, allowed_mime_types = excluded.allowed_mime_types;

-- Source images that a user has stored at the same time; null is no limit.
alter table private.plans add column stored_sources int default 100;

-- The upload that a generation starts from. No foreign key: the file goes before the generation.
alter table public.image_generations add column source_id uuid;
create index image_generations_upload on public.image_generations (source_id) where source_id is not null;

-- Whether the caller may store one more: the account is neither suspended nor deleted, and its plan has room.
create function private.may_add_source() returns boolean
language plpgsql stable security definer set search_path = '' set enable_seqscan = off
set plan_cache_mode = force_custom_plan as $$
declare
  v_user uuid := auth.uid();
  v_most int;
begin
  select p.stored_sources into v_most from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = v_user), 'default');
  return exists (
    select from auth.users as u where u.id = v_user and (u.banned_until is null or u.banned_until <= now())
  ) and (v_most is null or v_most > (
    select count(*) from (
      select from storage.objects as o
      where o.bucket_id = 'source-images' and o.name like v_user || '/%' limit v_most
    ) as stored
  ));
end
$$;

-- Whether a user's plan has no room for an upload: as many older ones are there, or it is larger than the bucket's
-- limit. Planned for each name, or its prefix would find no index.
create function private.is_excess_source(p_name text, p_created_at timestamptz, p_metadata jsonb) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off set plan_cache_mode = force_custom_plan as $$
declare
  v_folder text := split_part(p_name, '/', 1);
  v_most int;
begin
  if (p_metadata ->> 'size')::numeric > 10485760 then
    return true;
  end if;
  select p.stored_sources into v_most from private.plans as p
  where p.name = coalesce(
    (select u.plan from private.user_plans as u where u.user_id = private.as_uuid(v_folder)), 'default'
  );
  return v_most <= (
    select count(*) from (
      select from storage.objects as o
      where o.bucket_id = 'source-images' and o.name like v_folder || '/%'
        and (o.created_at, o.name) < (p_created_at, p_name)
      limit v_most
    ) as older
  );
end
$$;

-- Nobody but the service changes or deletes one: what is uploaded stays what it was when it was checked. A body
-- that does not say how long it is, is held to no limit by Storage: none of those. A form says the length of all of
-- it, some hundred bytes more than the file's.
create policy "users add source images to their own folder" on storage.objects for insert to authenticated
with check (
  bucket_id = 'source-images'
  and name ~ ('^' || (select auth.uid()) || '/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(png|jpg|webp)$')
  and (metadata ->> 'contentLength')::numeric between 1 and 10487808
  and (select private.may_add_source())
);
create policy "users find their own source images" on storage.objects for select to authenticated
using (bucket_id = 'source-images' and split_part(name, '/', 1) = (select auth.uid())::text);

-- The file of a user's upload; null where there is none, or none any more. For its last minute it is kept,
-- lest it be deleted under a generation that is just being started.
create function private.uploaded_source(p_user_id uuid, p_source_id uuid) returns text
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return (
    select o.name from storage.objects as o
    where o.bucket_id = 'source-images'
      and o.name = any(array(
        select format('%s/%s.%s', p_user_id, p_source_id, extension)
        from unnest('{png,jpg,webp}'::text[]) as known (extension)
      ))
      and o.created_at > now() - interval '24 hours'
      and not private.is_excess_source(o.name, o.created_at, o.metadata)
    order by o.name limit 1
  );
end
$$;

-- Whether an upload's time is over, or the plan has no room for it, and no generation that is under way needs it.
create function private.is_spent_source(p_name text, p_created_at timestamptz, p_metadata jsonb) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return (
    p_created_at < now() - interval '24 hours 1 minute' or private.is_excess_source(p_name, p_created_at, p_metadata)
  )
    and not exists (
      select from public.image_generations as g
      where g.source_id = private.as_uuid(split_part(split_part(p_name, '/', 2), '.', 1))
        and g.source_id is not null
        and g.status in ('pending', 'queued', 'processing', 'downloading')
    );
end
$$;

revoke all on function
  private.may_add_source, private.is_excess_source, private.uploaded_source, private.is_spent_source
from public, anon, authenticated, service_role;
grant execute on function private.may_add_source to authenticated;
