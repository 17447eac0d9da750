-- Stored files: finished images in the public bucket generated-images, {user_id}/{generation_id}.{extension}, and
-- uploads to start from in the private bucket source-images, {user_id}/{source_id}.{png|jpg|webp}. A file that nobody
-- needs any more is deleted over the Storage API, by jobs 'cleanup-storage' that the cron makes. The policies of both
-- buckets stand in *_api.sql.

-- Finished images -----------------------------------------------------------------------------------------------------
--
-- Anybody who knows an image's address may read it; its path cannot be guessed. Only the service writes.

insert into storage.buckets (id, name, public) values ('generated-images', 'generated-images', true)
on conflict (id) do update set public = true;

-- Uploads -------------------------------------------------------------------------------------------------------------
--
-- Images that users upload to start from: {user_id}/{source_id}.{png|jpg|webp} in a private bucket. The worker
-- start-generation writes them with the user's own token, and its policies, in *_api.sql, decide; Storage holds the
-- types, and the size of what says how large it is. A day after its upload a file is deleted (private.sweep_storage),
-- unless an open generation needs it.
--
-- Storage asks the policies before the body comes, and writes the row later with its own rights: of many uploads
-- at once each is judged as if it were the only one. So the policies keep out what they can, and what counts is
-- decided when a file is used: the oldest files that the plan has room for. The rest is never used, and goes with
-- the next run of the cron (docs/decisions/0024).

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ('source-images', 'source-images', false, 10485760, '{image/png,image/jpeg,image/webp}')
on conflict (id) do update set
  public = false, file_size_limit = excluded.file_size_limit, allowed_mime_types = excluded.allowed_mime_types;

-- Whether the caller may store one more: the account is neither suspended nor deleted, and its plan has room.
create function private.may_add_source() returns boolean
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_custom_plan as $$
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
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_custom_plan as $$
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

-- The file of a user's upload; null where there is none, or none any more. For its last minute it is kept,
-- lest it be deleted under a generation that is just being started.
create function private.uploaded_source(p_user_id uuid, p_source_id uuid) returns text
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return (
    select o.name
    from unnest('{png,jpg,webp}'::text[]) as known (extension)
    -- Each name for itself: of a list of names PostgreSQL 15 may read all of the index, for the sake of its order.
    cross join lateral (
      select named.name, named.created_at, named.metadata from storage.objects as named
      where named.bucket_id = 'source-images'
        and named.name = format('%s/%s.%s', p_user_id, p_source_id, known.extension)
      offset 0
    ) as o
    where o.created_at > now() - interval '24 hours'
      and not private.is_excess_source(o.name, o.created_at, o.metadata)
    order by o.name limit 1
  );
end
$$;

-- Whether an upload's time is over, or the plan has no room for it, and no generation that is under way needs it.
create function private.is_spent_source(p_name text, p_created_at timestamptz, p_metadata jsonb) returns boolean
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return (
    p_created_at < now() - interval '24 hours 1 minute' or private.is_excess_source(p_name, p_created_at, p_metadata)
  )
    and not exists (
      select from public.image_generations as g
      where g.source_id = private.as_uuid(split_part(split_part(p_name, '/', 2), '.', 1))
        and g.source_id is not null
        and g.status in ('pending', 'queued', 'processing', 'downloading')
    )
    and not exists (
      select from public.image_generations as g
      where g.upload_ids @> array[private.as_uuid(split_part(split_part(p_name, '/', 2), '.', 1))]
        and g.upload_ids is not null
        and g.status in ('pending', 'queued', 'processing', 'downloading')
    );
end
$$;

-- Files that nobody needs any more ------------------------------------------------------------------------------------
--
-- Stored files that no row of `images` names, and uploads whose day is over. They are deleted over the Storage
-- API, for which the worker runs 'cleanup-storage' jobs: {names: [...], bucket}, at most 100 objects of the
-- bucket, generated-images where none is named. A job decides nothing: what may go is looked up when it runs
-- (private.removable_objects).
--
-- Where the former come from: an image whose generation failed while it was being stored; a row that
-- was deleted; and whatever else went wrong, found by a look through the bucket once a day.

