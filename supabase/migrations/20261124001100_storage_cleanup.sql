-- Stored files that no row of `images` names, and uploads whose day is over. They are deleted over the Storage
-- API, for which the worker runs 'cleanup-storage' jobs: {names: [...], bucket}, at most 100 objects of the
-- bucket, generated-images where none is named. A job is no verdict: what may go is looked up when it runs
-- (private.removable_objects).
--
-- Where the former come from: a picture whose generation failed while it was being stored; a row that
-- was deleted; and whatever else went wrong, found by a look through the bucket once a day.

-- Whether a row names an object.
create index images_storage_path on public.images (storage_path);

insert into private.ready_queues (job_type, priority) values ('cleanup-storage', -10);

-- Files of rows that are no more, until the cron makes jobs of them: deleting a user with 10,000 pictures
-- deletes the rows one by one, and is to be 100 jobs.
create table private.removed_objects (
  id bigint generated always as identity primary key,
  name text not null,
  bucket text not null default 'generated-images',
  -- Not before: somebody may still be uploading.
  due_at timestamptz not null default now()
);
create index removed_objects_due on private.removed_objects (due_at, id);

-- How far the look through the bucket has come.
create table private.orphan_sweep (
  only_row boolean primary key default true check (only_row),
  -- Older objects are left alone: after a move they may be there before their rows are.
  objects_since timestamptz not null default now(),
  began_at timestamptz not null default '-infinity',
  -- Names up to this one have been looked at; null: all of them.
  after_name text,
  -- The same in source-images, which is looked through again and again.
  after_source text not null default '',
  -- The jobs made of what was found there; while one is open, no further ones are made.
  source_jobs uuid[] not null default '{}'
);
insert into private.orphan_sweep default values;

alter table private.removed_objects enable row level security;
alter table private.orphan_sweep enable row level security;

-- All names that a generation's picture may have.
create function private.object_names(p_user_id uuid, p_generation_id uuid) returns text[]
language sql immutable set search_path = '' as $$
  select array_agg(format('%s/%s.%s', p_user_id, p_generation_id, extension))
  from unnest('{webp,png,jpg,jpeg,gif,svg}'::text[]) as known (extension)
$$;

-- Whether no image has this file, and none is about to: a generation's downloads share its path.
create function private.is_unreferenced(p_name text) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return not exists (select from public.images as i where i.storage_path = p_name)
    and not exists (
      select from public.image_generations as g
      where g.id = private.as_uuid(split_part(split_part(p_name, '/', 2), '.', 1))
        and g.status in ('pending', 'queued', 'processing', 'downloading')
    );
end
$$;

-- One job for each 100 names; gives the jobs.
create function private.enqueue_cleanup(p_names text[], p_at timestamptz, p_bucket text = 'generated-images')
returns uuid[]
language plpgsql set search_path = '' set enable_seqscan = off as $$
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
    select jsonb_agg(n.name order by n.place) as names
    from unnest(p_names) with ordinality as n (name, place) group by (n.place - 1) / 100
  ) as part;
  return case when v_jobs is null then '{}' else private.insert_jobs(v_jobs) end;
end
$$;

-- For the worker that runs the job: which of its objects are there and may be deleted now.
create function private.removable_objects(p_job_id uuid, p_lease bigint) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
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

-- Its picture may still arrive: the upload that is under way ends within its lease.
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
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  insert into private.removed_objects (name, bucket)
  select o.name, o.bucket_id from storage.objects as o
  where o.bucket_id = 'source-images' and o.name like old.id || '/%';
  return null;
end
$$;
create trigger profiles_after_delete after delete on public.profiles
for each row execute function private.after_profile_delete();

-- Looks at the next uploads, by name, and makes jobs of those whose day is over; gives how many. While one of
-- these jobs is open nothing is done: where Storage cannot be reached, the same files would be found each minute.
create function private.sweep_sources(p_limit int) returns int
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_sweep private.orphan_sweep;
  v_seen int;
  v_last text;
  v_spent text[];
