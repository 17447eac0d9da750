-- What users and operators see: people, models, generations, images.
-- The queue's own tables are in the next file.

-- A table of this name that is there already is the app's: it keeps its columns, its rights and its rows, and gets a
-- row for each user. It gets no addresses either: others may be allowed to read it.
do $do$
begin
  if to_regclass('public.profiles') is not null then
    return;
  end if;
  create table public.profiles (
    id uuid primary key references auth.users on delete cascade,
    -- What users write themselves is bounded: characters.
    username text check (char_length(username) <= 255),
    email text,
    avatar_url text check (char_length(avatar_url) <= 2048),
    created_at timestamptz not null default now()
  );
  create function private.fill_profile() returns trigger
  language plpgsql security definer set search_path = '' as $$
  begin
    if new.email is null then
      select u.email into new.email from auth.users as u where u.id = new.id;
    end if;
    return new;
  end
  $$;
  create trigger profiles_fill before insert on public.profiles
  for each row execute function private.fill_profile();

  alter table public.profiles enable row level security;
  revoke all on public.profiles from public, anon, authenticated;
  grant all on public.profiles to service_role;
  grant select on public.profiles to authenticated;
  grant update (username, avatar_url) on public.profiles to authenticated;
  create policy "own profile" on public.profiles for select to authenticated
  using (id = (select auth.uid()));
  create policy "own profile's names" on public.profiles for update to authenticated
  using (id = (select auth.uid())) with check (id = (select auth.uid()));
end
$do$;

create table public.models (
  id uuid primary key default gen_random_uuid(),
  -- The model's name at the provider, owner/name. Requests name a model by it.
  replicate_id text unique not null,
  version text,
  name text,
  display_name text,
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
  supports_negative_prompt boolean not null default false,
  supports_seed boolean not null default false,
  supports_img2img boolean not null default false,
  -- What the provider asks, in US dollars: by cost_per_second where that is set, else for an image and its
  -- megapixels together (private.expected_cost, private.prediction_cost).
  cost_per_generation numeric,
  -- For each megapixel of the image, 1048576 pixels, rounded up.
  cost_per_megapixel numeric,
  -- For a second that the model runs.
  cost_per_second numeric,
  -- Seconds that it usually runs, until runs have been measured.
  typical_seconds numeric,
  -- Where the price comes from: the legend is in shared/src/catalogue/models.json.
  price_source text,
  estimated_time_seconds numeric,
  is_active boolean not null default true,
  is_default boolean not null default false,
  sort_order int not null default 0,
  created_at timestamptz not null default now()
);

create table public.batch_generations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles on delete cascade,
  name text,
  total_count int not null default 0,
  completed_count int not null default 0,
  failed_count int not null default 0,
  cancelled_count int not null default 0,
  status text not null default 'pending'
    check (status in ('pending', 'processing', 'completed', 'partial', 'failed', 'cancelled')),
  model_id uuid references public.models on delete set null,
  model_version text,
  width int,
  height int,
  steps int,
  guidance_scale numeric,
  created_at timestamptz not null default now(),
  completed_at timestamptz
)
-- Rewritten at the end of each image, in columns that no index has: room on the page keeps the new version
-- beside the old one (HOT).
with (fillfactor = 50);
create index batch_generations_user on public.batch_generations (user_id, created_at desc);
create index batch_generations_model on public.batch_generations (model_id);

create table public.image_generations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles on delete cascade,
  prompt text not null,
  negative_prompt text,
  -- The model's name at the provider as it was when the request came; model_id may go away.
  model text,
  model_id uuid references public.models on delete set null,
  style text,
  width int,
  height int,
  steps int,
  guidance_scale numeric,
  seed bigint,
  source_image_url text,
  generation_strength numeric,
  status text not null default 'queued'
    check (status in ('pending', 'queued', 'processing', 'downloading', 'completed', 'failed', 'cancelled')),
  error_message text,
  -- From the start of the run to the stored image.
  generation_time_seconds numeric,
  replicate_prediction_id text,
  priority int not null default 0,
  retry_count int not null default 0,
  batch_id uuid references public.batch_generations on delete cascade,
  batch_index int,
  multi_group_id uuid,
  multi_index int,
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  -- The job 'generate-image' it was started with, the 'download-image' that stores its picture, and the
  -- 'cancel-prediction' that stops its run. No foreign keys: jobs are pruned, generations stay.
  job_id uuid,
  download_job_id uuid,
  cancel_job_id uuid,
  progress smallint not null default 0 check (progress between 0 and 100),
  -- What was changed to fit the model: [{field, requested, used, reason}].
  adjustments jsonb not null default '[]',
  operation text not null default 'generate',
  error_code text,
  cost_usd numeric,
  -- What it counts for in its user's money of that day until it is completed or fails: the model's price. Once it
  -- is cancelled, what its run has cost.
  reserved_usd numeric not null default 0,
  -- Null: in no day's. So is one for later, until it is due.
  reserved_on date,
  -- Cancelled, and what its prediction has cost is not known yet: what was reserved still counts.
  cost_open boolean not null default false,
  started_at timestamptz,
  -- The provider's own measure of the model's run.
  predict_time_seconds numeric,
  source_generation_id uuid references public.image_generations on delete set null
)
-- Rewritten three or four times within a minute, all but the last time in columns that no index has (HOT),
-- then never again.
with (fillfactor = 70);
create index image_generations_user on public.image_generations (user_id, created_at desc, id desc);
create index image_generations_batch on public.image_generations (batch_id) where batch_id is not null;
create index image_generations_model on public.image_generations (model_id);
create index image_generations_source on public.image_generations (source_generation_id)
where source_generation_id is not null;

create table public.images (
  id uuid primary key default gen_random_uuid(),
  -- One image for a generation, however often its storing is repeated.
  generation_id uuid unique references public.image_generations on delete cascade,
  user_id uuid not null references public.profiles on delete cascade,
  filename text,
  storage_path text not null,
  public_url text not null,
  -- Bytes.
  file_size bigint,
  width int,
  height int,
  format text,
  prompt text,
  negative_prompt text,
  model text,
  style text,
  source_image_id uuid references public.images on delete set null,
  generation_strength numeric,
  blurhash text,
  is_public boolean not null default false,
  is_favorite boolean not null default false,
  -- Its owner's: stars, percent or thumbs, as the app has it.
  rating int check (rating between -100 and 100),
  download_count int not null default 0,
  -- Its owner's: a time that every client can read.
  archived_at timestamptz check (archived_at >= '1970-01-01Z' and archived_at < '10000-01-01Z'),
  created_at timestamptz not null default now()
);
create index images_user on public.images (user_id, created_at desc);
create index images_source on public.images (source_image_id) where source_image_id is not null;