-- All names that a generation's image may have.
create function private.object_names(p_user_id uuid, p_generation_id uuid) returns text[]
language sql immutable set search_path = '' as $$
  select array_agg(format('%s/%s.%s', p_user_id, p_generation_id, extension))
  from unnest('{webp,png,jpg,jpeg,gif,svg}'::text[]) as known (extension)
$$;

-- Whether no image has this file, and none is about to: a generation's downloads share its path. Users choose the ids
-- of what they insert, so only a generation of the path's owner counts.
create function private.is_unreferenced(p_name text) returns boolean
language plpgsql stable set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  return not exists (select from public.images as i where i.storage_path = p_name)
    and not exists (
      select from public.image_generations as g
      where g.id = private.as_uuid(split_part(split_part(p_name, '/', 2), '.', 1))
        and g.user_id = private.as_uuid(split_part(p_name, '/', 1))
        and g.status in ('pending', 'queued', 'processing', 'downloading')
    );
end
$$;

-- For the worker that runs the job: which of its objects are there and may be deleted now.
create function private.removable_objects(p_job_id uuid, p_lease bigint) returns jsonb
language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_names jsonb;
  v_bucket text;
begin
  select payload -> 'names', coalesce(payload ->> 'bucket', 'generated-images') into v_names, v_bucket
  from private.running_jobs
  where id = p_job_id and lease = p_lease and job_type = 'cleanup-storage';
  if not found then
    return '{"outcome": "stale"}';
  end if;
  if jsonb_typeof(v_names) is distinct from 'array' or v_names -> 100 is not null
    or v_bucket not in ('generated-images', 'source-images') then
    return '{"outcome": "invalid"}';
  end if;
  return jsonb_build_object('outcome', 'removable', 'bucket', v_bucket, 'names', coalesce((
    select jsonb_agg(o.name) from storage.objects as o
    where o.bucket_id = v_bucket
      and o.name = any(array(select jsonb_array_elements_text(v_names)))
      and case v_bucket
        when 'source-images' then private.is_spent_source(o.name, o.created_at, o.metadata) or not exists (
          select from auth.users as u where u.id = private.as_uuid(split_part(o.name, '/', 1))
        )
        else private.is_unreferenced(o.name)
      end
  ), '[]'));
end
$$;

-- One job for each 100 names; gives the jobs.
create function private.enqueue_cleanup(p_names text[], p_at timestamptz, p_bucket text = 'generated-images')
returns uuid[]
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_jobs jsonb;
begin
  select jsonb_agg(jsonb_build_object(
    'job_type', 'cleanup-storage', 'priority', -10, 'scheduled_at', p_at,
    -- What stays is found again.
    'retry_until', greatest(p_at, now()) + interval '24 hours',
    'payload', jsonb_build_object('names', part.names, 'bucket', p_bucket)
  )) into v_jobs
  from (
    select jsonb_agg(n.name order by n.ord) as names
    from unnest(p_names) with ordinality as n (name, ord) group by (n.ord - 1) / 100
  ) as part;
  return case when v_jobs is null then '{}' else private.insert_jobs(v_jobs) end;
end
$$;

-- For the cron: makes jobs of what was removed, looks at the next objects of the bucket of images, by name,
-- once a day through all of it, and at the next uploads. p_limit is the most of each kind that a call looks at.
create function private.sweep_storage(p_limit int) returns jsonb
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := least(greatest(coalesce(p_limit, 1000), 1), 10000);
  v_scan private.storage_scan;
  v_removed text[];
  v_uploads text[];
  v_orphans text[];
  v_seen int := 0;
