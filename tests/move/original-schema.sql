-- The original's tables, views and functions, as far as its published types and descriptions tell them: columns and
-- what may be null. Run as the project's owner, in an empty project.

create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  username text unique,
  email text,
  avatar_url text,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
alter table public.profiles enable row level security;
create policy "profiles are seen by their users" on public.profiles for select using (auth.uid() = id);

create table public.models (
  id uuid primary key default gen_random_uuid(),
  replicate_id text not null,
  version text,
  name text not null,
  display_name text not null,
  description text,
  default_width int,
  default_height int,
  default_steps int,
  default_guidance_scale numeric,
  default_strength numeric,
  min_width int,
  min_height int,
  max_width int,
  max_height int,
  max_steps int,
  strength_min numeric,
  strength_max numeric,
  supported_aspect_ratios jsonb,
  supports_negative_prompt boolean default false,
  supports_seed boolean default true,
  supports_img2img boolean default false,
  supports_image_to_image boolean default false,
  cost_per_generation numeric,
  estimated_time_seconds int,
  is_active boolean default true,
  is_default boolean default false,
  sort_order int default 0,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
alter table public.models enable row level security;
create policy "models are seen" on public.models for select using (true);

-- The model of a batch is a text.
create table public.batch_generations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id),
  name text,
  total_count int not null,
  completed_count int default 0,
  failed_count int default 0,
  status text default 'pending',
  model_id text,
  model_version text,
  width int,
  height int,
  steps int,
  guidance_scale double precision,
  is_multi_generation boolean default false,
  multi_count int,
  created_at timestamptz default now(),
  completed_at timestamptz
);

create table public.image_generations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references public.profiles (id) on delete cascade,
  prompt text not null,
  negative_prompt text,
  model text,
  model_id uuid references public.models (id),
  style text,
  width int,
  height int,
  steps int,
  guidance_scale double precision,
  seed bigint,
  source_image_url text,
  generation_strength double precision,
  status text default 'pending',
  error_message text,
  generation_time_seconds int,
  replicate_prediction_id text,
  priority int default 0,
  retry_count int default 0,
  batch_id uuid references public.batch_generations (id) on delete cascade,
  batch_index int,
  multi_group_id uuid,
  multi_index int,
  created_at timestamptz default now(),
  completed_at timestamptz
);
create index image_generations_status on public.image_generations (status, created_at);
alter table public.image_generations enable row level security;
create policy "generations of one's own" on public.image_generations using (auth.uid() = user_id);

create table public.images (
  id uuid primary key default gen_random_uuid(),
  generation_id uuid references public.image_generations (id) on delete set null,
  user_id uuid references public.profiles (id) on delete cascade,
  filename text not null,
  storage_path text not null,
  public_url text,
  file_size bigint,
  width int,
  height int,
  format text,
  prompt text not null,
  negative_prompt text,
  model text,
  style text,
  source_image_id uuid references public.images (id),
  generation_strength double precision,
  blurhash text,
  is_public boolean default false,
  is_favorite boolean default false,
  rating int,
  download_count int default 0,
  archived_at timestamptz,
  created_at timestamptz default now()
);
alter table public.images enable row level security;
create policy "images of one's own" on public.images using (auth.uid() = user_id);

create table public.job_queue (
  id uuid primary key default gen_random_uuid(),
  job_type text not null check (job_type in ('generate-image', 'download-image', 'process-webhook', 'cleanup-storage')),
  payload jsonb not null default '{}',
  status text not null default 'pending',
  attempts int not null default 0,
  max_attempts int not null default 3,
  scheduled_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  error_message text,
  error_details jsonb,
  created_by uuid references auth.users (id),
  priority int not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index job_queue_next on public.job_queue (priority desc, scheduled_at) where status = 'pending';
alter table public.job_queue enable row level security;
create policy "jobs of one's own" on public.job_queue for select using (auth.uid() = created_by);
create policy "the service does everything" on public.job_queue using (auth.role() = 'service_role');

create function public.touch_job() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end
$$;
create trigger job_queue_touch before update on public.job_queue for each row execute function public.touch_job();

create function public.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int default 0, p_scheduled_at timestamptz default now(),
  p_max_attempts int default 3
) returns uuid language sql security definer as $$
  insert into public.job_queue (job_type, payload, priority, scheduled_at, max_attempts)
  values (p_job_type, p_payload, p_priority, p_scheduled_at, p_max_attempts) returning id
$$;
create function public.claim_next_job(p_job_types text[] default null) returns setof public.job_queue
language sql security definer as $$
  update public.job_queue set status = 'processing', started_at = now(), attempts = attempts + 1
  where id = (
    select id from public.job_queue
    where status = 'pending' and scheduled_at <= now() and (p_job_types is null or job_type = any (p_job_types))
    order by priority desc, scheduled_at limit 1 for update skip locked
  )
  returning *
$$;
create function public.complete_job(p_job_id uuid, p_error_message text default null, p_error_details jsonb default null)
returns void language plpgsql security definer as $$
begin
  update public.job_queue set status = case when p_error_message is null then 'completed' else 'failed' end,
    completed_at = now(), error_message = p_error_message, error_details = p_error_details
  where id = p_job_id;
  if not found then
    raise exception 'Job not found: %', p_job_id;
  end if;
end
$$;

create view public.queue_health as
select job_type, status, count(*) as count, min(created_at) as oldest_job, max(created_at) as newest_job,
  avg(extract(epoch from completed_at - started_at)) as avg_duration_seconds, avg(attempts) as avg_attempts
