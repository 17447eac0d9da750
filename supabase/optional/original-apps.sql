-- The tables and functions that are the original's apps' own: tags, likes, boards, the progress of a batch, what is
-- left of a user's limits, and uploads to the gallery. Picture Queue needs none of it. Run it once, after the
-- migrations, on a project that does not have these tables yet, in the SQL editor or with psql: what is there already
-- stays as it is.
--
-- Not here, because no call of the apps asks for it: prompt_templates, generation_errors, generation_performance,
-- user_rate_limits (limits are plans here: docs/operations/operate.md), multi_generation_groups.

begin;

-- Tags ----------------------------------------------------------------------------------------------------------------

-- Everybody's; who has made one may change it.
create table if not exists public.tags (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (char_length(name) between 1 and 100),
  color text check (char_length(color) <= 32),
  created_by uuid default auth.uid() references public.profiles on delete set null,
  created_at timestamptz not null default now()
);
create index if not exists tags_created_by on public.tags (created_by);
comment on table public.tags is 'The original''s apps: words for images, shared by all users.';

create table if not exists public.image_tags (
  id uuid primary key default gen_random_uuid(),
  image_id uuid not null references public.images on delete cascade,
  tag_id uuid not null references public.tags on delete cascade,
  added_at timestamptz not null default now(),
  unique (image_id, tag_id)
);
create index if not exists image_tags_tag on public.image_tags (tag_id);
comment on table public.image_tags is 'The original''s apps: which image has which tag.';

-- Likes ---------------------------------------------------------------------------------------------------------------

create table if not exists public.image_likes (
  id uuid primary key default gen_random_uuid(),
  image_id uuid not null references public.images on delete cascade,
  user_id uuid not null default auth.uid() references public.profiles on delete cascade,
  created_at timestamptz not null default now(),
  unique (image_id, user_id)
);
create index if not exists image_likes_user on public.image_likes (user_id);
comment on table public.image_likes is 'The original''s apps: who likes which image.';

-- Boards --------------------------------------------------------------------------------------------------------------