begin
  -- One at a time; whoever comes second leaves it to the first.
  select * into v_scan from private.storage_scan for update skip locked;
  if not found then
    return '{"removed": 0, "orphans": 0, "looked_at": 0, "spent_sources": 0}';
  end if;

  with taken as (
    delete from private.removed_objects where id = any(array(
      select id from private.removed_objects where due_at <= now() order by due_at, id limit v_limit
    ))
    returning name, bucket
  )
  select
    array_agg(distinct name) filter (where bucket = 'generated-images'),
    array_agg(distinct name) filter (where bucket = 'source-images')
  into v_removed, v_uploads from taken;
  perform private.enqueue_cleanup(v_removed, now());
  perform private.enqueue_cleanup(v_uploads, now(), 'source-images');

  if v_scan.after_name is null and v_scan.began_at < now() - interval '1 day' then
    v_scan.began_at := now();
    v_scan.after_name := '';
  end if;
  if v_scan.after_name is not null then
    -- The age is of the last upload: an image that is stored again is no orphan meanwhile. Names of another
    -- form are not ours.
    select
      count(*), (array_agg(page.name order by page.ord desc))[1],
      array_agg(page.name order by page.ord) filter (where case
        when greatest(page.created_at, page.updated_at) < now() - interval '1 day'
          and page.created_at >= v_scan.objects_since
          and page.name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[a-z]+$'
          then private.is_unreferenced(page.name)
        else false
      end)
    into v_seen, v_scan.after_name, v_orphans
    from (
      select o.name, o.created_at, o.updated_at, row_number() over (order by o.name) as ord
      from storage.objects as o
      where o.bucket_id = 'generated-images' and o.name > v_scan.after_name
      order by o.name limit v_limit
    ) as page;
    if v_seen < v_limit then
      v_scan.after_name := null;
    end if;
    perform private.enqueue_cleanup(v_orphans, now());
    update private.storage_scan set began_at = v_scan.began_at, after_name = v_scan.after_name where only_row;
  end if;
  return jsonb_build_object(
    'removed', coalesce(cardinality(v_removed), 0) + coalesce(cardinality(v_uploads), 0),
    'orphans', coalesce(cardinality(v_orphans), 0),
    'looked_at', v_seen, 'spent_sources', private.enqueue_spent_sources(v_limit)
  );
end
$$;

-- Looks at the next uploads, by name, and makes jobs of those whose day is over; gives how many. While one of
-- these jobs is open nothing is done: where Storage cannot be reached, the same files would be found each minute.
create function private.enqueue_spent_sources(p_limit int) returns int
language plpgsql set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_scan private.storage_scan;
  v_seen int;
  v_last text;
  v_spent text[];
begin
  select * into v_scan from private.storage_scan;
  if exists (
    select from public.job_queue where id = any(v_scan.source_jobs) and status in ('pending', 'processing')
  ) then
    return 0;
  end if;
  select
    count(*), (array_agg(page.name order by page.ord desc))[1],
    array_agg(page.name order by page.ord) filter (where private.is_spent_source(page.name, page.created_at, page.metadata))
  into v_seen, v_last, v_spent
  from (
    select o.name, o.created_at, o.metadata, row_number() over (order by o.name) as ord
    from storage.objects as o
    where o.bucket_id = 'source-images' and o.name > v_scan.after_source
    order by o.name limit p_limit
  ) as page;
  if v_seen < p_limit then
    v_last := '';
  end if;
  if v_spent is not null or v_last <> v_scan.after_source then
    update private.storage_scan
    set after_source = v_last, source_jobs = private.enqueue_cleanup(v_spent, now(), 'source-images')
    where only_row;
  end if;
  return coalesce(cardinality(v_spent), 0);
end
$$;

-- What leaves files behind --------------------------------------------------------------------------------------------

create function private.after_images_delete() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.removed_objects (name) select storage_path from gone;
  return null;
end
$$;

create trigger images_after_delete after delete on public.images
referencing old table as gone for each statement execute function private.after_images_delete();

create function private.after_image_move() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.removed_objects (name) values (old.storage_path);
  return null;
end
$$;

create trigger images_after_move after update of storage_path on public.images
for each row when (old.storage_path is distinct from new.storage_path)
execute function private.after_image_move();

-- Its image may still arrive: the upload that is under way ends within its lease.
create function private.after_downloading_delete() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.removed_objects (name, due_at)
  select name, now() + interval '10 minutes' from unnest(private.object_names(old.user_id, old.id)) as name;
  return null;
end
$$;

create trigger image_generations_after_delete after delete on public.image_generations
for each row when (old.status = 'downloading') execute function private.after_downloading_delete();

-- What a user has uploaded goes with the user, and not a day later.
create function private.after_profile_delete() returns trigger
language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
begin
  insert into private.removed_objects (name, bucket)
  select o.name, o.bucket_id from storage.objects as o
  where o.bucket_id = 'source-images' and o.name like old.id || '/%';
  return null;
end
$$;

create trigger profiles_after_delete after delete on public.profiles
for each row execute function private.after_profile_delete();