from public.job_queue group by job_type, status;
create view public.failed_jobs_recent as
select id, job_type, payload, attempts, error_message, created_at, completed_at
from public.job_queue where status = 'failed' and completed_at > now() - interval '24 hours';
create view public.stuck_jobs as
select id, job_type, payload, started_at, extract(epoch from now() - started_at) / 60 as minutes_stuck
from public.job_queue where status = 'processing' and started_at < now() - interval '10 minutes';

-- The app's own.
create table public.tags (
  id uuid primary key default gen_random_uuid(), name text not null unique, color text, created_at timestamptz default now()
);
create table public.image_tags (
  id uuid primary key default gen_random_uuid(),
  image_id uuid references public.images (id) on delete cascade,
  tag_id uuid references public.tags (id) on delete cascade,
  added_at timestamptz default now(),
  unique (image_id, tag_id)
);
comment on constraint image_tags_image_id_fkey on public.image_tags is 'A tag goes with its image.';
alter table public.image_tags enable row level security;
create policy "tags of one's own images" on public.image_tags using (
  exists (select from public.images where images.id = image_tags.image_id and images.user_id = auth.uid())
) with check (
  exists (select from public.images where images.id = image_tags.image_id and images.user_id = auth.uid())
);
create table public.image_likes (
  id uuid primary key default gen_random_uuid(),
  image_id uuid references public.images (id) on delete cascade,
  user_id uuid references public.profiles (id) on delete cascade,
  created_at timestamptz default now(),
  unique (image_id, user_id)
);
create table public.boards (id uuid primary key default gen_random_uuid(), user_id uuid references public.profiles (id), name text);
create table public.board_items (
  board_id uuid references public.boards (id) on delete cascade,
  image_id uuid references public.images (id) on delete cascade deferrable initially deferred,
  primary key (board_id, image_id)
);
create table public.prompt_templates (
  id uuid primary key default gen_random_uuid(), user_id uuid references public.profiles (id), name text not null,
  prompt text not null, negative_prompt text, category text, is_public boolean default false, use_count int default 0,
  created_at timestamptz default now()
);
create table public.generation_errors (
  id uuid primary key default gen_random_uuid(), user_id uuid,
  generation_id uuid references public.image_generations (id) on delete cascade,
  batch_id uuid references public.batch_generations (id) on delete cascade,
  error_type text, error_message text, error_details jsonb, retry_count int, max_retries int, retry_after timestamptz,
  recovery_action text, recovered_at timestamptz, created_at timestamptz default now()
);
create table public.user_rate_limits (
  user_id uuid primary key, daily_generations_limit int default 100, daily_generations_count int default 0
);

create view public.batch_progress with (security_invoker = true) as
select b.id, b.user_id, b.name, b.status, b.total_count, b.completed_count, b.failed_count, b.created_at,
  count(g.id) filter (where g.status = 'processing') as processing_count,
  jsonb_agg(jsonb_build_object('id', g.id, 'status', g.status) order by g.batch_index) as items
from public.batch_generations as b left join public.image_generations as g on g.batch_id = b.id
group by b.id;
comment on view public.batch_progress is 'How far a batch is.';
grant select on public.batch_progress to authenticated;
create view public.multi_generation_groups as
select multi_group_id, user_id, prompt, count(*) as total_count from public.image_generations
where multi_group_id is not null group by multi_group_id, user_id, prompt;
-- Reads a view, and a column that only the old table has.
create view public.large_groups as select * from public.multi_generation_groups where total_count > 2;
create view public.multi_batches as select id, multi_count from public.batch_generations where is_multi_generation;
create materialized view public.tag_counts as
select t.name, count(i.id) as images from public.tags as t left join public.image_tags as it on it.tag_id = t.id
left join public.images as i on i.id = it.image_id group by t.name;
create unique index tag_counts_name on public.tag_counts (name);

create function public.get_user_limits(p_user_id uuid) returns json language sql stable as $$
  select json_build_object('daily_used', count(*), 'daily_limit', 100) from public.image_generations
  where user_id = p_user_id and created_at > now() - interval '1 day'
$$;

-- Bound to rows of the old tables; and written in the standard's way.
create function public.get_feed(p_limit int default 20) returns setof public.images language sql stable as $$
  select * from public.images where is_public order by created_at desc limit p_limit
$$;
create function public.title_of(p_image public.images) returns text language sql immutable as $$ select p_image.prompt $$;
create function public.count_images() returns bigint stable begin atomic select count(*) from public.images; end;
revoke execute on function public.get_feed(int) from public;
grant execute on function public.get_feed(int) to authenticated;
comment on function public.get_feed(int) is 'What others show.';

grant select, insert, update, delete on all tables in schema public to authenticated, service_role;
alter publication supabase_realtime add table public.job_queue, public.image_generations;

insert into storage.buckets (id, name, public, file_size_limit) values ('generated-images', 'generated-images', false, 1048576);
insert into storage.buckets (id, name, public) values ('user-uploads', 'user-uploads', true);
create policy "uploads of one's own" on storage.objects for insert to authenticated
with check (bucket_id = 'user-uploads' and split_part(name, '/', 1) = auth.uid()::text);
create policy "everybody sees pictures" on storage.objects for select using (bucket_id = 'generated-images');

create schema supabase_migrations;
create table supabase_migrations.schema_migrations (version text not null primary key, statements text[], name text);
insert into supabase_migrations.schema_migrations values
  ('20250901000000', '{"create table a ()"}', 'initial'), ('20251009000000', '{"x","y"}', 'job_queue_system');