create table if not exists public.boards (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references public.profiles on delete cascade,
  name text not null check (char_length(name) <= 255),
  description text check (char_length(description) <= 4000),
  thumbnail_url text check (char_length(thumbnail_url) <= 2048),
  is_public boolean not null default false,
  canvas_width int not null default 2000,
  canvas_height int not null default 1500,
  background_color text default '#ffffff' check (char_length(background_color) <= 32),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index if not exists boards_user on public.boards (user_id, updated_at desc);
comment on table public.boards is 'The original''s apps: canvases for images.';

create table if not exists public.board_items (
  id uuid primary key default gen_random_uuid(),
  board_id uuid not null references public.boards on delete cascade,
  image_id uuid not null references public.images on delete cascade,
  position_x double precision not null default 0,
  position_y double precision not null default 0,
  scale_x double precision not null default 1,
  scale_y double precision not null default 1,
  rotation double precision not null default 0,
  z_index int not null default 0,
  opacity double precision not null default 1,
  width int,
  height int,
  created_at timestamptz not null default now(),
  unique (board_id, image_id)
);
create index if not exists board_items_image on public.board_items (image_id);
comment on table public.board_items is 'The original''s apps: where an image is on a board.';

create or replace function public.touch_board() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end
$$;
drop trigger if exists boards_touch on public.boards;
create trigger boards_touch before update on public.boards for each row execute function public.touch_board();

-- The caller's boards with the number of their items, the newest first, whoever is asked for.
create or replace function public.get_boards_with_counts(p_user_id uuid) returns table (
  id uuid, name text, description text, thumbnail_url text, is_public boolean, canvas_width int, canvas_height int,
  background_color text, created_at timestamptz, updated_at timestamptz, item_count bigint
)
language sql stable set search_path = '' as $$
  select
    b.id, b.name, b.description, b.thumbnail_url, b.is_public, b.canvas_width, b.canvas_height, b.background_color,
    b.created_at, b.updated_at, (select count(*) from public.board_items as i where i.board_id = b.id)
  from public.boards as b
  where b.user_id = p_user_id and b.user_id = auth.uid()
  order by b.updated_at desc
$$;

-- Batches and limits --------------------------------------------------------------------------------------------------

-- A batch with its generations, as the batch screen reads it. Its end by a cancel is 'failed' there: the screen knows
-- no other word.
create or replace view public.batch_progress with (security_invoker = true) as
select
  b.id,
  b.user_id,
  b.name,
  b.total_count,
  b.completed_count,
  b.created_at,
  b.failed_count + b.cancelled_count as failed_count,
  count(g.id) filter (where g.status in ('processing', 'downloading')) as processing_count,
  count(g.id) filter (where g.status in ('pending', 'queued')) as pending_count,
  case b.status when 'cancelled' then 'failed' else b.status end as status,
  coalesce(
    jsonb_agg(jsonb_build_object(
      'id', g.id, 'index', g.batch_index, 'prompt', g.prompt, 'status', g.status, 'error_message', g.error_message,
      'retry_count', g.retry_count, 'image_url', i.public_url
    ) order by g.batch_index) filter (where g.id is not null),
    '[]'
  ) as items
from public.batch_generations as b
left join public.image_generations as g on b.id = g.batch_id
left join public.images as i on g.id = i.generation_id
group by b.id;
comment on view public.batch_progress is 'The original''s apps: a batch of the caller''s with its generations.';

-- What is left of the caller's limits, whoever is asked for, in the words of the indicator: a plan counts images by the
-- day and requests by the minute, so the hour is what sixty minutes allow. No limit is a million.
create or replace function public.get_user_limits(p_user_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user uuid := auth.uid();
  v_plan private.plans;
  v_today int;
  v_hour int;
  v_open int;
  v_all bigint;
  v_daily int;
  v_hourly int;
begin
  if v_user is null or p_user_id is distinct from v_user then
    perform private.refuse(403, 'forbidden', 'You can ask for limits of your own only.');
  end if;
  v_plan := private.plan_of(v_user);
  v_daily := coalesce(v_plan.images_per_day, 1000000);
  v_hourly := least(coalesce(v_plan.requests_per_minute, 1000000)::bigint * 60, v_daily);
  select coalesce(sum(u.day_images), 0) into v_today from private.usage as u
  where u.user_id = v_user and u.day = (now() at time zone 'UTC')::date;
  select
    count(*),
    count(*) filter (where g.created_at > now() - interval '1 hour'),
    count(*) filter (where g.status in ('pending', 'queued', 'processing', 'downloading'))
  into v_all, v_hour, v_open
  from public.image_generations as g where g.user_id = v_user;
  return jsonb_build_object(
    'daily_used', v_today,
    'daily_limit', v_daily,
    'daily_reset_at', (date_trunc('day', now() at time zone 'UTC') + interval '1 day') at time zone 'UTC',
    'hourly_used', v_hour,
    'hourly_limit', v_hourly,
    'hourly_reset_at', date_trunc('hour', now()) + interval '1 hour',
    'active_generations', v_open,
    'max_concurrent', coalesce(v_plan.running_jobs, 1000000),
    'total_all_time', v_all,
    'can_generate', v_today < v_daily,
    'limit_reason', case when v_today >= v_daily then format('You can make %s images a day.', v_daily) end
  );
end
$$;

-- Uploads to the gallery ----------------------------------------------------------------------------------------------

-- Files that users put into the gallery themselves, in a public bucket, with a row of public.images for each. The app
-- deletes file and row; with an account the rows go, and its files stay until somebody deletes the folder.
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ('user-uploads', 'user-uploads', true, 10485760, '{image/jpeg,image/jpg,image/png,image/webp}')
on conflict (id) do nothing;

do $$
begin
  if not exists (select from pg_policies where schemaname = 'storage' and policyname = 'own uploads to the gallery') then
    create policy "own uploads to the gallery" on storage.objects for all to authenticated
    using (bucket_id = 'user-uploads' and split_part(name, '/', 1) = (select auth.uid())::text)
    with check (bucket_id = 'user-uploads' and split_part(name, '/', 1) = (select auth.uid())::text);
  end if;
end
$$;

grant insert (user_id, public_url, storage_path, filename, prompt, file_size, width, height, format)
on public.images to authenticated;
drop policy if exists "own uploads are images" on public.images;
create policy "own uploads are images" on public.images for insert to authenticated
with check (
  user_id = (select auth.uid()) and generation_id is null
  and split_part(storage_path, '/', 1) = (select auth.uid())::text and char_length(storage_path) <= 300
  -- A host, and nothing but the path of the file behind it.
  and regexp_replace(public_url, '^https?://[A-Za-z0-9.:-]+', '')
  = '/storage/v1/object/public/user-uploads/' || storage_path
  and char_length(public_url) <= 2048
  and coalesce(char_length(filename), 0) <= 255 and coalesce(char_length(prompt), 0) <= 4000
);

-- Rights --------------------------------------------------------------------------------------------------------------

revoke all on public.tags, public.image_tags, public.image_likes, public.boards, public.board_items,
public.batch_progress from public, anon, authenticated;
revoke all on function public.get_boards_with_counts(uuid), public.get_user_limits(uuid), public.touch_board()
from public, anon, authenticated;
grant all on public.tags, public.image_tags, public.image_likes, public.boards, public.board_items to service_role;
grant select, insert, update, delete on public.tags, public.boards, public.board_items to authenticated;
grant select, insert, delete on public.image_tags, public.image_likes to authenticated;
grant select on public.batch_progress to authenticated, service_role;
grant execute on function public.get_boards_with_counts(uuid), public.get_user_limits(uuid) to authenticated;

alter table public.tags enable row level security;
alter table public.image_tags enable row level security;
alter table public.image_likes enable row level security;
alter table public.boards enable row level security;
alter table public.board_items enable row level security;

do $$
begin
  if exists (select from pg_policies where schemaname = 'public' and policyname = 'tags are everybody''s') then
    return;
  end if;
  create policy "tags are everybody's" on public.tags for select to authenticated using (true);
  create policy "tags of one's own making" on public.tags for insert to authenticated
  with check (created_by = (select auth.uid()));
  create policy "own tags change" on public.tags for update to authenticated
  using (created_by = (select auth.uid())) with check (created_by = (select auth.uid()));
  create policy "own tags go" on public.tags for delete to authenticated using (created_by = (select auth.uid()));

  -- A row of images that one sees is one's own or public.
  create policy "tags of images that one sees" on public.image_tags for select to authenticated
  using (exists (select from public.images as i where i.id = image_id));
  create policy "own images get tags" on public.image_tags for insert to authenticated
  with check (exists (select from public.images as i where i.id = image_id and i.user_id = (select auth.uid())));
  create policy "own images lose tags" on public.image_tags for delete to authenticated
  using (exists (select from public.images as i where i.id = image_id and i.user_id = (select auth.uid())));

  create policy "likes of images that one sees" on public.image_likes for select to authenticated
  using (exists (select from public.images as i where i.id = image_id));
  create policy "likes of one's own" on public.image_likes for insert to authenticated
  with check (
    user_id = (select auth.uid()) and exists (select from public.images as i where i.id = image_id)
  );
  create policy "own likes go" on public.image_likes for delete to authenticated
  using (user_id = (select auth.uid()));

  create policy "own and public boards" on public.boards for select to authenticated
  using (user_id = (select auth.uid()) or is_public);
  create policy "boards of one's own" on public.boards for insert to authenticated
  with check (user_id = (select auth.uid()));
  create policy "own boards change" on public.boards for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
  create policy "own boards go" on public.boards for delete to authenticated using (user_id = (select auth.uid()));

  create policy "items of boards that one sees" on public.board_items for select to authenticated
  using (exists (select from public.boards as b where b.id = board_id));
  create policy "items of own boards" on public.board_items for all to authenticated
  using (exists (select from public.boards as b where b.id = board_id and b.user_id = (select auth.uid())))
  with check (
    exists (select from public.boards as b where b.id = board_id and b.user_id = (select auth.uid()))
    and exists (select from public.images as i where i.id = image_id)
  );
end
$$;

commit;
