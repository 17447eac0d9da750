-- Images that users upload to start from: {user_id}/{source_id}.{png|jpg|webp} in a private bucket. The worker
-- start-generation writes them with the user's own token, and the policies here decide; Storage holds the size
-- and the types. A day after its upload a file is deleted (private.sweep_storage), unless an open generation
-- needs it.

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
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
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

-- Nobody but the service changes or deletes one: what is uploaded stays what it was when it was checked.
create policy "users add source images to their own folder" on storage.objects for insert to authenticated
with check (
  bucket_id = 'source-images'
  and name ~ ('^' || (select auth.uid()) || '/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(png|jpg|webp)$')
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
    order by o.name limit 1
  );
end
$$;

-- Whether an upload's time is over, and no generation that is under way needs it.
create function private.is_spent_source(p_name text, p_created_at timestamptz) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return p_created_at < now() - interval '24 hours 1 minute'
    and not exists (
      select from public.image_generations as g
      where g.source_id = private.as_uuid(split_part(split_part(p_name, '/', 2), '.', 1))
        and g.source_id is not null
        and g.status in ('pending', 'queued', 'processing', 'downloading')
    );
end
$$;

revoke all on function private.may_add_source, private.uploaded_source, private.is_spent_source
from public, anon, authenticated, service_role;
grant execute on function private.may_add_source to authenticated;