begin
  select * into v_sweep from private.orphan_sweep;
  if exists (
    select from public.job_queue where id = any(v_sweep.source_jobs) and status in ('pending', 'processing')
  ) then
    return 0;
  end if;
  select
    count(*), (array_agg(page.name order by page.place desc))[1],
    array_agg(page.name order by page.place) filter (where private.is_spent_source(page.name, page.created_at, page.metadata))
  into v_seen, v_last, v_spent
  from (
    select o.name, o.created_at, o.metadata, row_number() over (order by o.name) as place
    from storage.objects as o
    where o.bucket_id = 'source-images' and o.name > v_sweep.after_source
    order by o.name limit p_limit
  ) as page;
  if v_seen < p_limit then
    v_last := '';
  end if;
  if v_spent is not null or v_last <> v_sweep.after_source then
    update private.orphan_sweep
    set after_source = v_last, source_jobs = private.enqueue_cleanup(v_spent, now(), 'source-images')
    where only_row;
  end if;
  return coalesce(cardinality(v_spent), 0);
end
$$;

-- For the cron: makes jobs of what was removed, looks at the next objects of the bucket of images, by name,
-- once a day through all of it, and at the next uploads. p_limit is the most of each kind that a call looks at.
create function private.sweep_storage(p_limit int) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_limit int := least(greatest(coalesce(p_limit, 1000), 1), 10000);
  v_sweep private.orphan_sweep;
  v_removed text[];
  v_uploads text[];
  v_orphans text[];
  v_seen int := 0;
begin
  -- One at a time; whoever comes second leaves it to the first.
  select * into v_sweep from private.orphan_sweep for update skip locked;
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

  if v_sweep.after_name is null and v_sweep.began_at < now() - interval '1 day' then
    v_sweep.began_at := now();
    v_sweep.after_name := '';
  end if;
  if v_sweep.after_name is not null then
    -- The age is of the last upload: a picture that is stored again is no orphan meanwhile. Names of another
    -- form are not ours.
    select
      count(*), (array_agg(page.name order by page.place desc))[1],
      array_agg(page.name order by page.place) filter (where case
        when greatest(page.created_at, page.updated_at) < now() - interval '1 day'
          and page.created_at >= v_sweep.objects_since
          and page.name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[a-z]+$'
          then private.is_unreferenced(page.name)
        else false
      end)
    into v_seen, v_sweep.after_name, v_orphans
    from (
      select o.name, o.created_at, o.updated_at, row_number() over (order by o.name) as place
      from storage.objects as o
      where o.bucket_id = 'generated-images' and o.name > v_sweep.after_name
      order by o.name limit v_limit
    ) as page;
    if v_seen < v_limit then
      v_sweep.after_name := null;
    end if;
    perform private.enqueue_cleanup(v_orphans, now());
    update private.orphan_sweep set began_at = v_sweep.began_at, after_name = v_sweep.after_name where only_row;
  end if;
  return jsonb_build_object(
    'removed', coalesce(cardinality(v_removed), 0) + coalesce(cardinality(v_uploads), 0),
    'orphans', coalesce(cardinality(v_orphans), 0),
    'looked_at', v_seen, 'spent_sources', private.sweep_sources(v_limit)
  );
end
$$;

create function public.removable_objects(p_job_id uuid, p_lease bigint)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.removable_objects(p_job_id, p_lease);
end
$$;

create function public.sweep_storage(p_limit int = 1000)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.sweep_storage(p_limit);
end
$$;

revoke all on private.removed_objects, private.orphan_sweep from public, anon, authenticated, service_role;
revoke all on function
  private.object_names, private.is_unreferenced, private.enqueue_cleanup, private.after_images_delete,
  private.after_image_move, private.after_downloading_delete, private.after_profile_delete,
  public.removable_objects, private.removable_objects, private.sweep_sources,
  public.sweep_storage, private.sweep_storage
from public, anon, authenticated, service_role;
grant execute on function
  public.removable_objects, private.removable_objects, public.sweep_storage, private.sweep_storage
to service_role;
