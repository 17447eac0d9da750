-- The schema of this project at commit 9425c03, all its migrations in one file: the queue as it was before its engine was
-- written anew. It is here for one purpose, to be measured beside the present one in the same run
-- (`npm run bench:queue -- --engines old,new`); nothing else reads it, and nobody changes it.

-- 20261124000050_preflight.sql

-- Looks before anything is changed: whether the migrations can go onto this database at all. What stands in the
-- way is told in one sentence, with what to do about it; docs/operations/deploy.md lists the same.

do $$
declare
  v_version int := current_setting('server_version_num')::int;
  v_relations text[] := '{models,batch_generations,image_generations,images,job_queue,'
    'queue_health,failed_jobs_recent,stuck_jobs,queue_latency,tenant_usage}';
  v_functions text[] := regexp_split_to_array(btrim('
    cancel_generation claim_jobs claim_next_job complete_job complete_jobs enqueue_job enqueue_jobs
    extend_lease fail_job finish_download finish_prediction get_generation list_generations
    live_snapshot model_prices pause_provider prune_jobs queue_metrics queue_status record_delivery record_prediction
    record_progress record_sweep refuse_model removable_objects requeue_job resend_webhook rotate_webhook_secret
    snooze_job start_generation sweep_storage webhook_deliveries webhook_message webhook_secret
  ', E' \n'), '\s+');
  v_taken text;
  v_profiles regclass := to_regclass('public.profiles');
  v_missing text;
begin
  if v_version < 150000 then
    raise exception using errcode = 'feature_not_supported', message = format(
      'Picture Queue needs PostgreSQL 15 or newer and this is %s: upgrade the database, then push the migrations again.',
      current_setting('server_version')
    );
  elsif v_version >= 180000 then
    raise warning 'Picture Queue is tested on PostgreSQL 15 to 17, and this is %.', current_setting('server_version');
  end if;

  -- Ours from before: what is in `private` then is no stranger's.
  if obj_description(to_regnamespace('private'), 'pg_namespace') like 'Picture Queue:%' then
    return;
  end if;
  if exists (select from pg_class where relnamespace = to_regnamespace('private'))
    or exists (select from pg_proc where pronamespace = to_regnamespace('private'))
    or exists (select from pg_type where typnamespace = to_regnamespace('private'))
  then
    raise exception using errcode = 'duplicate_schema', message =
      'Picture Queue keeps its own things in a schema "private", and this database has one that is not empty: '
      'rename it (alter schema private rename to app_private) or use another project, then push the migrations again.';
  end if;

  select string_agg(taken.name, ', ' order by taken.name) into v_taken
  from (
    select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relname = any(v_relations)
    union
    select typname from pg_type
    where typnamespace = 'public'::regnamespace and typname = any(v_relations)
    union
    select proname || '()' from pg_proc
    where pronamespace = 'public'::regnamespace and proname = any(v_functions)
  ) as taken;
  if v_taken is not null then
    raise exception using errcode = 'duplicate_object', message = format(
      'Picture Queue makes these in the schema "public", and this database has them already: %s. '
      'Use a fresh project, or put them aside first as docs/guides/move-from-the-original.md says, then push the migrations again.',
      v_taken
    );
  end if;

  -- An app's own table of this name is used as it is. All that is asked of it is a row for each user.
  if v_profiles is not null then
    select string_agg(wanted.what, ', ') into v_missing
    from (values
      ('to be a table of which ' || quote_ident(current_user) || ' may read, add and refer to rows',
        (select relkind in ('r', 'p') from pg_class where oid = v_profiles)
        and has_table_privilege(v_profiles, 'select') and has_table_privilege(v_profiles, 'insert')
        and has_table_privilege(v_profiles, 'references')),
      ('a column "id uuid" that is its primary key', exists (
        select from pg_index as i join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = v_profiles and i.indisprimary and i.indnkeyatts = 1
          and a.attname = 'id' and a.atttypid = 'uuid'::regtype
      )),
      ('that column to reference auth.users', exists (
        select from pg_constraint as c
        join pg_attribute as a on a.attrelid = c.conrelid and array[a.attnum] = c.conkey
        where c.conrelid = v_profiles and c.contype = 'f' and c.confrelid = 'auth.users'::regclass and a.attname = 'id'
      )),
      ('no other column that must be given', not exists (
        select from pg_attribute as a
        where a.attrelid = v_profiles and a.attnum > 0 and not a.attisdropped and a.attname <> 'id'
          and a.attnotnull and not a.atthasdef and a.attidentity = ''
      )),
      ('row-level security', (select relrowsecurity from pg_class where oid = v_profiles))
    ) as wanted (what, is_met)
    where not wanted.is_met;
    if v_missing is not null then
      raise exception using errcode = 'duplicate_table', message = format(
        'Picture Queue would use the table "public.profiles" that this database has, and that needs %s: '
        'change it, or put it aside (alter table public.profiles rename to app_profiles), then push the migrations again.',
        v_missing
      );
    end if;
  end if;
end
$$;

-- Not exposed over the API: what the functions of `public` do is done here.
create schema if not exists private;
comment on schema private is 'Picture Queue: its own tables and functions, for nobody else to call or change.';

-- 20261124000100_tables.sql

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
  -- The job 'generate-image' it was started with. No foreign key: jobs are pruned, generations stay.
  job_id uuid,
  progress smallint not null default 0 check (progress between 0 and 100),
  -- What was changed to fit the model: [{field, requested, used, reason}].
  adjustments jsonb not null default '[]',
  operation text not null default 'generate',
  error_code text,
  cost_usd numeric,
  -- What it counts for in its user's money of that day until it is completed or fails: the model's price. Once it
  -- is cancelled, what its run has cost.
  reserved_usd numeric not null default 0,
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
  rating int,
  download_count int not null default 0,
  archived_at timestamptz,
  created_at timestamptz not null default now()
);
create index images_user on public.images (user_id, created_at desc);
create index images_source on public.images (source_image_id) where source_image_id is not null;

-- 20261124000200_models.sql

-- Generated from shared/src/catalogue/models.json; do not edit:
-- cargo run -p shared --example models_sql > supabase/migrations/20261124000200_models.sql

insert into public.models (
  replicate_id,
  version,
  name,
  display_name,
  description,
  default_width,
  default_height,
  default_steps,
  default_guidance_scale,
  default_strength,
  min_width,
  max_width,
  min_height,
  max_height,
  max_steps,
  strength_min,
  strength_max,
  supported_aspect_ratios,
  supports_negative_prompt,
  supports_seed,
  supports_img2img,
  cost_per_generation,
  cost_per_megapixel,
  cost_per_second,
  typical_seconds,
  price_source,
  estimated_time_seconds,
  is_active,
  is_default,
  sort_order
) values
  ('black-forest-labs/flux-schnell', null, 'flux-schnell', 'FLUX.1 schnell', 'Fast drafts in one to four steps', 1024, 1024, 4, null, null, 320, 1536, 320, 1536, 4, null, null, '["1:1","16:9","21:9","3:2","2:3","4:5","5:4","3:4","4:3","9:16","9:21"]'::jsonb, false, true, false, 0.003, null, null, null, 'pricing', 4, true, true, 10),
  ('black-forest-labs/flux-dev', null, 'flux-dev', 'FLUX.1 dev', 'Detailed images from a prompt, or from a prompt and a source image', 1024, 1024, 28, 3, 0.8, 320, 1536, 320, 1536, 50, 0, 1, '["1:1","16:9","21:9","3:2","2:3","4:5","5:4","3:4","4:3","9:16","9:21"]'::jsonb, false, true, true, 0.025, null, null, null, 'pricing', 12, true, false, 20),
  ('black-forest-labs/flux-krea-dev', null, 'flux-krea-dev', 'FLUX.1 Krea dev', 'FLUX.1 dev with a photographic look', 1024, 1024, 28, 3, 0.8, 320, 1536, 320, 1536, 50, 0, 1, '["1:1","16:9","21:9","3:2","2:3","4:5","5:4","3:4","4:3","9:16","9:21"]'::jsonb, false, true, true, 0.06, null, null, null, 'estimate: a user of Replicate, 2026-09', 12, true, false, 30),
  ('black-forest-labs/flux-1.1-pro', null, 'flux-1.1-pro', 'FLUX 1.1 pro', 'High quality at exact sizes', 1024, 1024, null, null, null, 256, 1440, 256, 1440, null, null, null, '["1:1","16:9","3:2","2:3","4:5","5:4","9:16","3:4","4:3"]'::jsonb, false, true, true, 0.04, null, null, null, 'pricing', 12, true, false, 40),
  ('black-forest-labs/flux-1.1-pro-ultra', null, 'flux-1.1-pro-ultra', 'FLUX 1.1 pro ultra', 'Up to four megapixels', 1024, 1024, null, null, 0.9, null, null, null, null, null, 0, 1, '["21:9","16:9","3:2","4:3","5:4","1:1","4:5","3:4","2:3","9:16","9:21"]'::jsonb, false, true, true, 0.06, null, null, null, 'pages-2025', 20, true, false, 50),
  ('black-forest-labs/flux-pro', null, 'flux-pro', 'FLUX.1 pro', 'The first pro model of the family', 1024, 1024, 25, 3, null, 256, 1440, 256, 1440, 50, null, null, '["1:1","16:9","3:2","2:3","4:5","5:4","9:16","3:4","4:3"]'::jsonb, false, true, true, 0.055, null, null, null, 'page', 12, true, false, 60),
  ('black-forest-labs/flux-2-pro', null, 'flux-2-pro', 'FLUX.2 pro', 'Generates, and edits up to eight reference images', 1024, 1024, null, null, null, 256, 2048, 256, 2048, null, null, null, '["1:1","16:9","3:2","2:3","4:5","5:4","9:16","3:4","4:3"]'::jsonb, false, true, true, 0.015, 0.015, null, null, 'pages-2026', 20, true, false, 70),
  ('black-forest-labs/flux-2-max', null, 'flux-2-max', 'FLUX.2 max', 'The largest FLUX.2', 1024, 1024, null, null, null, 256, 2048, 256, 2048, null, null, null, '["1:1","16:9","3:2","2:3","4:5","5:4","9:16","3:4","4:3"]'::jsonb, false, true, true, 0.04, 0.03, null, null, 'estimate: lumenfall for the megapixel, its maker for the first', 20, true, false, 80),
  ('black-forest-labs/flux-2-dev', null, 'flux-2-dev', 'FLUX.2 dev', 'FLUX.2 with open weights', 1024, 1024, null, null, null, 256, 1440, 256, 1440, null, null, null, '["1:1","16:9","3:2","2:3","4:5","5:4","9:16","3:4","4:3"]'::jsonb, false, true, true, null, 0.014, null, null, 'pages-2026', 12, true, false, 90),
  ('black-forest-labs/flux-2-klein-4b', null, 'flux-2-klein-4b', 'FLUX.2 klein 4B', 'Small and fast FLUX.2', 1024, 1024, null, null, null, null, null, null, null, null, null, null, '["1:1","16:9","3:2","2:3","4:5","5:4","9:16","3:4","4:3"]'::jsonb, false, true, true, null, 0.001, null, null, 'estimate: a user of Replicate, 2026', 4, true, false, 100),
  ('black-forest-labs/flux-kontext-pro', null, 'flux-kontext-pro', 'FLUX.1 Kontext pro', 'Edits an image by instruction, or generates one', 1024, 1024, null, null, null, null, null, null, null, null, null, null, '["1:1","16:9","9:16","4:3","3:4","3:2","2:3","4:5","5:4","21:9","9:21","2:1","1:2"]'::jsonb, false, true, true, 0.04, null, null, null, 'pages-2026', 12, true, false, 110),
  ('black-forest-labs/flux-kontext-max', null, 'flux-kontext-max', 'FLUX.1 Kontext max', 'The strongest Kontext', 1024, 1024, null, null, null, null, null, null, null, null, null, null, '["1:1","16:9","9:16","4:3","3:4","3:2","2:3","4:5","5:4","21:9","9:21","2:1","1:2"]'::jsonb, false, true, true, 0.08, null, null, null, 'pages-2025', 20, true, false, 120),
  ('black-forest-labs/flux-kontext-dev', null, 'flux-kontext-dev', 'FLUX.1 Kontext dev', 'Kontext with open weights: edits an image by instruction', 1024, 1024, 30, 2.5, null, null, null, null, null, 50, null, null, '["1:1","16:9","21:9","3:2","2:3","4:5","5:4","3:4","4:3","9:16","9:21"]'::jsonb, false, true, true, 0.025, null, null, null, 'resold', 12, true, false, 130),
  ('ideogram-ai/ideogram-v3-turbo', null, 'ideogram-v3-turbo', 'Ideogram 3.0 turbo', 'Strong text in images, fast', 1024, 1024, null, null, null, 512, 1536, 512, 1536, null, null, null, '["1:3","3:1","1:2","2:1","9:16","16:9","10:16","16:10","2:3","3:2","3:4","4:3","4:5","5:4","1:1"]'::jsonb, false, true, false, 0.03, null, null, null, 'pages-2026', 4, true, false, 140),
  ('ideogram-ai/ideogram-v3-balanced', null, 'ideogram-v3-balanced', 'Ideogram 3.0 balanced', 'Strong text in images', 1024, 1024, null, null, null, 512, 1536, 512, 1536, null, null, null, '["1:3","3:1","1:2","2:1","9:16","16:9","10:16","16:10","2:3","3:2","3:4","4:3","4:5","5:4","1:1"]'::jsonb, false, true, false, 0.06, null, null, null, 'pages-2026', 12, true, false, 150),
  ('ideogram-ai/ideogram-v3-quality', null, 'ideogram-v3-quality', 'Ideogram 3.0 quality', 'Strong text in images, best quality', 1024, 1024, null, null, null, 512, 1536, 512, 1536, null, null, null, '["1:3","3:1","1:2","2:1","9:16","16:9","10:16","16:10","2:3","3:2","3:4","4:3","4:5","5:4","1:1"]'::jsonb, false, true, false, 0.09, null, null, null, 'pricing', 20, true, false, 160),
  ('ideogram-ai/ideogram-v2', null, 'ideogram-v2', 'Ideogram 2', 'Text in images, with a negative prompt', 1024, 1024, null, null, null, 512, 1536, 512, 1536, null, null, null, '["1:1","16:9","9:16","4:3","3:4","3:2","2:3","16:10","10:16","3:1","1:3"]'::jsonb, true, true, false, 0.08, null, null, null, 'estimate: its maker, 2026', 20, true, false, 170),
  ('google/imagen-4', null, 'imagen-4', 'Imagen 4', 'Google''s image model', 1024, 1024, null, null, null, null, null, null, null, null, null, null, '["1:1","9:16","16:9","3:4","4:3"]'::jsonb, false, false, false, 0.04, null, null, null, 'pages-2026', 12, true, false, 180),
  ('google/imagen-4-fast', null, 'imagen-4-fast', 'Imagen 4 fast', 'Google''s image model, fast', 1024, 1024, null, null, null, null, null, null, null, null, null, null, '["1:1","9:16","16:9","3:4","4:3"]'::jsonb, false, false, false, 0.02, null, null, null, 'pages-2026', 4, true, false, 190),
  ('google/imagen-4-ultra', null, 'imagen-4-ultra', 'Imagen 4 ultra', 'Google''s image model, best quality', 1024, 1024, null, null, null, null, null, null, null, null, null, null, '["1:1","9:16","16:9","3:4","4:3"]'::jsonb, false, false, false, 0.06, null, null, null, 'pages-2026', 20, true, false, 200),
  ('google/nano-banana', null, 'nano-banana', 'Nano Banana', 'Gemini 2.5 Flash Image: generates, and edits several images by instruction', 1024, 1024, null, null, null, null, null, null, null, null, null, null, '["1:1","2:3","3:2","3:4","4:3","4:5","5:4","9:16","16:9","21:9"]'::jsonb, false, false, true, 0.039, null, null, null, 'pages-2026', 12, true, false, 210),
  ('bytedance/seedream-4', null, 'seedream-4', 'Seedream 4', 'Generates and edits, up to 4096 pixels a side', 2048, 2048, null, null, null, 1024, 4096, 1024, 4096, null, null, null, '["1:1","4:3","3:4","16:9","9:16","3:2","2:3","21:9"]'::jsonb, false, false, true, 0.03, null, null, null, 'lumenfall', 20, true, false, 220),
  ('bytedance/seedream-3', null, 'seedream-3', 'Seedream 3', 'Generates up to 2048 pixels a side', 1024, 1024, null, 2.5, null, 512, 2048, 512, 2048, null, null, null, '["1:1","3:4","4:3","16:9","9:16","2:3","3:2","21:9"]'::jsonb, false, true, false, 0.03, null, null, null, 'estimate: as seedream-4', 12, true, false, 230),
  ('recraft-ai/recraft-v3', null, 'recraft-v3', 'Recraft V3', 'Design work in many styles', 1024, 1024, null, null, null, 1024, 2048, 1024, 2048, null, null, null, '["1:1","4:3","3:4","3:2","2:3","16:9","9:16","1:2","2:1","7:5","5:7","4:5","5:4","3:5","5:3"]'::jsonb, false, false, false, 0.04, null, null, null, 'pages-2026', 12, true, false, 240),
  ('recraft-ai/recraft-v3-svg', null, 'recraft-v3-svg', 'Recraft V3 SVG', 'Vector graphics: logos and icons', 1024, 1024, null, null, null, 1024, 2048, 1024, 2048, null, null, null, '["1:1","4:3","3:4","3:2","2:3","16:9","9:16","1:2","2:1","7:5","5:7","4:5","5:4","3:5","5:3"]'::jsonb, false, false, false, 0.08, null, null, null, 'pages-2025', 12, true, false, 250),
  ('qwen/qwen-image', null, 'qwen-image', 'Qwen-Image', 'Strong text in images, also Chinese', 1024, 1024, null, null, 0.9, 928, 1664, 928, 1664, 50, 0, 1, '["1:1","16:9","9:16","4:3","3:4","3:2","2:3"]'::jsonb, true, true, true, 0.025, null, null, null, 'pages-2026', 12, true, false, 260),
  ('qwen/qwen-image-edit', null, 'qwen-image-edit', 'Qwen-Image-Edit', 'Edits one image by instruction', null, null, null, null, null, null, null, null, null, null, null, null, '[]'::jsonb, false, true, true, 0.03, null, null, null, 'estimate: as qwen-image-edit-plus, pages-2026', 12, true, false, 270),
  ('stability-ai/stable-diffusion-3.5-large', null, 'stable-diffusion-3.5-large', 'Stable Diffusion 3.5 large', 'Open model with a negative prompt', 1024, 1024, null, 5, 0.85, null, null, null, null, null, 0, 1, '["16:9","1:1","21:9","2:3","3:2","4:5","5:4","9:16","9:21"]'::jsonb, true, true, true, 0.065, null, null, null, 'pages-2026', 12, true, false, 280),
  ('stability-ai/stable-diffusion-3.5-large-turbo', null, 'stable-diffusion-3.5-large-turbo', 'Stable Diffusion 3.5 large turbo', 'Stable Diffusion 3.5 in few steps', 1024, 1024, null, null, 0.85, null, null, null, null, null, 0, 1, '["16:9","1:1","21:9","2:3","3:2","4:5","5:4","9:16","9:21"]'::jsonb, true, true, true, 0.04, null, null, null, 'pages-2026', 4, true, false, 290),
  ('stability-ai/sdxl', '7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc', 'sdxl', 'SDXL', 'Stable Diffusion XL: exact sizes, negative prompt, source image', 1024, 1024, 50, 7.5, 0.8, 256, 2048, 256, 2048, 500, 0, 1, '[]'::jsonb, true, true, true, null, null, 0.000975, 6.5, 'estimate: hardware L40S; seconds: resold', 12, true, false, 300),
  ('bytedance/sdxl-lightning-4step', '5599ed30703defd1d160a25a63321b4dec97101d98b4674bcc56e41f62f35637', 'sdxl-lightning-4step', 'SDXL Lightning', 'SDXL in four steps', 1024, 1024, 4, 0, null, 256, 1280, 256, 1280, 10, null, null, '[]'::jsonb, true, true, false, null, null, 0.0014, 2, 'hardware A100, eachlabs', 4, true, false, 310),
  ('nightmareai/real-esrgan', null, 'real-esrgan', 'Real-ESRGAN', 'Enlarges an image, faces corrected on wish', null, null, null, null, null, null, null, null, null, null, null, null, '[]'::jsonb, false, false, true, null, null, 0.000225, 16, 'hardware T4, eachlabs', 20, true, false, 320),
  ('recraft-ai/recraft-crisp-upscale', null, 'recraft-crisp-upscale', 'Recraft Crisp Upscale', 'Enlarges an image, sharper and cleaner', null, null, null, null, null, null, null, null, null, null, null, null, '[]'::jsonb, false, false, true, 0.006, null, null, null, 'lumenfall', 20, true, false, 330),
  ('philz1337x/clarity-upscaler', 'dfad41707589d68ecdccd1dfa600d55a208f9310748e44bfe35b4a6291453d5e', 'clarity-upscaler', 'Clarity Upscaler', 'Enlarges an image and invents detail', null, null, 18, null, 0.35, null, null, null, null, 100, 0, 1, '[]'::jsonb, true, true, true, null, null, 0.0014, 11, 'estimate: hardware A100; seconds: lumenfall', 20, true, false, 340),
  ('topazlabs/image-upscale', null, 'image-upscale', 'Topaz Image Upscale', 'Enlarges an image, several enhancers', null, null, null, null, null, null, null, null, null, null, null, null, '[]'::jsonb, false, false, true, 0.08, null, null, null, 'estimate: runflow.io, up to 24 megapixels, 2026-04', 20, true, false, 350),
  ('851-labs/background-remover', 'a029dff38972b5fda4ec5d75d7d1cd25aeff621d2cf4946a41055d7db66b80bc', 'background-remover', 'Background Remover', 'Cuts out what is in front', null, null, null, null, null, null, null, null, null, null, null, null, '[]'::jsonb, false, false, true, null, null, 0.000225, 3, 'estimate: hardware T4; seconds: a user of Replicate', 5, true, false, 360),
  ('men1scus/birefnet', 'f74986db0355b58403ed20963af156525e2891ea3c2d499bfbfb2a28cd87c5d7', 'birefnet', 'BiRefNet', 'Cuts out what is in front', null, null, null, null, null, null, null, null, null, null, null, null, '[]'::jsonb, false, false, true, null, null, 0.000975, 2, 'estimate: hardware L40S; seconds: a user of Replicate', 5, true, false, 370),
  ('lucataco/remove-bg', '95fcc2a26d3899cd6c2691c900465aaeff466285a65c14638cc5f36f34befaf1', 'remove-bg', 'Remove BG', 'Cuts out what is in front', null, null, null, null, null, null, null, null, null, null, null, null, '[]'::jsonb, false, false, true, null, null, 0.000975, 5, 'estimate: hardware L40S; seconds: ours', 5, true, false, 380),
  ('cjwbw/rembg', 'fb8af171cfa1616ddcf1242c093f9c46bcada5ad4cf6f2fbe8b81b330ec5c003', 'rembg', 'rembg', 'Cuts out what is in front', null, null, null, null, null, null, null, null, null, null, null, null, '[]'::jsonb, false, false, true, null, null, 0.000975, 9, 'hardware L40S, eachlabs', 5, true, false, 390)
on conflict (replicate_id) do update set
  version = excluded.version,
  name = excluded.name,
  display_name = excluded.display_name,
  description = excluded.description,
  default_width = excluded.default_width,
  default_height = excluded.default_height,
  default_steps = excluded.default_steps,
  default_guidance_scale = excluded.default_guidance_scale,
  default_strength = excluded.default_strength,
  min_width = excluded.min_width,
  max_width = excluded.max_width,
  min_height = excluded.min_height,
  max_height = excluded.max_height,
  max_steps = excluded.max_steps,
  strength_min = excluded.strength_min,
  strength_max = excluded.strength_max,
  supported_aspect_ratios = excluded.supported_aspect_ratios,
  supports_negative_prompt = excluded.supports_negative_prompt,
  supports_seed = excluded.supports_seed,
  supports_img2img = excluded.supports_img2img,
  cost_per_generation = excluded.cost_per_generation,
  cost_per_megapixel = excluded.cost_per_megapixel,
  cost_per_second = excluded.cost_per_second,
  typical_seconds = excluded.typical_seconds,
  price_source = excluded.price_source,
  estimated_time_seconds = excluded.estimated_time_seconds,
  is_active = excluded.is_active,
  is_default = excluded.is_default,
  sort_order = excluded.sort_order;

-- 20261124000300_queue_tables.sql

-- The queue's tables. `private` is never exposed by the API; what the API needs of it
-- is reached through the functions of `public`.

create table public.job_queue (
  id uuid primary key default gen_random_uuid(),
  job_type text not null check (length(job_type) between 1 and 100),
  payload jsonb not null default '{}',
  status text not null default 'pending'
    check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  -- Runs that ended in an error or whose lease ran out; waiting for a prediction is no attempt.
  attempts int not null default 0,
  max_attempts int not null default 3 check (max_attempts >= 1),
  scheduled_at timestamptz not null default now(),
  -- Finite: durations are taken of them, and before PostgreSQL 17 none with an infinite end.
  started_at timestamptz check (isfinite(started_at)),
  completed_at timestamptz check (isfinite(completed_at)),
  -- The last error, in words for users.
  error_message text,
  -- Every attempt's error: [{attempt, at, message, prediction_id?, ...details}].
  error_details jsonb,
  created_by uuid references auth.users on delete set null,
  priority int not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Fencing token: raised by every claim, named by every later write.
  lease bigint not null default 0,
  lease_expires_at timestamptz,
  -- What complete_job was given to keep.
  result jsonb,
  -- The provider's prediction whose end is awaited.
  prediction_id text,
  -- A create may or may not have reached the provider: look before creating again.
  outcome_unknown boolean not null default false,
  -- The current claim took the job over from a lease that ran out.
  rescued boolean not null default false,
  generation_id uuid references public.image_generations on delete cascade,
  -- Not started by then: cancelled.
  expires_at timestamptz,
  -- Time decides how long it is tried, and no run uses an attempt (private.is_timed). Of a generate-image job:
  -- when it is given up if nobody can serve it, set when it is first put off.
  retry_until timestamptz,
  -- Whose turn it uses: the user it is made for, known to auth.users or not. Null: the system's own.
  fair_key uuid,
  -- A pending job is in one of three states: scheduled (ready_at null, not held), held (its user has as
  -- many jobs running or ready as the plan allows), or ready since ready_at. Only ready ones are claimed.
  ready_at timestamptz,
  held boolean not null default false,
  -- Ready or running on one of its user's places (private.lanes counts them).
  slot boolean not null default false,
  -- Place in the order of its type and priority, in microseconds (private.next_turn). Null: not ready.
  turn bigint,
  -- Order of arrival, for equal turns.
  seq bigint generated always as identity
)
-- Every row is rewritten two or three times within seconds, each time into other indexes: no free space
-- on the pages would save that (fillfactor stays 100). Vacuum by the change, not by the size of the
-- history, and without pauses: what it removes stands at the front of the ready index.
with (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);

-- `seq > 0` is always true. It is there so that only queries that repeat it can be planned on that index:
-- with statistics of a moment ago the planner took these small indexes for smaller than a look-up by id.

-- The claim reads this one: ready jobs and nothing else, in the order they are handed out.
create index job_queue_ready on public.job_queue (job_type, priority desc, turn, seq)
where status = 'pending' and ready_at is not null;
-- A user's jobs that are held, and those that hold a place and are not running yet.
create index job_queue_lane on public.job_queue (fair_key, job_type, held, priority desc, seq)
where status = 'pending' and (held or slot);
-- Not due yet: made ready by the claim when due.
create index job_queue_scheduled on public.job_queue (scheduled_at)
where status = 'pending' and ready_at is null and not held;
create index job_queue_lease on public.job_queue (lease_expires_at)
where status = 'processing' and seq > 0;
create index job_queue_expiry on public.job_queue (expires_at)
where status = 'pending' and expires_at is not null;
-- For the views: the oldest and the newest of what is not finished.
create index job_queue_live on public.job_queue (job_type, status, created_at)
where status in ('pending', 'processing') and seq > 0;
-- For pruning and for the views.
create index job_queue_finished on public.job_queue (status, completed_at)
where status in ('completed', 'failed', 'cancelled') and seq > 0;
create index job_queue_owner on public.job_queue (created_by, created_at desc) where created_by is not null;
create index job_queue_generation on public.job_queue (generation_id) where generation_id is not null;

create table private.settings (
  only_row boolean primary key default true check (only_row),
  -- A job whose turn is this long ago is never overtaken again, whatever its priority.
  age_after interval not null default '10 minutes',
  -- How much later a user's next job has its turn for each one that is ready or running already.
  turn_step interval not null default '10 seconds',
  -- Images made at the same time, for estimates.
  parallel_images int not null default 3 check (parallel_images >= 1)
);
insert into private.settings default values;

-- What a user may do; null is no limit. A user without a row in user_plans has the plan 'default'.
create table private.plans (
  name text primary key,
  requests_per_minute int,
  images_per_day int,
  priorities text[] not null default '{low,normal,high}',
  -- Jobs of one type that a user has running at once; further ones are held.
  running_jobs int check (running_jobs >= 1),
  -- US dollars a day (UTC), by the models' prices.
  money_per_day numeric
);
insert into private.plans (name, requests_per_minute, images_per_day, running_jobs)
values ('default', 60, 500, 5);

create table private.user_plans (
  user_id uuid primary key references auth.users on delete cascade,
  plan text not null references private.plans
);
create index user_plans_plan on private.user_plans (plan);

-- Fixed windows, one row per user: the row's lock makes the count exact under parallel requests.
create table private.usage (
  user_id uuid primary key references auth.users on delete cascade,
  minute_started_at timestamptz not null,
  minute_requests int not null,
  day date not null,
  day_images int not null,
  -- US dollars: what finished images cost, and what unfinished ones are expected to.
  day_cost numeric not null default 0
)
-- Rewritten by every request: room on the page keeps the new version beside the old one (HOT).
with (fillfactor = 50);

-- How many places of a user are taken, by type of job: jobs that are ready or running (job_queue.slot).
-- The row's lock makes the count exact. No foreign key: a job's user need not exist.
create table private.lanes (
  fair_key uuid not null,
  job_type text not null,
  active int not null,
  -- Places given to the latest request, so that it learns from the same statement how many it got.
  granted int not null,
  primary key (fair_key, job_type)
)
with (fillfactor = 50);

-- The types and priorities that have ever had a ready job: what a claim looks through.
create table private.lines (
  job_type text not null,
  priority int not null,
  -- Low-water mark (private.raise_low_water): no ready job of this line has an earlier turn.
  low_turn bigint not null default -9223372036854775808,
  primary key (job_type, priority)
)
with (fillfactor = 50);

-- Those that every deployment has, so that no two transactions wait for each other to make them.
insert into private.lines (job_type, priority)
values ('generate-image', -10), ('generate-image', 0), ('generate-image', 10),
  ('download-image', 100), ('cancel-prediction', 100), ('process-webhook', -10), ('process-webhook', 0);

-- The same for what a claim looks after besides: no live entry of the index is before the mark.
create table private.low_water (
  only_row boolean primary key default true check (only_row),
  lease_expires_at timestamptz not null default '-infinity',
  scheduled_at timestamptz not null default '-infinity',
  expires_at timestamptz not null default '-infinity',
  raised_at timestamptz not null default '-infinity'
)
with (fillfactor = 50);
insert into private.low_water default values;

-- Answers already given, kept for 24 hours.
create table private.idempotency_keys (
  user_id uuid not null references auth.users on delete cascade,
  key text not null,
  request_hash text not null,
  -- Null only inside the transaction that is still working on the answer.
  response jsonb,
  created_at timestamptz not null default now(),
  primary key (user_id, key)
);
create index idempotency_keys_age on private.idempotency_keys (created_at);

-- When the cron last ran, and what it did.
create table private.sweep (
  only_row boolean primary key default true check (only_row),
  last_sweep_at timestamptz not null,
  stats jsonb not null
);

-- 20261124000305_counts.sql

-- How many jobs there are of each type and status, without counting them.
--
-- Every change of a job appends what it adds and takes away, in its own transaction: no row is shared,
-- so nothing waits, and what is rolled back was never counted. The cron folds the changes into the
-- totals; a reader adds up both, in one snapshot. Triggers, so that changes by hand count too.

create table private.job_deltas (
  job_type text not null,
  status text not null,
  -- The hour (UTC) in which a finished job ended; -infinity for jobs that are not finished.
  hour timestamptz not null,
  jobs int not null,
  attempts int not null,
  -- Jobs whose run time is known, and their sum in seconds.
  timed int not null,
  seconds numeric not null,
  oldest timestamptz,
  newest timestamptz
)
-- Filled and emptied all the time, and read whole.
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create table private.job_counts (
  job_type text not null,
  status text not null,
  hour timestamptz not null,
  jobs bigint not null,
  attempts bigint not null,
  timed bigint not null,
  seconds numeric not null,
  -- Of all that ever ended in that hour: a job that is taken back later does not move them.
  oldest timestamptz,
  newest timestamptz,
  primary key (job_type, status, hour)
)
with (fillfactor = 50);

-- Folds the changes so far into the totals; one call at a time, others leave it to the one.
create function private.roll_up_counts() returns void
language plpgsql set search_path = '' as $$
begin
  if not pg_try_advisory_xact_lock(7263590115) then
    return;
  end if;
  with taken as (
    delete from private.job_deltas where true returning *
  )
  insert into private.job_counts as c (job_type, status, hour, jobs, attempts, timed, seconds, oldest, newest)
  select job_type, status, hour, sum(jobs), sum(attempts), sum(timed), sum(seconds), min(oldest), max(newest)
  from taken
  where hour = '-infinity' or hour > now() - interval '48 hours'
  group by job_type, status, hour
  on conflict (job_type, status, hour) do update set
    jobs = c.jobs + excluded.jobs,
    attempts = c.attempts + excluded.attempts,
    timed = c.timed + excluded.timed,
    seconds = c.seconds + excluded.seconds,
    oldest = least(c.oldest, excluded.oldest),
    newest = greatest(c.newest, excluded.newest);
  delete from private.job_counts where hour > '-infinity' and hour < now() - interval '48 hours';
end
$$;

-- 20261124000310_lanes.sql

-- A user's places. A user may have only so many jobs of one type ready or running at once
-- (plans.running_jobs); further ones are held, outside every index that a claim reads, and each place
-- that becomes free goes to the user's best held job, in the same transaction. So a claim never meets a
-- job that it may not hand out, however long a user's backlog.
--
-- Rows are locked in the order job, lane; lanes of several users in the order of their keys.

-- The jobs that a plan limits. What follows an image already made is not: holding it back would only
-- put a paid picture at risk.
create function private.is_limited(p_fair_key uuid, p_job_type text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return p_fair_key is not null
    and p_job_type <> all('{download-image,process-webhook,cleanup-storage,cancel-prediction}'::text[]);
end
$$;

-- Jobs of one type that a user may have ready or running at once.
create function private.running_limit(p_fair_key uuid) returns int
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_most int;
begin
  select p.running_jobs into v_most from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = p_fair_key), 'default');
  return coalesce(v_most, 1000000000);
end
$$;

-- Takes up to p_count places. first: how many the user had taken before; granted: how many more it has
-- now. For a job that is not limited all are granted, and nothing is counted.
create function private.take_slots(
  p_fair_key uuid, p_job_type text, p_count int, out first int, out granted int
) language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_most int;
begin
  if not private.is_limited(p_fair_key, p_job_type) then
    first := 0;
    granted := p_count;
    return;
  end if;
  v_most := private.running_limit(p_fair_key);
  insert into private.lanes as l (fair_key, job_type, active, granted)
  values (p_fair_key, p_job_type, least(p_count, v_most), least(p_count, v_most))
  on conflict (fair_key, job_type) do update set
    active = l.active + least(p_count, greatest(v_most - l.active, 0)),
    granted = least(p_count, greatest(v_most - l.active, 0))
  returning l.active - l.granted, l.granted into first, granted;
end
$$;

-- Sees to it that claims look through a line, the ready jobs of one type and priority.
create function private.open_line(p_job_type text, p_priority int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  if not exists (select from private.lines where job_type = p_job_type and priority = p_priority) then
    insert into private.lines (job_type, priority) values (p_job_type, p_priority) on conflict do nothing;
  end if;
end
$$;

-- The turn at the head of a line; null when it is empty.
create function private.head_turn(p_job_type text, p_priority int) returns bigint
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_low bigint;
begin
  select low_turn into v_low from private.lines where job_type = p_job_type and priority = p_priority;
  if not found then
    perform private.open_line(p_job_type, p_priority);
    v_low := -9223372036854775808;
  end if;
  return (
    select turn from public.job_queue
    where status = 'pending' and ready_at is not null
      and job_type = p_job_type and priority = p_priority and turn >= v_low
    order by turn, seq limit 1
  );
end
$$;

create function private.turn_now() returns bigint
language plpgsql volatile set search_path = '' as $$
begin
  return extract(epoch from clock_timestamp()) * 1000000;
end
$$;

-- The turn of a job that is due since p_at, which may be -infinity.
create function private.turn_at(p_at timestamptz) returns bigint
language plpgsql immutable set search_path = '' as $$
begin
  return greatest(extract(epoch from p_at) * 1000000, -1000000000000000000);
end
$$;

-- The first turn of a job that becomes ready now: now, or the turn at the head of its line if that is
-- later, as in start-time fair queueing. A user's further jobs follow in steps of settings.turn_step
-- for each place that the user has taken: the fewer jobs a user has running, the sooner the next one.
create function private.next_turn(p_job_type text, p_priority int) returns bigint
language plpgsql volatile set search_path = '' as $$
begin
  return greatest(private.turn_now(), private.head_turn(p_job_type, p_priority));
end
$$;

create function private.turn_step() returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (select extract(epoch from turn_step) * 1000000 from private.settings);
end
$$;

-- Gives a lane's free places to its held jobs, best priority first, then by age. At most 10.
create function private.admit_held(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_id uuid;
  v_priority int;
  v_first int;
begin
  for v_try in 1..10 loop
    select id, priority into v_id, v_priority from public.job_queue
    where status = 'pending' and (held or slot) and held and fair_key = p_fair_key and job_type = p_job_type
    order by priority desc, seq limit 1 for update skip locked;
    exit when not found;
    update private.lanes set active = active + 1
    where fair_key = p_fair_key and job_type = p_job_type and active < private.running_limit(p_fair_key)
    returning active - 1 into v_first;
    exit when not found;
    update public.job_queue set
      held = false, slot = true, ready_at = clock_timestamp(),
      turn = private.next_turn(p_job_type, v_priority) + v_first * private.turn_step()
    where id = v_id;
  end loop;
end
$$;

-- A place is free: whatever ended the job, it goes on to the next.
create function private.free_slot(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.lanes set active = active - 1 where fair_key = p_fair_key and job_type = p_job_type;
  perform private.admit_held(p_fair_key, p_job_type);
end
$$;

-- After a job was held: where the user's ready jobs include one of a lower priority, the two change places.
create function private.reorder_lane(p_fair_key uuid, p_job_type text) returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_best int;
  v_last record;
begin
  for v_try in 1..10 loop
    select priority into v_best from public.job_queue
    where status = 'pending' and (held or slot) and held and fair_key = p_fair_key and job_type = p_job_type
    order by priority desc, seq limit 1;
    exit when not found;
    select id, priority into v_last from public.job_queue
    where status = 'pending' and (held or slot) and not held
      and fair_key = p_fair_key and job_type = p_job_type and priority < v_best
    order by priority, seq desc limit 1 for update skip locked;
    exit when not found;
    update public.job_queue set held = true, slot = false, ready_at = null, turn = null where id = v_last.id;
    perform private.free_slot(p_fair_key, p_job_type);
  end loop;
end
$$;

-- Locks the lanes of several jobs, whose rows the caller holds, before their places are freed together.
create function private.lock_lanes(p_job_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  perform 1 from (
    select distinct fair_key, job_type from public.job_queue
    where id = any(p_job_ids) and slot order by fair_key, job_type
  ) as mine
  cross join lateral (
    select 1 from private.lanes as l
    where l.fair_key = mine.fair_key and l.job_type = mine.job_type for update
  ) as lane;
end
$$;

-- 20261124000315_enqueue.sql

-- Into the queue. private.insert_jobs is the way in for any number of jobs, private.insert_job the same for
-- one, without the machinery; the others say who may use them for what.
--
-- Every function of this queue that looks rows up pins `enable_seqscan = off`: plpgsql keeps its
-- plans for the life of a connection, and one made while a table was empty would read it whole for
-- as long as statistics lag behind.

-- Null where it is none. Asking Postgres first needs version 16. Reading it in a subtransaction, which writes nothing
-- and so takes no transaction id, costs 1 us more than that; recognising the form by a regular expression, 20.
create function private.as_uuid(p_text text) returns uuid
language plpgsql immutable set search_path = '' as $$
begin
  return p_text::uuid;
exception when invalid_text_representation then
  return null;
end
$$;

-- Any number of jobs in one statement: [{id?, job_type, payload?, priority?, scheduled_at?, expires_at?,
-- max_attempts?, retry_until?}]. The payload's user_id, where it is a uuid, is whose turn and places the job uses, and
-- its owner if there is such a user; its generation_id need not exist either. Returns the ids in order.
create function private.insert_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_ids uuid[];
  v_held jsonb;
  v_lane record;
begin
  with given as materialized (
    select
      j.place,
      coalesce((j.job ->> 'id')::uuid, gen_random_uuid()) as id,
      j.job ->> 'job_type' as job_type,
      coalesce(nullif(j.job -> 'payload', 'null'), '{}') as payload,
      coalesce((j.job ->> 'priority')::int, 0) as priority,
      coalesce((j.job ->> 'scheduled_at')::timestamptz, now()) as scheduled_at,
      (j.job ->> 'expires_at')::timestamptz as expires_at,
      coalesce((j.job ->> 'max_attempts')::int, 3) as max_attempts,
      (j.job ->> 'retry_until')::timestamptz as retry_until,
      private.as_uuid(j.job -> 'payload' ->> 'user_id') as fair_key,
      private.as_uuid(j.job -> 'payload' ->> 'generation_id') as generation_id
    from jsonb_array_elements(p_jobs) with ordinality as j (job, place)
  ), due as (
    select
      id, fair_key, job_type, priority,
      -- Due for some time already: it has waited since then.
      case when scheduled_at < now() - interval '1 second' then private.turn_at(scheduled_at) end as since,
      private.is_limited(fair_key, job_type) as limited,
      row_number() over (partition by fair_key, job_type order by priority desc, place) as nth
    from given
    where scheduled_at <= now()
  ), wanted as (
    select fair_key, job_type, count(*)::int as jobs, private.running_limit(fair_key) as most
    from due
    where limited
    group by fair_key, job_type
  ), lanes as (
    insert into private.lanes as l (fair_key, job_type, active, granted)
    select fair_key, job_type, least(jobs, most), least(jobs, most)
    from wanted order by fair_key, job_type
    on conflict (fair_key, job_type) do update set
      active = l.active + least(
        excluded.granted, greatest(private.running_limit(l.fair_key) - l.active, 0)
      ),
      granted = least(excluded.granted, greatest(private.running_limit(l.fair_key) - l.active, 0))
    returning l.fair_key, l.job_type, l.active - l.granted as first, l.granted
  ), lines as materialized (
    select job_type, priority, private.next_turn(job_type, priority) as turn
    from (select distinct job_type, priority from due order by job_type, priority) as used
  ), turns as (
    select
      d.id,
      d.limited and d.nth > l.granted as held,
      d.limited and d.nth <= l.granted as slot,
      case
        when not d.limited then coalesce(d.since, n.turn)
        when d.nth <= l.granted then coalesce(d.since, n.turn) + (l.first + d.nth - 1) * private.turn_step()
      end as turn
    from due as d
    join lines as n on n.job_type = d.job_type and n.priority = d.priority
    left join lanes as l on l.fair_key = d.fair_key and l.job_type = d.job_type
  ), inserted as (
    insert into public.job_queue (
      id, job_type, payload, priority, scheduled_at, expires_at, max_attempts, retry_until, created_by, generation_id,
      fair_key, ready_at, turn, held, slot
    )
    select
      g.id, g.job_type, g.payload, g.priority, g.scheduled_at, g.expires_at, g.max_attempts, g.retry_until,
      (select u.id from auth.users as u where u.id = g.fair_key),
      (select i.id from public.image_generations as i where i.id = g.generation_id),
      g.fair_key, case when t.turn is not null then clock_timestamp() end, t.turn,
      coalesce(t.held, false), coalesce(t.slot, false)
    from given as g left join turns as t on t.id = g.id
    order by g.place
    returning id, fair_key, job_type, held
  )
  select
    array_agg(g.id order by g.place),
    jsonb_agg(jsonb_build_array(i.fair_key, i.job_type)) filter (where i.held)
  into v_ids, v_held
  from given as g join inserted as i on i.id = g.id;

  for v_lane in
    select distinct (lane ->> 0)::uuid as fair_key, lane ->> 1 as job_type
    from jsonb_array_elements(v_held) as h (lane) order by 1, 2
  loop
    perform private.reorder_lane(v_lane.fair_key, v_lane.job_type);
  end loop;
  return v_ids;
end
$$;

create function private.insert_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int
) returns uuid
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_fair_key uuid := private.as_uuid(p_payload ->> 'user_id');
  v_limited boolean;
  v_slots record;
  v_turn bigint;
  v_held boolean := false;
  v_id uuid;
begin
  if p_scheduled_at < now() - interval '1 second' then
    v_turn := private.turn_at(p_scheduled_at);
  elsif p_scheduled_at <= now() then
    v_turn := private.next_turn(p_job_type, p_priority);
  end if;
  v_limited := v_turn is not null and private.is_limited(v_fair_key, p_job_type);
  if v_limited then
    v_slots := private.take_slots(v_fair_key, p_job_type, 1);
    v_held := v_slots.granted = 0;
    v_turn := case when not v_held then v_turn + v_slots.first * private.turn_step() end;
  end if;
  insert into public.job_queue (
    job_type, payload, priority, scheduled_at, max_attempts, created_by, generation_id,
    fair_key, ready_at, turn, held, slot
  )
  values (
    p_job_type, p_payload, p_priority, p_scheduled_at, p_max_attempts,
    (select u.id from auth.users as u where u.id = v_fair_key),
    (select i.id from public.image_generations as i where i.id = private.as_uuid(p_payload ->> 'generation_id')),
    v_fair_key, case when v_turn is not null then clock_timestamp() end, v_turn, v_held, v_limited and not v_held
  )
  returning id into v_id;
  if v_held then
    perform private.reorder_lane(v_fair_key, p_job_type);
  end if;
  return v_id;
end
$$;

-- For the service: many jobs at once, at most 1,000.
create function private.enqueue_jobs(p_jobs jsonb) returns uuid[]
language plpgsql security definer set search_path = '' as $$
begin
  if p_jobs is null or jsonb_typeof(p_jobs) <> 'array' then
    perform private.refuse(422, 'invalid_request', 'p_jobs must be a list of jobs.');
  end if;
  if jsonb_array_length(p_jobs) > 1000 then
    perform private.refuse(422, 'invalid_request', 'A call takes at most 1000 jobs.');
  end if;
  return coalesce(private.insert_jobs(p_jobs), '{}');
end
$$;

create function private.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz, p_max_attempts int
) returns uuid
language plpgsql security definer set search_path = '' as $$
begin
  return private.insert_job(
    p_job_type, coalesce(p_payload, '{}'), coalesce(p_priority, 0),
    coalesce(p_scheduled_at, now()), coalesce(p_max_attempts, 3)
  );
end
$$;

-- For users: the original's way to start an image, judged like any other start.
create function private.enqueue_own_job(
  p_job_type text, p_payload jsonb, p_priority int, p_scheduled_at timestamptz
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_request jsonb := coalesce(p_payload, '{}');
begin
  if p_job_type is distinct from 'generate-image' then
    raise exception using errcode = 'PT403', detail = 'forbidden',
      message = 'Only jobs of the type generate-image can be started here.';
  end if;
  if jsonb_typeof(v_request) = 'object' then
    v_request := v_request || jsonb_build_object('priority', case
      when p_priority > 0 then 'high' when p_priority < 0 then 'low' else 'normal' end);
    if p_scheduled_at > now() then
      v_request := v_request || jsonb_build_object('scheduled_at', p_scheduled_at);
    end if;
  end if;
  return private.start_generation(v_request, null, null) ->> 'job_id';
end
$$;

-- 20261124000320_chores.sql

-- What a claim looks after besides handing out jobs: what has expired, what is due, what was lost.
-- Each is bounded, so that a claim does a bounded amount of work whatever waits.

-- Puts what a generation really cost in the place of what was reserved for it, if that was today.
create function private.settle_cost(p_user_id uuid, p_day date, p_reserved numeric, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  if p_day is not null and p_reserved <> p_cost then
    update private.usage set day_cost = greatest(day_cost - p_reserved + p_cost, 0)
    where user_id = p_user_id and day = p_day;
  end if;
end
$$;

-- Counts an expected cost in the user's money of p_day, which is today.
create function private.reserve_cost(p_user_id uuid, p_day date, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  insert into private.usage as u (user_id, minute_started_at, minute_requests, day, day_images, day_cost)
  values (p_user_id, clock_timestamp(), 0, p_day, 0, p_cost)
  on conflict (user_id) do update set
    day = excluded.day,
    day_images = case when u.day = excluded.day then u.day_images else 0 end,
    day_cost = case when u.day = excluded.day then u.day_cost + p_cost else p_cost end;
end
$$;

-- Ends a generation for good, gives back what was reserved for it and counts it in its batch. The caller
-- holds the job's row: rows are always locked in the order job, generation, lane, usage, batch. With
-- p_cost_open the reservation counts until private.settle_cancelled.
create function private.end_generation(
  p_generation_id uuid, p_status text, p_error_message text, p_error_code text, p_cost_open boolean = false
) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_ended record;
begin
  update public.image_generations as g
  set status = p_status, error_message = p_error_message, error_code = p_error_code, completed_at = now(),
    cost_open = p_cost_open,
    -- A failed one may be brought back, and reserves it again.
    reserved_usd = case when p_status = 'cancelled' and not p_cost_open then 0 else g.reserved_usd end
  from (select id, reserved_usd from public.image_generations where id = p_generation_id for update) as before
  where g.id = before.id and g.status not in ('completed', 'failed', 'cancelled')
  returning g.user_id, g.batch_id, g.reserved_on, before.reserved_usd, g.webhook_url into v_ended;
  if not found then
    return;
  end if;
  if not p_cost_open then
    perform private.settle_cost(v_ended.user_id, v_ended.reserved_on, v_ended.reserved_usd, 0);
  end if;
  -- What a try to store its picture may have left is not for free either. An upload that is under way ends
  -- within its lease.
  if exists (
    select from public.job_queue where generation_id = p_generation_id and job_type = 'download-image'
  ) then
    insert into private.removed_objects (name, due_at)
    select name, now() + interval '10 minutes'
    from unnest(private.object_names(v_ended.user_id, p_generation_id)) as name;
  end if;
  if v_ended.batch_id is not null then
    perform private.count_in_batch(v_ended.batch_id, p_status, 1);
  end if;
  if v_ended.webhook_url is not null then
    perform private.announce_generation(p_generation_id);
  end if;
end
$$;

-- Adds p_delta to a batch's counter of one end status and derives the batch's own status.
create function private.count_in_batch(p_batch_id uuid, p_status text, p_delta int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update public.batch_generations set
    completed_count = completed_count + case when p_status = 'completed' then p_delta else 0 end,
    failed_count = failed_count + case when p_status = 'failed' then p_delta else 0 end,
    cancelled_count = cancelled_count + case when p_status = 'cancelled' then p_delta else 0 end
  where id = p_batch_id;
  update public.batch_generations set
    status = case
      when completed_count + failed_count + cancelled_count < total_count then 'processing'
      when completed_count = total_count then 'completed'
      when completed_count > 0 then 'partial'
      when failed_count > 0 then 'failed'
      else 'cancelled'
    end,
    completed_at = case
      when completed_count + failed_count + cancelled_count >= total_count then now()
    end
  where id = p_batch_id;
end
$$;

-- Takes back that a generation has failed, and reserves its price again. The caller holds the job's row.
create function private.reopen_generation(p_generation_id uuid, p_status text) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_today date := (clock_timestamp() at time zone 'UTC')::date;
  v_opened record;
begin
  update public.image_generations set
    reserved_on = v_today,
    status = p_status, progress = case p_status when 'queued' then 0 else progress end,
    error_message = null, error_code = null, completed_at = null
  where id = p_generation_id and status = 'failed'
  returning user_id, batch_id, reserved_usd into v_opened;
  if not found then
    return;
  end if;
  perform private.reserve_cost(v_opened.user_id, v_today, v_opened.reserved_usd);
  if v_opened.batch_id is not null then
    perform private.count_in_batch(v_opened.batch_id, 'failed', -1);
  end if;
end
$$;

-- Jobs that are tried until a time, however often.
create function private.is_timed(p_job_type text, p_retry_until timestamptz) returns boolean
language sql immutable set search_path = '' as $$
  select p_retry_until is not null and p_job_type <> 'generate-image'
$$;

-- Takes over jobs whose lease ran out and whose run may go on. Without a prediction, known or possible,
-- the run is lost and counts as an attempt. While the provider is paused, such a run may look for what it
-- left and not create: it counts as one whose outcome is unknown. So it does while one job at a time tries whether
-- the provider creates again; but there it was that job, and the run counts.
create function private.rescue_jobs(
  p_limit int, p_lease_seconds int, p_job_types text[], p_after timestamptz
) returns setof public.job_queue
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_paused boolean;
  v_probing boolean;
  v_ids uuid[];
begin
  select until > now(), probing into v_paused, v_probing from private.provider_pause where only_row;
  v_ids := array(
    select id from (
      select
        id, job_type, prediction_id, outcome_unknown, attempts, max_attempts, expires_at, lease_expires_at, retry_until
      from public.job_queue
      where status = 'processing' and seq > 0 and lease_expires_at <= now() and lease_expires_at >= p_after
      -- Bounded before it is filtered; do_chores sees to it that what the filter leaves does not stay here.
      order by lease_expires_at limit greatest(p_limit, 100) for update skip locked
    ) as lost
    where (p_job_types is null or job_type = any(p_job_types))
      and (
        prediction_id is not null or outcome_unknown
        or case
          when private.is_timed(job_type, retry_until) then retry_until > now()
          else attempts + 1 < max_attempts and (expires_at is null or expires_at > now())
        end
      )
    order by lease_expires_at limit p_limit
  );
  return query
  update public.job_queue set
    lease = lease + 1,
    lease_expires_at = now() + make_interval(secs => p_lease_seconds),
    rescued = true,
    outcome_unknown = outcome_unknown
      or ((v_paused or v_probing) and prediction_id is null and job_type = 'generate-image'),
    attempts = attempts + case
      when prediction_id is null and not outcome_unknown and not (v_paused and job_type = 'generate-image')
        and not private.is_timed(job_type, retry_until) then 1
      else 0
    end,
    error_details = case
      when prediction_id is null and not outcome_unknown and not (v_paused and job_type = 'generate-image')
        and not private.is_timed(job_type, retry_until)
        then private.add_error(job_queue, 'The run ended without an answer.', '{"code": "lease_expired"}')
      else error_details
    end
  where id = any(v_ids)
  returning *;
end
$$;

-- Cancels jobs whose time to start has passed.
create function private.cancel_expired(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  for v_job in
    update public.job_queue set status = 'cancelled', completed_at = now(),
      error_message = 'The request expired before it could be started.'
    where id = any(p_ids)
    returning *
  loop
    perform private.end_generation(v_job.generation_id, 'cancelled', v_job.error_message, 'expired');
  end loop;
end
$$;

-- Ends jobs whose last run was lost, or whose time to start has passed meanwhile.
create function private.end_lost(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  for v_job in
    update public.job_queue set
      attempts = attempts + 1,
      status = case when expires_at <= now() then 'cancelled' else 'failed' end,
      error_message = case
        when expires_at <= now() then 'The request expired before it could be started.'
        when job_type = 'download-image' and private.is_timed(job_type, retry_until)
          then 'The image could not be stored before the provider deleted it.'
        else 'The image could not be made after several attempts.'
      end,
      error_details = private.add_error(job_queue, 'The run ended without an answer.', '{"code": "lease_expired"}'),
      completed_at = now(), lease_expires_at = null
    where id = any(p_ids)
    returning *
  loop
    if private.carries_generation(v_job.job_type) then
      perform private.end_generation(
        v_job.generation_id, v_job.status, v_job.error_message,
        case
          when v_job.status = 'cancelled' then 'expired'
          when private.is_timed(v_job.job_type, v_job.retry_until) then 'output_expired'
          else 'attempts_exhausted'
        end
      );
    end if;
  end loop;
end
$$;

-- Makes due jobs ready, or holds them where their user has no place free. A job that has been claimed
-- before has had its turn: it comes back at the head.
create function private.promote_due(p_ids uuid[]) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_step bigint;
  v_due record;
  v_slots record;
  v_turn bigint;
begin
  for v_due in
    select fair_key, job_type, priority, lease > 0 as again, array_agg(id order by scheduled_at, seq) as ids
    from public.job_queue
    where id = any(p_ids)
    group by fair_key, job_type, priority, lease > 0
    order by fair_key, job_type, priority desc, lease > 0 desc
  loop
    v_slots := private.take_slots(v_due.fair_key, v_due.job_type, cardinality(v_due.ids));
    if v_due.again then
      v_turn := coalesce(private.head_turn(v_due.job_type, v_due.priority), private.turn_now());
      v_step := 0;
    else
      -- Without a user to step for, they stay in the order of their time.
      v_step := case when private.is_limited(v_due.fair_key, v_due.job_type) then private.turn_step() else 1 end;
      v_turn := private.next_turn(v_due.job_type, v_due.priority) + v_slots.first * v_step;
    end if;
    update public.job_queue set
      ready_at = clock_timestamp(),
      slot = private.is_limited(fair_key, job_type),
      turn = v_turn + (array_position(v_due.ids, id) - 1) * v_step
    where id = any(v_due.ids[:v_slots.granted]);
    if v_slots.granted < cardinality(v_due.ids) then
      update public.job_queue set held = true where id = any(v_due.ids[v_slots.granted + 1:]);
      perform private.reorder_lane(v_due.fair_key, v_due.job_type);
    end if;
  end loop;
end
$$;

-- All of it, at most p_limit of each kind. This work touches rows of several users: the transactions that
-- do it queue up behind each other, and each locks all its lanes at once, in order, after its jobs.
create function private.do_chores(p_limit int, p_job_types text[], p_marks private.low_water) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_expired uuid[];
  v_lost uuid[];
  v_stray uuid[];
  v_due uuid[];
begin
  perform pg_catalog.pg_advisory_xact_lock(7263590114);
  v_expired := array(
    select id from public.job_queue
    where status = 'pending' and expires_at <= now() and expires_at >= p_marks.expires_at
    order by expires_at limit p_limit for update skip locked
  );
  select
    coalesce(array_agg(id) filter (where is_last), '{}'),
    coalesce(array_agg(id) filter (where not is_last and job_type <> all(p_job_types)), '{}')
  into v_lost, v_stray
  from (
    select id, job_type, prediction_id, outcome_unknown,
      case
        when private.is_timed(job_type, retry_until) then retry_until <= now()
        else attempts + 1 >= max_attempts or coalesce(expires_at <= now(), false)
      end as is_last
    from public.job_queue
    where status = 'processing' and seq > 0
      and lease_expires_at <= now() and lease_expires_at >= p_marks.lease_expires_at
    order by lease_expires_at limit p_limit for update skip locked
  ) as lost
  where prediction_id is null and not outcome_unknown;
  v_due := array(
    select id from public.job_queue
    where status = 'pending' and ready_at is null and not held
      and scheduled_at <= now() and scheduled_at >= p_marks.scheduled_at
      and (expires_at is null or expires_at > now())
    order by scheduled_at limit p_limit for update skip locked
  );
  insert into private.lanes as l (fair_key, job_type, active, granted)
  select distinct fair_key, job_type, 0, 0 from public.job_queue
  where id = any(v_expired || v_lost || v_stray || v_due) and private.is_limited(fair_key, job_type)
  order by fair_key, job_type
  on conflict (fair_key, job_type) do update set granted = l.granted;
  if cardinality(v_expired) > 0 then
    perform private.cancel_expired(v_expired);
  end if;
  if cardinality(v_lost) > 0 then
    perform private.end_lost(v_lost);
  end if;
  -- Lost jobs of types that this claim does not want: scheduled for at once, for whoever claims them.
  if cardinality(v_stray) > 0 then
    update public.job_queue set
      status = 'pending', attempts = attempts + case when private.is_timed(job_type, retry_until) then 0 else 1 end,
      scheduled_at = now(), ready_at = null, turn = null, slot = false,
      lease_expires_at = null,
      error_details = case
        when private.is_timed(job_type, retry_until) then error_details
        else private.add_error(job_queue, 'The run ended without an answer.', '{"code": "lease_expired"}')
      end
    where id = any(v_stray);
  end if;
  if cardinality(v_due) > 0 then
    perform private.promote_due(v_due);
  end if;
end
$$;

-- 20261124000325_low_water.sql

-- Where an index begins. While some transaction runs for long, vacuum cannot remove the entries of jobs
-- that have passed meanwhile, and every claim would step over all of them. Once many dead rows stand in
-- the table, claims begin at low-water marks instead, which one claim a second raises.
--
-- A job committed later than a second after it was given its turn, in that state, may lie below a mark:
-- the cron looks at all of the index each minute and lowers the marks to what it finds.

-- The lines that have ready jobs, read from the index itself: whatever brought a job in past the triggers (a
-- restore without them), the cron finds it.
create function private.open_lines() returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
begin
  insert into private.lines (job_type, priority)
  with recursive used as (
    (
      select job_type, priority from public.job_queue
      where status = 'pending' and ready_at is not null
      order by job_type, priority desc limit 1
    )
    union all
    select next.job_type, next.priority from used
    cross join lateral (
      (
        select j.job_type, j.priority from public.job_queue as j
        where j.status = 'pending' and j.ready_at is not null
          and j.job_type = used.job_type and j.priority < used.priority
        order by j.priority desc limit 1
      )
      union all
      (
        select j.job_type, j.priority from public.job_queue as j
        where j.status = 'pending' and j.ready_at is not null and j.job_type > used.job_type
        order by j.job_type, j.priority desc limit 1
      )
      limit 1
    ) as next
  )
  select job_type, priority from used
  on conflict do nothing;
end
$$;

create function private.raise_low_water(p_thorough boolean) returns void
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off as $$
declare
  v_marks private.low_water;
  v_safe timestamptz := clock_timestamp() - interval '1 second';
  v_safe_turn bigint := extract(epoch from v_safe) * 1000000;
begin
  select * into v_marks from private.low_water where p_thorough or raised_at < v_safe for update skip locked;
  if not found then
    return;
  end if;
  if p_thorough then
    v_marks := (true, '-infinity', '-infinity', '-infinity', null);
    perform private.open_lines();
  end if;
  update private.lines as l set low_turn = least(v_safe_turn, (
    select j.turn from public.job_queue as j
    where j.status = 'pending' and j.ready_at is not null and j.job_type = l.job_type and j.priority = l.priority
      and j.turn >= case when p_thorough then -9223372036854775808 else l.low_turn end
    order by j.turn, j.seq limit 1
  ))
  where true;
  update private.low_water set
    raised_at = clock_timestamp(),
    lease_expires_at = least(v_safe, (
      select lease_expires_at from public.job_queue
      where status = 'processing' and seq > 0 and lease_expires_at >= v_marks.lease_expires_at
      order by lease_expires_at limit 1
    )),
    scheduled_at = least(v_safe, (
      select scheduled_at from public.job_queue
      where status = 'pending' and ready_at is null and not held and scheduled_at >= v_marks.scheduled_at
      order by scheduled_at limit 1
    )),
    expires_at = least(v_safe, (
      select expires_at from public.job_queue
      where status = 'pending' and expires_at >= v_marks.expires_at
      order by expires_at limit 1
    ))
  where only_row;
end
$$;

-- The marks to begin at; all -infinity (raised_at too) while there is nothing to step over.
create function private.low_water_marks() returns private.low_water
language plpgsql set search_path = '' as $$
declare
  v_marks private.low_water := (true, '-infinity', '-infinity', '-infinity', '-infinity');
begin
  if pg_stat_get_dead_tuples('public.job_queue'::regclass) > 20000 then
    select * into v_marks from private.low_water;
    if v_marks.raised_at < clock_timestamp() - interval '1 second' then
      perform private.raise_low_water(false);
      select * into v_marks from private.low_water;
    end if;
  end if;
  return v_marks;
end
$$;

-- What is set back in time by hand, or enqueued for a time in the past, may lie below the marks.
create function private.lower_marks(p_job_type text, p_priority int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  -- The one row first, so that calls for several lines never meet crosswise.
  perform 1 from private.low_water for update;
  update private.low_water set
    lease_expires_at = '-infinity', scheduled_at = '-infinity', expires_at = '-infinity'
  where greatest(lease_expires_at, scheduled_at, expires_at) > '-infinity';
  update private.lines set low_turn = -9223372036854775808
  where job_type = p_job_type and priority = p_priority and low_turn > -9223372036854775808;
end
$$;

-- 20261124000328_changes.sql

-- What every change of a job brings with it, also one made by hand. One function for each kind of change
-- and no WHEN: Postgres would compile each WHEN anew for each statement, which costs more than the call.

-- Keeps a row in one of its states. A finished job gives its place back. One that is set to pending, put
-- off, moved to another type or priority, or ready without a turn is scheduled, and made ready when due; one
-- whose time is set back has waited longer. One that runs without a lease has ten minutes.
create function private.before_job_update() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.updated_at = old.updated_at then
    new.updated_at := now();
  end if;
  if new.status not in ('pending', 'processing') then
    new.slot := false;
    new.held := false;
  elsif new.status = 'pending' and (new.ready_at is not null or new.held or new.slot) then
    if old.status <> 'pending' or new.priority <> old.priority or new.job_type <> old.job_type
      or new.fair_key is distinct from old.fair_key
      or (new.scheduled_at <> old.scheduled_at and new.scheduled_at > now())
      or (new.ready_at is not null and new.turn is null)
    then
      new.slot := false;
      new.held := false;
      new.ready_at := null;
      new.turn := null;
    elsif new.scheduled_at <> old.scheduled_at and new.ready_at is not null then
      new.ready_at := new.scheduled_at;
      new.turn := least(new.turn, private.turn_at(new.scheduled_at));
    end if;
  elsif new.slot and (new.job_type <> old.job_type or new.fair_key is distinct from old.fair_key) then
    new.slot := false;
  end if;
  if new.status = 'processing' and new.lease_expires_at is null then
    new.lease_expires_at := now() + interval '10 minutes';
  end if;
  return new;
end
$$;

create trigger job_queue_before_update before update on public.job_queue
for each row execute function private.before_job_update();

create function private.after_job_insert() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into private.job_deltas (job_type, status, hour, jobs, attempts, timed, seconds, oldest, newest)
  values (
    new.job_type, new.status,
    case
      when new.status in ('pending', 'processing') then '-infinity'
      else date_trunc('hour', coalesce(new.completed_at, new.updated_at), 'UTC')
    end,
    1, new.attempts, coalesce((new.completed_at >= new.started_at)::int, 0),
    case when new.completed_at >= new.started_at then extract(epoch from new.completed_at - new.started_at) else 0 end,
    new.created_at, new.created_at
  );
  if new.status = 'pending' and new.ready_at is not null then
    perform private.open_line(new.job_type, new.priority);
  end if;
  -- Inserted by hand, in a state in which nobody would find it: private.before_job_update mends it.
  if (new.status = 'pending' and new.ready_at is not null and new.turn is null)
    or (new.status = 'processing' and new.lease_expires_at is null)
  then
    update public.job_queue set updated_at = now() where id = new.id;
  end if;
  if (new.status = 'pending' and least(new.scheduled_at, new.expires_at) < now() - interval '1 second')
    or (new.status = 'processing' and new.lease_expires_at < now() - interval '1 second')
  then
    perform private.lower_marks(new.job_type, new.priority);
  end if;
  return null;
end
$$;

create trigger job_queue_after_insert after insert on public.job_queue
for each row execute function private.after_job_insert();

create function private.after_job_update() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if old.status <> new.status or old.attempts <> new.attempts or old.job_type <> new.job_type
    or old.completed_at is distinct from new.completed_at
    or (old.completed_at is not null and old.started_at is distinct from new.started_at)
  then
    insert into private.job_deltas (job_type, status, hour, jobs, attempts, timed, seconds, oldest, newest)
    values (
      old.job_type, old.status,
      case
        when old.status in ('pending', 'processing') then '-infinity'
        else date_trunc('hour', coalesce(old.completed_at, old.updated_at), 'UTC')
      end,
      -1, -old.attempts, -coalesce((old.completed_at >= old.started_at)::int, 0),
      case when old.completed_at >= old.started_at then -extract(epoch from old.completed_at - old.started_at) else 0 end,
      null, null
    ), (
      new.job_type, new.status,
      case
        when new.status in ('pending', 'processing') then '-infinity'
        else date_trunc('hour', coalesce(new.completed_at, new.updated_at), 'UTC')
      end,
      1, new.attempts, coalesce((new.completed_at >= new.started_at)::int, 0),
      case when new.completed_at >= new.started_at then extract(epoch from new.completed_at - new.started_at) else 0 end,
      new.created_at, new.created_at
    );
  end if;
  if new.status = 'pending' and new.ready_at is not null and old.ready_at is null then
    perform private.open_line(new.job_type, new.priority);
  end if;
  if old.slot and not new.slot and not new.held then
    perform private.free_slot(old.fair_key, old.job_type);
  end if;
  if (
    new.status = 'pending' and least(new.scheduled_at, new.expires_at) < now() - interval '1 second'
    and (
      old.status <> 'pending' or old.scheduled_at <> new.scheduled_at
      or old.expires_at is distinct from new.expires_at or (old.ready_at is not null and new.ready_at is null)
    )
  ) or (
    new.status = 'processing' and new.lease_expires_at < now() - interval '1 second'
    and (old.status <> 'processing' or old.lease_expires_at is distinct from new.lease_expires_at)
  ) then
    perform private.lower_marks(new.job_type, new.priority);
  end if;
  return null;
end
$$;

create trigger job_queue_after_update after update on public.job_queue
for each row execute function private.after_job_update();

create function private.after_job_delete() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- What ended long ago is no longer counted.
  if old.completed_at is null or old.completed_at > now() - interval '48 hours' then
    insert into private.job_deltas (job_type, status, hour, jobs, attempts, timed, seconds)
    values (
      old.job_type, old.status,
      case
        when old.status in ('pending', 'processing') then '-infinity'
        else date_trunc('hour', coalesce(old.completed_at, old.updated_at), 'UTC')
      end,
      -1, -old.attempts, -coalesce((old.completed_at >= old.started_at)::int, 0),
      case when old.completed_at >= old.started_at then -extract(epoch from old.completed_at - old.started_at) else 0 end
    );
  end if;
  if old.slot then
    perform private.free_slot(old.fair_key, old.job_type);
  end if;
  return null;
end
$$;

create trigger job_queue_after_delete after delete on public.job_queue
for each row execute function private.after_job_delete();

-- Emptying the table empties what is counted from it.
create function private.after_job_truncate() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from private.lanes where true;
  delete from private.job_deltas where true;
  delete from private.job_counts where true;
  return null;
end
$$;

create trigger job_queue_after_truncate after truncate on public.job_queue
for each statement execute function private.after_job_truncate();

-- 20261124000330_claim.sql

-- Out of the queue. Which ready jobs are next: the higher priority first, fair turns within a priority
-- (private.next_turn); but a job whose turn is longer ago than settings.age_after goes before all that are
-- younger, whatever their priority: low is slow and never starved.
--
-- A line is the ready jobs of one type and priority: one range of one index. Lines of one priority are
-- served in the order of their first jobs. `ARRAY(SELECT … FOR UPDATE SKIP LOCKED LIMIT n)` is locked and
-- counted exactly once; a join in its place was planned as a hash join over the whole table. Rows are
-- passed on by ctid, which cannot change while this transaction holds their locks.

create type private.line_head as (job_type text, priority int, low_turn bigint, turn bigint);

-- The lines that have ready jobs, in the order in which they are served. Where p_creates is false, without those
-- that would create a prediction.
create function private.line_heads(p_job_types text[], p_marked boolean, p_creates boolean)
returns private.line_head[]
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
  return (
    select array_agg(
      row(l.job_type, l.priority, l.low_turn, head.turn)::private.line_head order by l.priority desc, head.turn
    )
    from (
      select job_type, priority, case when p_marked then low_turn else -9223372036854775808 end as low_turn
      from private.lines
      where (p_job_types is null or job_type = any(p_job_types))
        and (job_type <> 'generate-image' or p_creates)
    ) as l
    cross join lateral (
      select j.turn from public.job_queue as j
      where j.status = 'pending' and j.ready_at is not null
        and j.job_type = l.job_type and j.priority = l.priority and j.turn >= l.low_turn
      order by j.turn, j.seq limit 1
    ) as head
  );
end
$$;

-- Locks up to p_limit jobs whose turn is at or before p_turn, the oldest first, of whatever line. Where
-- other claims have taken those it saw, it looks further, twice.
create function private.pick_aged(p_heads private.line_head[], p_turn bigint, p_limit int) returns tid[]
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_window int := p_limit;
  v_seen tid[];
  v_rows tid[] := '{}';
begin
  for v_try in 1..3 loop
    v_seen := array(
      select aged.job from unnest(p_heads) as h
      cross join lateral (
        select j.ctid as job, j.turn, j.seq from public.job_queue as j
        where j.status = 'pending' and j.ready_at is not null
          and j.job_type = h.job_type and j.priority = h.priority and j.turn between h.low_turn and p_turn
          and (j.expires_at is null or j.expires_at > now())
        order by j.turn, j.seq limit v_window
      ) as aged
      order by aged.turn, aged.seq limit v_window
    );
    v_rows := v_rows || array(
      select j.ctid from public.job_queue as j
      where j.ctid = any(v_seen) and j.ctid <> all(v_rows) and j.status = 'pending' and j.ready_at is not null
      order by j.turn, j.seq limit p_limit - cardinality(v_rows)
      for update skip locked
    );
    exit when cardinality(v_rows) = p_limit or cardinality(v_seen) < v_window;
    v_window := v_window * 4;
  end loop;
  return v_rows;
end
$$;

-- Locks up to p_limit ready jobs of these lines, the first first.
create function private.pick_from(p_heads private.line_head[], p_limit int) returns tid[]
language plpgsql set search_path = '' set enable_seqscan = off set enable_sort = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_heads private.line_head[] := p_heads;
  v_aged_turn bigint;
  v_rows tid[] := '{}';
begin
  if v_heads[1].priority > v_heads[cardinality(v_heads)].priority then
    select (extract(epoch from now() - age_after) * 1000000)::bigint into v_aged_turn from private.settings;
    perform 1 from unnest(v_heads) where turn <= v_aged_turn and priority < v_heads[1].priority;
    if found then
      v_rows := private.pick_aged(v_heads, v_aged_turn, p_limit);
    end if;
  end if;
  return v_rows || array(
    select ready.job from unnest(v_heads) as h
    cross join lateral (
      select j.ctid as job from public.job_queue as j
      where j.status = 'pending' and j.ready_at is not null
        and j.job_type = h.job_type and j.priority = h.priority and j.turn >= h.low_turn
        and (j.expires_at is null or j.expires_at > now()) and j.ctid <> all(v_rows)
      order by j.turn, j.seq limit p_limit - cardinality(v_rows)
      for update skip locked
    ) as ready
    limit p_limit - cardinality(v_rows)
  );
end
$$;

-- Nothing that would create a prediction while the provider refuses to; and after that one job alone, until it
-- is known that it creates again.
create function private.pick_ready(p_limit int, p_job_types text[], p_marked boolean) returns tid[]
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_pause record;
  v_heads private.line_head[];
  v_creating private.line_head[];
  v_rows tid[] := '{}';
  v_probe tid[];
begin
  select until > now() as is_on, probing into v_pause from private.provider_pause where only_row;
  v_heads := private.line_heads(p_job_types, p_marked, v_pause.is_on is not true);
  if v_heads is null then
    return v_rows;
  end if;
  if v_pause.probing is not true then
    return private.pick_from(v_heads, p_limit);
  end if;
  v_creating := array(select h from unnest(v_heads) as h where h.job_type = 'generate-image');
  v_heads := array(select h from unnest(v_heads) as h where h.job_type <> 'generate-image');
  if cardinality(v_heads) > 0 then
    v_rows := private.pick_from(v_heads, p_limit);
  end if;
  if cardinality(v_creating) > 0 and cardinality(v_rows) < p_limit and private.take_probe() then
    v_probe := private.pick_from(v_creating, 1);
    if cardinality(v_probe) = 0 then
      update private.provider_pause set probe_until = '-infinity' where only_row;
    end if;
    v_rows := v_rows || v_probe;
  end if;
  return v_rows;
end
$$;

-- Up to p_limit ready jobs under a new lease, in order. Waits for nobody. An image whose model the provider
-- refuses is handed out with a mark in its payload: whoever runs it need not ask.
create function private.lease_ready(p_limit int, p_lease_seconds int, p_job_types text[], p_marked boolean)
returns setof public.job_queue
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_rows tid[] := private.pick_ready(p_limit, p_job_types, p_marked);
  v_refused text[];
begin
  if cardinality(v_rows) = 0 then
    return;
  end if;
  v_refused := array(select model from private.refused_models where until > now());
  return query
  with claimed as (
    update public.job_queue set
      status = 'processing',
      lease = lease + 1,
      lease_expires_at = now() + make_interval(secs => p_lease_seconds),
      rescued = false,
      started_at = now(),
      payload = case
        when v_refused <> '{}' and job_type = 'generate-image' and payload ->> 'model_id' = any(v_refused)
          then payload || '{"model_refused": true}'
        else payload
      end,
      updated_at = now()
    where ctid = any(v_rows)
    returning *
  )
  select * from claimed order by priority desc, turn, seq;
end
$$;

-- What a step hands on to its caller: up to p_limit images that are ready to be made, leased.
create function private.next_jobs(p_limit int, p_lease_seconds int) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_marks private.low_water;
begin
  if coalesce(p_limit, 0) < 1 then
    return '[]';
  end if;
  v_marks := private.low_water_marks();
  return (
    select coalesce(jsonb_agg(to_jsonb(j)), '[]')
    from private.lease_ready(
      least(p_limit, 10), least(greatest(coalesce(p_lease_seconds, 60), 1), 86400),
      '{generate-image}', v_marks.raised_at > '-infinity'
    ) as j
  );
end
$$;

-- Up to p_limit jobs under a new lease: lost ones first, then ready ones in order. Null types: all.
create function private.claim_jobs(p_limit int, p_lease_seconds int, p_job_types text[])
returns setof public.job_queue
language plpgsql security definer set search_path = '' set enable_seqscan = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_limit int := least(coalesce(p_limit, 1), 1000);
  v_lease_seconds int := least(greatest(coalesce(p_lease_seconds, 60), 1), 86400);
  v_marks private.low_water;
  v_expired boolean;
  v_due boolean;
  v_lost boolean;
  v_rescued int;
begin
  if v_limit < 1 then
    return;
  end if;
  v_marks := private.low_water_marks();
  -- One look tells whether there is anything to do but hand out ready jobs.
  select
    exists (
      select from public.job_queue
      where status = 'pending' and expires_at <= now() and expires_at >= v_marks.expires_at
    ),
    exists (
      select from public.job_queue
      where status = 'pending' and ready_at is null and not held
        and scheduled_at <= now() and scheduled_at >= v_marks.scheduled_at
    ),
    exists (
      select from public.job_queue
      where status = 'processing' and seq > 0
        and lease_expires_at <= now() and lease_expires_at >= v_marks.lease_expires_at
    )
  into v_expired, v_due, v_lost;
  if v_expired or v_due or v_lost then
    perform private.do_chores(greatest(100, v_limit * 2), p_job_types, v_marks);
  end if;
  if v_lost then
    return query
    select * from private.rescue_jobs(v_limit, v_lease_seconds, p_job_types, v_marks.lease_expires_at);
    get diagnostics v_rescued = row_count;
    v_limit := v_limit - v_rescued;
    if v_limit < 1 then
      return;
    end if;
  end if;

  return query
  select * from private.lease_ready(v_limit, v_lease_seconds, p_job_types, v_marks.raised_at > '-infinity');
end
$$;

-- 20261124000340_outcomes.sql

-- How a job's run ends. Every write names the lease it was claimed under; a lease that is no longer
-- the job's changes nothing and is answered "stale".

-- Job types whose end is their generation's end.
create function private.carries_generation(p_job_type text) returns boolean
language sql immutable set search_path = '' as $$
  select p_job_type in ('generate-image', 'download-image')
$$;

-- The job's history with one more attempt's error.
create function private.add_error(p_job public.job_queue, p_message text, p_details jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select case jsonb_typeof(p_job.error_details) when 'array' then p_job.error_details else '[]' end
    || jsonb_build_array(
      jsonb_strip_nulls(jsonb_build_object(
        'attempt', p_job.attempts + 1, 'at', now(), 'message', p_message, 'prediction_id', p_job.prediction_id
      )) || case jsonb_typeof(p_details) when 'object' then p_details else '{}' end
    )
$$;

-- Counts an attempt that ended in an error: back to pending after p_retry_in_seconds, or failed when
-- that is null or the attempts are used up. An error that says {"retry": "once"} is one of which nobody can
-- tell whether another attempt makes sense: the second such error of a job ends it. The caller holds the job's
-- row. Returns the outcome.
create function private.end_attempt(
  p_job public.job_queue, p_error_message text, p_error_details jsonb, p_retry_in_seconds numeric
) returns text
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_history jsonb := private.add_error(p_job, p_error_message, p_error_details);
  v_code text := p_error_details ->> 'code';
begin
  if p_job.job_type = 'generate-image' then
    if p_job.prediction_id is not null then
      perform private.note_end(p_job.prediction_id, 'unknown', null);
    else
      perform private.return_probe();
    end if;
  end if;
  if p_retry_in_seconds is not null and p_job.attempts + 1 < p_job.max_attempts
    and not (p_error_details @> '{"retry": "once"}' and p_job.error_details @> '[{"retry": "once"}]') is true
  then
    update public.job_queue set
      status = 'pending', attempts = attempts + 1, ready_at = null, turn = null, slot = false, held = false,
      scheduled_at = now() + make_interval(secs => greatest(p_retry_in_seconds, 0)::double precision),
      lease_expires_at = null, prediction_id = null, outcome_unknown = false, rescued = false,
      error_message = p_error_message, error_details = v_history
    where id = p_job.id;
    if p_job.generation_id is not null and p_job.job_type = 'generate-image' then
      update public.image_generations set
        status = 'queued', progress = 0, retry_count = retry_count + 1,
        started_at = null, replicate_prediction_id = null
      where id = p_job.generation_id and status in ('queued', 'processing', 'downloading');
    end if;
    return 'retrying';
  end if;

  update public.job_queue set
    status = 'failed', completed_at = now(), lease_expires_at = null, slot = false,
    -- Nothing was tried where the provider refuses the model.
    attempts = attempts + case v_code when 'model_unavailable' then 0 else 1 end,
    prediction_id = p_job.prediction_id, error_message = p_error_message, error_details = v_history
  where id = p_job.id;
  if p_job.generation_id is not null and private.carries_generation(p_job.job_type) then
    perform private.end_generation(
      p_job.generation_id, case v_code when 'cancelled' then 'cancelled' else 'failed' end,
      p_error_message, coalesce(v_code, 'failed')
    );
  end if;
  return 'failed';
end
$$;

create function private.fail_job(
  p_job_id uuid, p_lease bigint, p_error_message text, p_error_details jsonb, p_retry_in_seconds numeric
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  select * into v_job from public.job_queue
  where id = p_job_id and lease = p_lease and status = 'processing' for update;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  return jsonb_build_object(
    'outcome', private.end_attempt(v_job, p_error_message, p_error_details, p_retry_in_seconds)
  );
end
$$;

-- Puts a run off without using an attempt. With a prediction, or one that may exist, the job stays
-- processing and is looked at by the sweep when the time is over; else it is pending again.
create function private.snooze_job(p_job_id uuid, p_lease bigint, p_seconds numeric, p_outcome_unknown boolean)
returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_until timestamptz := now() + make_interval(secs => greatest(coalesce(p_seconds, 0), 0)::double precision);
  v_creates boolean;
begin
  update public.job_queue set
    outcome_unknown = coalesce(p_outcome_unknown, false),
    status = case when prediction_id is not null or p_outcome_unknown then status else 'pending' end,
    lease_expires_at = case when prediction_id is not null or p_outcome_unknown then v_until end,
    scheduled_at = case when prediction_id is not null or p_outcome_unknown then scheduled_at else v_until end,
    slot = slot and (prediction_id is not null or p_outcome_unknown),
    retry_until = case
      when job_type <> 'generate-image' or prediction_id is not null then retry_until
      -- A day after it was due: an end for what nobody can serve.
      else coalesce(retry_until, greatest(created_at, scheduled_at) + interval '24 hours')
    end,
    ready_at = null,
    turn = null
  where id = p_job_id and lease = p_lease and status = 'processing'
  returning job_type = 'generate-image' and prediction_id is null into v_creates;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  if v_creates then
    perform private.return_probe();
  end if;
  return '{"outcome": "snoozed"}';
end
$$;

create function private.extend_lease(p_job_id uuid, p_lease bigint, p_lease_seconds int) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  update public.job_queue
  set lease_expires_at = now() + make_interval(secs => least(greatest(p_lease_seconds, 1), 86400))
  where id = p_job_id and lease = p_lease and status = 'processing';
  return jsonb_build_object('outcome', case when found then 'extended' else 'stale' end);
end
$$;

create function private.complete_job(p_job_id uuid, p_lease bigint, p_result jsonb) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_payload jsonb;
begin
  update public.job_queue set
    status = 'completed', completed_at = now(), lease_expires_at = null, slot = false,
    error_message = null, result = p_result, updated_at = now()
  where id = p_job_id and lease = p_lease and status = 'processing'
  returning case job_type when 'cancel-prediction' then payload end into v_payload;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  if v_payload is not null and jsonb_typeof(p_result -> 'predictions') = 'array' then
    perform private.note_stopped(v_payload, p_result -> 'predictions');
  end if;
  return '{"outcome": "completed"}';
end
$$;

-- Many jobs, each under its lease: returns the ids of those that are completed now. The rows are locked
-- before the lanes that they free, so that two such calls never meet crosswise.
create function private.complete_jobs(p_job_ids uuid[], p_leases bigint[]) returns uuid[]
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_ids uuid[];
begin
  if cardinality(p_job_ids) is distinct from cardinality(p_leases) then
    perform private.refuse(422, 'invalid_request', 'Each job needs its lease.');
  end if;
  v_ids := array(
    select id from public.job_queue
    where id = any(p_job_ids) and lease = p_leases[array_position(p_job_ids, id)] and status = 'processing'
    order by id for update
  );
  perform private.lock_lanes(v_ids);
  update public.job_queue set
    status = 'completed', completed_at = now(), lease_expires_at = null, slot = false,
    error_message = null, updated_at = now()
  where id = any(v_ids);
  return v_ids;
end
$$;

-- The original's way to end a job, without a lease: an error is retried with exponential backoff and
-- full jitter (10 s doubling, at most 10 minutes) until the attempts are used up.
create function private.complete_job_unfenced(
  p_job_id uuid, p_error_message text, p_error_details jsonb, p_result jsonb
) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  select * into v_job from public.job_queue
  where id = p_job_id and status in ('pending', 'processing') for update;
  if not found then
    return;
  end if;
  if p_error_message is not null then
    perform private.end_attempt(
      v_job, p_error_message, p_error_details, (random() * least(600, 10 * 2 ^ least(v_job.attempts, 10)))::numeric
    );
    return;
  end if;
  update public.job_queue set
    status = 'completed', completed_at = now(), lease_expires_at = null, slot = false, error_message = null,
    result = p_result
  where id = p_job_id;
end
$$;

-- 20261124000400_requests.sql

-- Reading a request that comes straight from a user: every value is checked before it is used.

-- Refuses a call with an answer that PostgREST hands on as HTTP: status, a sentence, a stable code.
-- p_retry_after: seconds until it is worth trying again; p_limit: which of the plan's limits it met.
create function private.refuse(
  p_status int, p_code text, p_message text, p_retry_after int = null, p_limit text = null
) returns void
language plpgsql set search_path = '' as $$
begin
  if p_retry_after is null then
    raise exception using errcode = 'PT' || p_status, message = p_message, detail = p_code;
  end if;
  raise exception using errcode = 'PT' || p_status, message = p_message, detail = p_code,
    hint = concat_ws(' ', 'retry_after=' || p_retry_after, 'limit=' || p_limit);
end
$$;

-- Refuses a member of a request for what it holds.
create function private.refuse_field(p_field text, p_message text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'PT422', message = p_message, detail = 'invalid_request',
    hint = 'field=' || p_field;
end
$$;

-- Bounds a request as a whole, before any of it is read: no number that the Worker cannot read, 64 KiB of JSON
-- and no deeper than the Worker reads. A repeated text counts once, since the Worker repeats the prompt for each
-- image of it. What the Worker adds (items, adjustments, output) has bounds of its own; the rest is measured as
-- it is stored, since a number of few digits can stand for one of many. 1 KiB more than the Worker allows:
-- spellings differ.
create function private.check_size(p_request jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  if jsonb_path_exists(
    p_request,
    'strict $.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))'
  ) then
    perform private.refuse_field('body', 'The body must not have numbers beyond double precision.');
  end if;
  if pg_column_size(p_request) <= 1024 then
    return;
  end if;
  if pg_column_size(p_request) > 524288
    or pg_column_size(p_request - '{items,adjustments,output}'::text[]) > 66560
    or (
      select sum(octet_length(t.text::text) + 1)
      from (
        select distinct text from jsonb_path_query(
          p_request - 'adjustments', 'strict $.** ? (@.type() == "string")'
        ) as text
      ) as t
    ) > 66560
  then
    perform private.refuse(413, 'body_too_large', 'The body must be at most 64 KiB.');
  end if;
  if jsonb_path_exists(
    p_request, 'strict $.**{127 to last} ? (@.type() == "object" || @.type() == "array")'
  ) then
    perform private.refuse_field('body', 'The body is nested too deeply.');
  end if;
end
$$;

-- A text of at most p_max characters (Unicode code points), or null where it is absent or null.
create function private.read_text(p_request jsonb, p_key text, p_max int) returns text
language plpgsql set search_path = '' as $$
declare
  v_text text := p_request ->> p_key;
begin
  if v_text is not null and (jsonb_typeof(p_request -> p_key) <> 'string' or char_length(v_text) > p_max) then
    perform private.refuse_field(p_key, format('%s must be a text of at most %s characters.', p_key, p_max));
  end if;
  return v_text;
end
$$;

-- One of the words, or null where it is absent or null.
create function private.read_word(p_request jsonb, p_key text, p_words text[]) returns text
language plpgsql set search_path = '' as $$
declare
  v_text text := p_request ->> p_key;
begin
  if v_text is not null and (jsonb_typeof(p_request -> p_key) <> 'string' or v_text <> all(p_words)) then
    perform private.refuse_field(p_key, format('%s must be one of: %s.', p_key, array_to_string(p_words, ', ')));
  end if;
  return v_text;
end
$$;

-- An id, in the spellings that the Worker reads: with hyphens, also in braces or as a URN, or without any.
create function private.read_id(p_request jsonb, p_key text) returns uuid
language plpgsql set search_path = '' as $$
declare
  v_text text := private.read_text(p_request, p_key, 100);
  v_bare text := case
    when v_text like '{%}' then substr(v_text, 2, 36) when v_text ilike 'urn:uuid:%' then substr(v_text, 10)
  end;
begin
  if v_text is null then
    return null;
  end if;
  if (v_bare is null and v_text ~ '^[0-9A-Fa-f]{32}$')
    or (length(v_text) in (36, 38, 45) and coalesce(v_bare, v_text) ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$')
  then
    return coalesce(v_bare, v_text)::uuid;
  end if;
  perform private.refuse_field(p_key, format('%s must be an id.', p_key));
end
$$;

-- A number from p_min to p_max, whole where p_whole, or null where it is absent or null. As the Worker reads it:
-- in double precision, of which 15 digits are kept.
create function private.read_number(p_request jsonb, p_key text, p_min numeric, p_max numeric, p_whole boolean)
returns numeric
language plpgsql set search_path = '' as $$
declare
  v_number numeric;
begin
  if p_request -> p_key is null or p_request -> p_key = 'null' then
    return null;
  end if;
  if jsonb_typeof(p_request -> p_key) = 'number' then
    v_number := (p_request -> p_key)::numeric;
    if abs(v_number) < 9000000000000000 then
      v_number := round(v_number, 323)::double precision::numeric;
      if v_number between p_min and p_max and (not p_whole or v_number = trunc(v_number)) then
        return v_number;
      end if;
    end if;
  end if;
  perform private.refuse_field(p_key, format(
    '%s must be a %s from %s to %s.', p_key, case when p_whole then 'whole number' else 'number' end, p_min, p_max));
end
$$;

-- Whether a text has nothing but white space, as Unicode has it.
create function private.is_blank(p_text text) returns boolean
language sql immutable set search_path = '' as $$
  select btrim(
    p_text,
    E'\t\n\x0b\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'
  ) = ''
$$;

-- The items of a request, [{prompt, seed}], from either of its two forms.
create function private.read_items(p_request jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_items jsonb := nullif(p_request -> 'items', 'null');
  v_item jsonb;
  v_prompt text;
begin
  if v_items is null then
    v_items := jsonb_build_array(
      jsonb_build_object('prompt', p_request -> 'prompt', 'seed', p_request -> 'seed')
    );
  end if;
  if jsonb_typeof(v_items) <> 'array' then
    perform private.refuse_field('items', 'items must be a list.');
  end if;
  if jsonb_array_length(v_items) not between 1 and 10 then
    perform private.refuse_field('items', 'A request is for 1 to 10 images.');
  end if;
  for v_item in select jsonb_array_elements(v_items) loop
    if jsonb_typeof(v_item) <> 'object' then
      perform private.refuse_field('items', 'Each item must be an object with a prompt.');
    end if;
    v_prompt := private.read_text(v_item, 'prompt', 4000);
    if v_prompt is null or private.is_blank(v_prompt) then
      perform private.refuse_field('prompt', 'prompt must be a text of 1 to 4000 characters.');
    end if;
    perform private.read_number(v_item, 'seed', 0, 4294967295, true);
  end loop;
  return v_items;
end
$$;

-- A public https address: a DNS name with a top-level domain of letters. No user name, no port, no address in
-- numbers of any spelling, no name that only a local network knows.
create function private.is_public_https_url(p_url text) returns boolean
language sql immutable set search_path = '' as $$
  select octet_length(p_url) <= 2048
    and p_url ~* '^https://([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?(:443)?([/?#]|$)'
    and p_url !~ '[[:space:][:cntrl:]\\]'
    and p_url !~* '^https://[^/?#:]*\.(localhost|localdomain|local|internal|intranet|private|lan|home|corp|arpa|test|invalid|onion)([/?#:]|$)'
$$;

-- The source image as the payload names it, {} where there is none: {source_image_url}, a public address, or
-- {source_bucket, source_path}, a stored file of the user's own, with {source_generation_id}, whose picture it
-- is, or {source_id}, an upload. A file has no address before the run that needs it makes one.
create function private.read_source(p_request jsonb, p_user_id uuid) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_url text := private.read_text(p_request, 'source_image_url', 2048);
  v_id uuid := private.read_id(p_request, 'source_generation_id');
  v_upload uuid := private.read_id(p_request, 'source_id');
  v_path text;
  v_source record;
begin
  if num_nonnulls(v_url, v_id, v_upload) > 1 then
    perform private.refuse(
      422, 'invalid_request', 'Give only one of source_image_url, source_generation_id and source_id.'
    );
  end if;
  if v_upload is not null then
    v_path := private.uploaded_source(p_user_id, v_upload);
    if v_path is null then
      perform private.refuse(
        404, 'not_found', 'There is no such source image. Uploads are deleted after 24 hours.'
      );
    end if;
    return jsonb_build_object(
      'source_id', v_upload, 'source_bucket', 'source-images', 'source_path', v_path
    );
  end if;
  if v_id is not null then
    select g.id, g.status, i.storage_path into v_source
    from public.image_generations as g
    left join public.images as i on i.generation_id = g.id and i.user_id = p_user_id
    where g.id = v_id and g.user_id = p_user_id;
    if v_source.id is null then
      perform private.refuse(404, 'not_found', 'There is no such source generation.');
    end if;
    if v_source.storage_path is null then
      perform private.refuse(409, 'conflict', case
        when v_source.status = 'completed' then 'The image of the source generation was deleted.'
        when v_source.status in ('failed', 'cancelled')
          then format('The source generation has no image: it is %s.', v_source.status)
        else 'The source generation has no image yet. Wait until it is completed.'
      end);
    end if;
    return jsonb_build_object(
      'source_generation_id', v_source.id, 'source_bucket', 'generated-images',
      'source_path', v_source.storage_path
    );
  end if;
  if v_url is not null and not private.is_public_https_url(v_url) then
    perform private.refuse_field('source_image_url', 'source_image_url must be a public https address.');
  end if;
  return jsonb_strip_nulls(jsonb_build_object('source_image_url', v_url));
end
$$;

-- Null where it is none: 22007, 22008 and what else a text can be wrong with are errors of the class 22.
create function private.as_timestamptz(p_text text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return p_text::timestamptz;
exception when data_exception then
  return null;
end
$$;

-- The time from which a request may run; null for at once.
create function private.read_schedule(p_request jsonb) returns timestamptz
language plpgsql set search_path = '' as $$
declare
  v_text text := private.read_text(p_request, 'scheduled_at', 40);
  v_at timestamptz;
begin
  if v_text is null then
    return null;
  end if;
  -- RFC 3339.
  if v_text ~ ('^\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?'
    || '([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$')
  then
    v_at := private.as_timestamptz(v_text);
  end if;
  if v_at is null then
    perform private.refuse_field('scheduled_at', 'scheduled_at must be a time such as 2027-01-31T12:00:00Z.');
  end if;
  if v_at > now() + interval '1 year' then
    perform private.refuse_field('scheduled_at', 'scheduled_at must be within a year.');
  end if;
  return case when v_at > now() then v_at end;
end
$$;

-- 20261124000410_start_rows.sql

-- The parts of start_generation that write and estimate.

-- The user's plan. Also makes up for a missing profile: a start never fails for want of one.
create function private.plan_of(p_user_id uuid) returns private.plans
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_plan private.plans;
  v_has_profile boolean;
begin
  select p.* into v_plan from private.plans as p
  where p.name = coalesce((select u.plan from private.user_plans as u where u.user_id = p_user_id), 'default');
  select exists (select from public.profiles where id = p_user_id) into v_has_profile;
  if not v_has_profile then
    insert into public.profiles (id)
    select id from auth.users where id = p_user_id
    on conflict (id) do nothing;
    if not exists (select from public.profiles where id = p_user_id) then
      perform private.refuse(403, 'forbidden', 'This account no longer exists.');
    end if;
  end if;
  return v_plan;
end
$$;

-- What the Worker has changed to fit the model, at most 20 of {field, requested, used, reason}. Each value may
-- be as long as what a request may hold, in the same unit: characters.
create function private.read_adjustments(p_request jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_adjustments jsonb := coalesce(nullif(p_request -> 'adjustments', 'null'), '[]');
begin
  if jsonb_typeof(v_adjustments) <> 'array' or v_adjustments -> 20 is not null
    or pg_column_size(v_adjustments) > 66560
    or exists (
      select from jsonb_array_elements(v_adjustments) as a (one)
      where jsonb_typeof(a.one) <> 'object'
        or (a.one - '{field,requested,used,reason}'::text[]) <> '{}'
        or exists (
          select from jsonb_each(case jsonb_typeof(a.one) when 'object' then a.one else '{}' end) as m (key, value)
          where case jsonb_typeof(m.value)
            when 'string' then char_length(m.value #>> '{}') > 4000
            when 'number' then length(m.value::text) > 400
            else jsonb_typeof(m.value) in ('object', 'array')
          end
        )
    )
  then
    perform private.refuse_field('adjustments', 'adjustments must be a list of at most 20 changes.');
  end if;
  return v_adjustments;
end
$$;

-- Place of a pending job in its queue, 1 being next: the ready jobs that go first and, while it is held,
-- its user's held jobs before it; counted up to 1,000. Null for a scheduled one.
create function private.queue_position(p_job public.job_queue) returns int
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_ahead int := 0;
  v_more int;
begin
  if p_job.status <> 'pending' or (p_job.ready_at is null and not p_job.held) then
    return null;
  end if;
  select count(*) into v_ahead from (
    select from public.job_queue
    where status = 'pending' and ready_at is not null
      and job_type = p_job.job_type and priority > p_job.priority
    limit 999
  ) as higher;
  select count(*) into v_more from (
    select from public.job_queue
    where status = 'pending' and ready_at is not null
      and job_type = p_job.job_type and priority = p_job.priority
      and (p_job.held or (turn, seq) < (p_job.turn, p_job.seq))
    limit 999 - v_ahead
  ) as earlier;
  v_ahead := v_ahead + v_more;
  if p_job.held then
    select count(*) into v_more from (
      select from public.job_queue
      where status = 'pending' and (held or slot) and held
        and fair_key = p_job.fair_key and job_type = p_job.job_type
        and (priority > p_job.priority or (priority = p_job.priority and seq < p_job.seq))
      limit 999 - v_ahead
    ) as own;
    v_ahead := v_ahead + v_more;
  end if;
  return v_ahead + 1;
end
$$;

-- Seconds until an image at that place should be there.
create function private.estimate_seconds(p_model_seconds numeric, p_position int) returns int
language sql stable set search_path = '' as $$
  select ceil(coalesce(p_model_seconds, 20) * ceil(p_position::numeric / s.parallel_images))::int
  from private.settings as s
$$;

-- One generation and its job for each item; answers with the list that the user gets.
create function private.insert_generations(
  p_user_id uuid, p_items jsonb, p_payload jsonb, p_model public.models, p_price numeric, p_width int, p_height int,
  p_adjustments jsonb, p_priority int, p_batch_id uuid, p_scheduled_at timestamptz, p_expires_at timestamptz
) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_wait int := case when p_scheduled_at is null then 0 else ceil(extract(epoch from p_scheduled_at - now())) end;
  v_seconds numeric := private.model_seconds(p_model.id, p_model.estimated_time_seconds);
  v_jobs jsonb;
  v_ids uuid[];
  v_first int;
begin
  with items as materialized (
    select gen_random_uuid() as generation_id, gen_random_uuid() as job_id, place - 1 as place, item
    from jsonb_array_elements(p_items) with ordinality as listed (item, place)
  ), generations as (
    insert into public.image_generations (
      id, user_id, prompt, negative_prompt, model, model_id, style, width, height, steps, guidance_scale,
      seed, source_image_url, generation_strength, status, priority, batch_id, batch_index, job_id,
      adjustments, operation, source_generation_id, source_id, reserved_usd, reserved_on, webhook_url
    )
    select generation_id, p_user_id, item ->> 'prompt', p_payload ->> 'negative_prompt',
      p_model.replicate_id, p_model.id, p_payload ->> 'style', p_width, p_height,
      (p_payload ->> 'num_inference_steps')::int, (p_payload ->> 'guidance_scale')::numeric,
      (item ->> 'seed')::numeric::bigint, p_payload ->> 'source_image_url', (p_payload ->> 'strength')::numeric,
      'queued', p_priority, p_batch_id, case when p_batch_id is not null then place end, job_id,
      p_adjustments, coalesce(p_payload ->> 'operation', 'generate'), (p_payload ->> 'source_generation_id')::uuid,
      (p_payload ->> 'source_id')::uuid,
      coalesce(p_price, 0), (clock_timestamp() at time zone 'UTC')::date,
      p_payload ->> 'webhook_url'
    from items
  )
  select jsonb_agg(jsonb_build_object(
    'id', job_id,
    'job_type', 'generate-image',
    'priority', p_priority,
    'scheduled_at', p_scheduled_at,
    'expires_at', p_expires_at,
    'payload', p_payload || jsonb_strip_nulls(jsonb_build_object(
      'prompt', item -> 'prompt', 'seed', item -> 'seed', 'generation_id', generation_id
    ))
  ) order by place) into v_jobs
  from items;

  v_ids := private.insert_jobs(v_jobs);
  -- The others follow the first: counting the queue once is enough.
  select private.queue_position(j) into v_first from public.job_queue as j where j.id = v_ids[1];
  return (
    select jsonb_agg(
      jsonb_build_object(
        'generation_id', job -> 'payload' -> 'generation_id',
        'job_id', job -> 'id',
        'queue_position', case when v_first is not null then least(v_first + place - 1, 1000) end,
        'estimated_seconds', v_wait + private.estimate_seconds(
          v_seconds, least(coalesce(v_first, 1) + place - 1, 1000)::int
        )
      ) order by place
    )
    from jsonb_array_elements(v_jobs) with ordinality as listed (job, place)
  );
end
$$;

-- 20261124000420_start.sql

-- start_generation: everything that an accepted request needs, in one transaction; a refused one
-- leaves nothing behind.

-- Counts a request against the user's plan: the request, its images, and what they are expected to cost
-- (US dollars). The row's lock makes parallel requests take their turn; a refused one counts for nothing.
create function private.use_quota(p_user_id uuid, p_plan private.plans, p_images int, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_usage private.usage;
  v_now timestamptz;
  v_tomorrow int;
begin
  -- The lane before the usage, as in every step that frees a place and then settles its cost.
  insert into private.lanes (fair_key, job_type, active, granted) values (p_user_id, 'generate-image', 0, 0)
  on conflict do nothing;
  perform 1 from private.lanes where fair_key = p_user_id and job_type = 'generate-image' for update;

  -- clock_timestamp(): a request may have waited for the row since its transaction began.
  insert into private.usage as u (user_id, minute_started_at, minute_requests, day, day_images, day_cost)
  values (p_user_id, clock_timestamp(), 1, (clock_timestamp() at time zone 'UTC')::date, p_images, p_cost)
  on conflict (user_id) do update set
    minute_started_at = case
      when u.minute_started_at <= clock_timestamp() - interval '1 minute' then clock_timestamp()
      else u.minute_started_at
    end,
    minute_requests = case
      when u.minute_started_at <= clock_timestamp() - interval '1 minute' then 1 else u.minute_requests + 1
    end,
    day = excluded.day,
    day_images = case when u.day = excluded.day then u.day_images + p_images else p_images end,
    day_cost = case when u.day = excluded.day then u.day_cost + p_cost else p_cost end
  returning * into v_usage;

  v_now := clock_timestamp();
  v_tomorrow := greatest(1, ceil(extract(epoch from (v_usage.day + 1)::timestamp at time zone 'UTC' - v_now))::int);
  if v_usage.minute_requests > p_plan.requests_per_minute then
    perform private.refuse(
      429, 'quota_exceeded', format('You can send %s requests a minute.', p_plan.requests_per_minute),
      greatest(1, ceil(extract(epoch from v_usage.minute_started_at + interval '1 minute' - v_now))::int),
      'requests_per_minute'
    );
  end if;
  if v_usage.day_images > p_plan.images_per_day then
    perform private.refuse(
      429, 'quota_exceeded', format('You can make %s images a day.', p_plan.images_per_day),
      v_tomorrow, 'images_per_day'
    );
  end if;
  if v_usage.day_cost > p_plan.money_per_day then
    perform private.refuse(
      429, 'quota_exceeded', format('You can spend %s US dollars a day.', trim_scale(p_plan.money_per_day)),
      v_tomorrow, 'money_per_day'
    );
  end if;
end
$$;

-- Reserves an idempotency key; returns the answer already given under it, or null for a new one.
-- A second call with the same key waits here until the first has committed or been refused.
create function private.reserve_key(p_user_id uuid, p_key text, p_hash text) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_known private.idempotency_keys;
begin
  if p_key !~ '^[\x21-\x7e]{1,255}$' then
    perform private.refuse_field('Idempotency-Key', 'Idempotency-Key must be 1 to 255 visible ASCII characters.');
  end if;
  if p_hash !~ '^[\x21-\x7e]{1,128}$' then
    perform private.refuse_field('p_request_hash', 'p_request_hash must be 1 to 128 visible ASCII characters.');
  end if;
  insert into private.idempotency_keys as k (user_id, key, request_hash)
  values (p_user_id, p_key, p_hash)
  on conflict (user_id, key) do update set request_hash = excluded.request_hash, created_at = now(), response = null
    where k.created_at < now() - interval '24 hours';
  if found then
    return null;
  end if;
  select * into v_known from private.idempotency_keys where user_id = p_user_id and key = p_key;
  if v_known.request_hash <> p_hash then
    perform private.refuse(422, 'idempotency_mismatch', 'This idempotency key was used for another request.');
  end if;
  return v_known.response || '{"replayed": true}';
end
$$;

-- The model that a request names: by its name at the provider, or by its row's id.
create function private.read_model(p_request jsonb) returns public.models
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_name text := private.read_text(p_request, 'model_id', 200);
  v_model public.models;
begin
  if coalesce(v_name, '') = '' then
    perform private.refuse_field('model_id', 'model_id is missing.');
  end if;
  select * into v_model from public.models where replicate_id = v_name and is_active;
  if not found then
    select * into v_model from public.models where id = private.as_uuid(v_name) and is_active;
  end if;
  if not found then
    perform private.refuse(404, 'unknown_model', format('There is no model %s.', left(v_name, 100)));
  end if;
  return v_model;
end
$$;

create function private.start_generation(p_request jsonb, p_idempotency_key text, p_request_hash text)
returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_user uuid := auth.uid();
  v_plan private.plans;
  v_model public.models;
  v_items jsonb;
  v_count int;
  v_price numeric;
  v_answer jsonb;
  v_payload jsonb;
  v_width int;
  v_height int;
  v_strength numeric;
  v_source jsonb;
  v_operation text;
  v_priority_name text;
  v_priority int;
  v_scheduled timestamptz;
  v_expires timestamptz;
  v_batch uuid;
begin
  if v_user is null then
    perform private.refuse(403, 'forbidden', 'Sign in to make images.');
  end if;
  -- A token outlives a ban or a deletion by up to its hour.
  if not exists (
    select from auth.users as u where u.id = v_user and (u.banned_until is null or u.banned_until <= now())
  ) then
    perform private.refuse(403, 'forbidden', 'This account is suspended or no longer exists.');
  end if;
  if p_request is null or jsonb_typeof(p_request) <> 'object' then
    perform private.refuse_field('body', 'The request must be an object.');
  end if;
  perform private.check_size(p_request);
  v_plan := private.plan_of(v_user);
  if p_idempotency_key is not null then
    v_answer := private.reserve_key(v_user, p_idempotency_key, coalesce(p_request_hash, md5(p_request::text)));
    if v_answer is not null then
      return v_answer;
    end if;
  end if;

  v_items := private.read_items(p_request);
  v_count := jsonb_array_length(v_items);
  v_model := private.read_model(p_request);
  perform private.admit_model(v_model.replicate_id);
  v_source := private.read_source(p_request, v_user);
  v_strength := private.read_number(p_request, 'strength', 0, 1, false);
  if v_strength is not null and v_source = '{}' then
    perform private.refuse_field('strength', 'strength needs a source image.');
  end if;
  -- Absent, it is the model's own: an upscaler asked for nothing else upscales.
  v_operation := private.read_word(
    p_request, 'operation', '{generate,variation,edit,upscale,remove_background}'
  );
  v_scheduled := private.read_schedule(p_request);
  v_expires := coalesce(v_scheduled, now())
    + make_interval(secs => private.read_number(p_request, 'expires_in', 1, 2592000, true)::double precision);

  v_priority_name := coalesce(private.read_word(p_request, 'priority', '{low,normal,high}'), 'normal');
  v_priority := case v_priority_name when 'low' then -10 when 'normal' then 0 when 'high' then 10 end;
  if v_priority_name <> all(v_plan.priorities) then
    perform private.refuse(403, 'forbidden', format('Your plan does not include the priority %s.', v_priority_name));
  end if;
  v_price := private.requested_cost(p_request, v_model);
  if v_price is null and (v_plan.money_per_day is not null or private.has_budget()) then
    perform private.refuse(422, 'unsupported', format(
      'The model %s has no price here, so it cannot be used where money is limited.', v_model.replicate_id));
  end if;
  perform private.use_quota(v_user, v_plan, v_count, v_count * coalesce(v_price, 0));

  -- What the job's run needs; each item adds its prompt, seed and generation.
  v_payload := jsonb_strip_nulls(jsonb_build_object(
    'user_id', v_user,
    'model_id', v_model.replicate_id,
    'model_version', nullif(private.read_text(p_request, 'model_version', 200), ''),
    'negative_prompt', nullif(private.read_text(p_request, 'negative_prompt', 4000), ''),
    'width', private.read_number(p_request, 'width', 16, 8192, true),
    'height', private.read_number(p_request, 'height', 16, 8192, true),
    'num_inference_steps', private.read_number(p_request, 'num_inference_steps', 1, 500, true),
    'guidance_scale', private.read_number(p_request, 'guidance_scale', 0, 100, false),
    'strength', v_strength,
    'style', nullif(private.read_text(p_request, 'style', 200), ''),
    'operation', v_operation,
    'webhook_url', private.read_webhook_url(p_request)
  )) || v_source;
  v_width := (v_payload ->> 'width')::int;
  v_height := (v_payload ->> 'height')::int;
  if jsonb_typeof(p_request -> 'output') = 'object' then
    v_width := coalesce(private.read_number(p_request -> 'output', 'width', 1, 16384, true), v_width);
    v_height := coalesce(private.read_number(p_request -> 'output', 'height', 1, 16384, true), v_height);
  end if;
  v_width := coalesce(v_width, v_model.default_width);
  v_height := coalesce(v_height, v_model.default_height);

  if v_count > 1 then
    insert into public.batch_generations (
      user_id, total_count, model_id, model_version, width, height, steps, guidance_scale
    )
    values (
      v_user, v_count, v_model.id, v_payload ->> 'model_version', v_width, v_height,
      (v_payload ->> 'num_inference_steps')::int, (v_payload ->> 'guidance_scale')::numeric
    )
    returning id into v_batch;
  end if;

  v_answer := private.insert_generations(
    v_user, v_items, v_payload, v_model, v_price, v_width, v_height, private.read_adjustments(p_request),
    v_priority, v_batch, v_scheduled, v_expires
  );
  v_answer := jsonb_build_object('status', 'queued', 'batch_id', v_batch, 'replayed', false, 'generations', v_answer)
    || (v_answer -> 0);
  if p_idempotency_key is not null then
    update private.idempotency_keys set response = v_answer where user_id = v_user and key = p_idempotency_key;
  end if;
  perform private.check_budget();
  return v_answer;
end
$$;

-- 20261124000430_generation_steps.sql

-- A generation's steps between start and end, each one transaction. Rows are locked in the order
-- job, generation, batch.

-- Whether an earlier attempt of the job ended with this prediction.
create function private.knew_prediction(p_job public.job_queue, p_prediction_id text) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(
    p_job.error_details @> jsonb_build_array(jsonb_build_object('prediction_id', p_prediction_id)), false
  )
$$;

-- resumed: with it the provider has shown that it creates again.
create function private.recorded(p_model text) returns jsonb
language plpgsql set search_path = '' as $$
begin
  perform private.accept_model(p_model);
  return case
    when private.resume_provider() then '{"outcome": "recorded", "resumed": true}' else '{"outcome": "recorded"}'
  end::jsonb;
end
$$;

-- Notes the prediction that a run has created and lets the lease run until the sweep should look. A run that
-- is one too many is answered "stale", and handed a job that cancels its prediction, leased already.
create function private.record_prediction(
  p_job_id uuid, p_lease bigint, p_prediction_id text, p_wait_seconds int, p_details jsonb
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  update public.job_queue set
    prediction_id = p_prediction_id,
    lease_expires_at = now() + make_interval(secs => p_wait_seconds),
    -- How long it is awaited is measured from here, by this clock alone.
    started_at = now(),
    outcome_unknown = false,
    -- Started in time: a retry may come later than that.
    expires_at = null,
    retry_until = null
  where id = p_job_id and lease = p_lease and status = 'processing' and prediction_id is null
  returning * into v_job;
  if found then
    perform private.note_prediction(v_job, p_prediction_id, coalesce(p_details ->> 'learned', 'created'), null);
    update public.image_generations set
      status = 'processing', progress = greatest(progress, 10), replicate_prediction_id = p_prediction_id,
      started_at = coalesce(started_at, now()),
      width = coalesce((p_details ->> 'width')::int, width),
      height = coalesce((p_details ->> 'height')::int, height),
      adjustments = coalesce(nullif(p_details -> 'adjustments', 'null'), adjustments)
    where id = v_job.generation_id and status in ('pending', 'queued', 'processing');
    return private.recorded(v_job.payload ->> 'model_id');
  end if;

  -- An answer that came too late may still name what the webhook has told us meanwhile.
  select * into v_job from public.job_queue where id = p_job_id;
  if found and v_job.status <> 'cancelled'
    and (v_job.prediction_id = p_prediction_id or private.knew_prediction(v_job, p_prediction_id))
  then
    return private.recorded(v_job.payload ->> 'model_id');
  end if;
  if v_job.status = 'cancelled' and v_job.lease = p_lease then
    -- This is what the search would look for that cancel_generation has left.
    update public.job_queue set status = 'completed', completed_at = now()
    where generation_id = v_job.generation_id and job_type = 'cancel-prediction' and status = 'pending'
      and payload ->> 'job_id' = p_job_id::text;
  end if;
  if v_job.id is null then
    -- Deleted, with its user. What this costs stays known.
    v_job.id := p_job_id;
    v_job.payload := jsonb_build_object('model_id', p_details -> 'model_id');
  end if;
  -- The provider creates again, whoever wants it.
  perform private.resume_provider();
  if not private.note_prediction(v_job, p_prediction_id, coalesce(p_details ->> 'learned', 'created'), null) then
    return '{"outcome": "stale"}';
  end if;
  return jsonb_build_object('outcome', 'stale', 'job', private.stop_prediction(v_job, p_prediction_id));
end
$$;

-- Until when a prediction's output is worth fetching. The provider deletes it an hour after the end by its own
-- clock, <https://replicate.com/docs/topics/predictions/data-retention>; clocks differ by less than five minutes.
create function private.output_retry_until(p_completed_at text) returns timestamptz
language sql stable set search_path = '' as $$
  select least(coalesce(p_completed_at::timestamptz, now()), now()) + interval '1 hour' + interval '5 minutes'
$$;

-- The outputs that are not stored yet: how many were made over half an hour ago, and how long the provider keeps
-- the oldest of them, in seconds. Counted up to 10,000; a job for each is as old as its output.
create function private.unstored_outputs(out at_risk int, out seconds_left numeric)
language sql stable set search_path = '' set enable_seqscan = off as $$
  select
    count(*) filter (where waiting.deleted_at < now() + interval '30 minutes')::int,
    round(extract(epoch from min(waiting.deleted_at) - now()), 3)
  from (
    select coalesce(retry_until - interval '5 minutes', created_at + interval '1 hour') as deleted_at
    from public.job_queue
    where job_type = 'download-image' and status in ('pending', 'processing') and seq > 0
    order by created_at limit 10000
  ) as waiting
$$;

-- The end of a prediction, from the provider's webhook or from asking. A fact, whoever holds the
-- lease: matched by job and prediction, and adopted where the run died before it could record it.
-- With p_next, up to so many ready jobs come back under a lease: a place has become free, and whoever is
-- told of it can go on with the next image at once.
-- A prediction that is still running is recorded where one is awaited. One that nobody awaits is cancelled, by
-- a job that comes back leased.
create function private.finish_prediction(
  p_job_id uuid, p_prediction_id text, p_outcome jsonb, p_lease_seconds int, p_next int
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
  v_download public.job_queue;
  v_generation public.image_generations;
  v_running boolean := coalesce(p_outcome ->> 'status' = 'running', false);
  v_new boolean;
  v_end text;
  v_error jsonb;
  v_stopped boolean;
begin
  select * into v_job from public.job_queue where id = p_job_id and job_type = 'generate-image' for update;
  if v_running and v_job.status = 'processing' and v_job.prediction_id is null then
    return private.record_prediction(p_job_id, v_job.lease, p_prediction_id, p_lease_seconds, '{"learned": "webhook"}');
  end if;
  v_job.id := p_job_id;
  v_new := private.note_prediction(v_job, p_prediction_id, coalesce(p_outcome ->> 'learned', 'webhook'), p_outcome);
  v_end := case
    when private.knew_prediction(v_job, p_prediction_id) then 'duplicate'
    when v_job.status is null or v_job.prediction_id <> p_prediction_id then 'mismatch'
    when v_job.status = 'cancelled' then 'cancelled'
  end;
  if v_running then
    -- One that a job waiting for its retry has left may still be the one it gets.
    return jsonb_strip_nulls(jsonb_build_object(
      'outcome', coalesce(v_end, 'running'),
      'job', case when v_new and v_job.status is distinct from 'pending'
        then private.stop_prediction(v_job, p_prediction_id) end
    ));
  end if;
  if v_end is not null then
    return jsonb_build_object('outcome', v_end);
  end if;
  if v_job.status = 'completed' then
    return '{"outcome": "duplicate"}';
  end if;
  if v_job.status = 'failed' then
    -- Given up because its last run died unseen; that run had created this prediction all the same.
    -- The picture is made and paid for: it is brought in.
    if p_outcome ->> 'status' is distinct from 'succeeded' or v_job.prediction_id is not null
      or v_job.error_details -> -1 ->> 'code' is distinct from 'lease_expired'
    then
      return '{"outcome": "duplicate"}';
    end if;
    perform private.reopen_generation(v_job.generation_id, 'processing');
  end if;

  v_job.prediction_id := p_prediction_id;
  if p_outcome ->> 'status' is distinct from 'succeeded' then
    v_error := case jsonb_typeof(p_outcome -> 'error_details') when 'object' then p_outcome -> 'error_details' else '{}' end
      || jsonb_strip_nulls(jsonb_build_object('code', p_outcome -> 'error_code'));
    -- One that we have stopped ourselves, for a run that had lost the job, was stopped by nobody else: another
    -- is made.
    v_stopped := p_outcome ->> 'error_code' = 'cancelled_at_provider' and exists (
      select from public.job_queue
      where generation_id = v_job.generation_id and job_type = 'cancel-prediction'
        and payload ->> 'prediction_id' = p_prediction_id
    );
    -- Kept with the job, so that a repeated delivery is known after the retry has cleared it.
    v_end := private.end_attempt(
      v_job, p_outcome ->> 'error_message', v_error,
      case when v_stopped then 0 else (p_outcome ->> 'retry_in_seconds')::numeric end
    );
    return jsonb_build_object('outcome', v_end, 'next', private.next_jobs(p_next, p_lease_seconds));
  end if;

  update public.job_queue set
    status = 'completed', completed_at = now(), lease_expires_at = null, slot = false,
    prediction_id = p_prediction_id, outcome_unknown = false, expires_at = null, error_message = null
  where id = p_job_id;
  update public.image_generations set
    status = 'downloading', progress = greatest(progress, 90), replicate_prediction_id = p_prediction_id,
    started_at = coalesce(started_at, v_job.started_at, now()),
    predict_time_seconds = coalesce((p_outcome ->> 'predict_time')::numeric, predict_time_seconds)
  where id = v_job.generation_id and status in ('pending', 'queued', 'processing')
  returning * into v_generation;

  insert into public.job_queue (
    job_type, payload, status, priority, created_by, fair_key, generation_id, started_at, lease, lease_expires_at,
    retry_until
  )
  values (
    'download-image',
    jsonb_strip_nulls(jsonb_build_object('width', v_generation.width, 'height', v_generation.height))
      || (p_outcome - '{status,provider_status,learned,completed_at}'::text[])
      -- Tells the worker that the end will be announced.
      || case when v_generation.webhook_url is null then '{}' else '{"webhook": true}' end::jsonb
      || jsonb_build_object(
        'generation_id', v_job.generation_id,
        'user_id', coalesce(v_generation.user_id::text, v_job.payload ->> 'user_id'),
        'prediction_id', p_prediction_id
      ),
    'processing', 100, v_job.created_by, v_job.fair_key, v_job.generation_id, now(), 1,
    now() + make_interval(secs => least(greatest(coalesce(p_lease_seconds, 120), 1), 86400)),
    private.output_retry_until(p_outcome ->> 'completed_at')
  )
  returning * into v_download;
  return jsonb_build_object(
    'outcome', 'download', 'job', to_jsonb(v_download), 'next', private.next_jobs(p_next, p_lease_seconds)
  );
end
$$;

-- The picture is stored: image, generation, job and batch are complete together.
create function private.finish_download(p_job_id uuid, p_lease bigint, p_image jsonb) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_generation_id uuid;
  v_generation public.image_generations;
begin
  update public.job_queue
  set status = 'completed', completed_at = now(), lease_expires_at = null, error_message = null
  where id = p_job_id and lease = p_lease and status = 'processing' and job_type = 'download-image'
  returning generation_id into v_generation_id;
  if not found then
    -- Told a second time, because the first answer was lost.
    return jsonb_build_object('outcome', case
      when exists (
        select from public.job_queue where id = p_job_id and lease = p_lease and status = 'completed'
      ) then 'completed' else 'stale' end);
  end if;
  perform private.correct_cost(v_generation_id, (p_image ->> 'width')::int, (p_image ->> 'height')::int);

  update public.image_generations as g set
    status = 'completed', progress = 100, completed_at = now(), error_message = null, error_code = null,
    width = coalesce((p_image ->> 'width')::int, g.width),
    height = coalesce((p_image ->> 'height')::int, g.height),
    generation_time_seconds = round(extract(epoch from now() - coalesce(g.started_at, g.created_at)), 3),
    -- What its picture cost, and not what was paid for attempts before it.
    cost_usd = coalesce(
      (p_image ->> 'cost_usd')::numeric, g.cost_usd,
      (select p.cost_usd from private.predictions as p where p.id = g.replicate_prediction_id),
      (select private.expected_cost(m, g.width, g.height) from public.models as m where m.id = g.model_id)
    )
  where g.id = v_generation_id and g.status not in ('completed', 'failed', 'cancelled')
  returning g.* into v_generation;
  if not found then
    return '{"outcome": "completed"}';
  end if;

  insert into public.images as i (
    generation_id, user_id, filename, storage_path, public_url, file_size, width, height, format,
    prompt, negative_prompt, model, style, generation_strength, source_image_id
  )
  values (
    v_generation.id, v_generation.user_id, p_image ->> 'filename', p_image ->> 'storage_path',
    p_image ->> 'public_url', (p_image ->> 'file_size')::bigint,
    v_generation.width, v_generation.height, p_image ->> 'format',
    v_generation.prompt, v_generation.negative_prompt, v_generation.model, v_generation.style,
    v_generation.generation_strength,
    (select s.id from public.images as s where s.generation_id = v_generation.source_generation_id)
  )
  on conflict (generation_id) do update set
    filename = excluded.filename, storage_path = excluded.storage_path, public_url = excluded.public_url,
    file_size = excluded.file_size, width = excluded.width, height = excluded.height, format = excluded.format;

  perform private.settle_cost(
    v_generation.user_id, v_generation.reserved_on, v_generation.reserved_usd, coalesce(v_generation.cost_usd, 0)
  );
  if v_generation.batch_id is not null then
    perform private.count_in_batch(v_generation.batch_id, 'completed', 1);
  end if;
  if v_generation.webhook_url is not null then
    perform private.announce_generation(v_generation.id);
  end if;
  return '{"outcome": "completed"}';
end
$$;

-- 20261124000440_generation_reads.sql

-- What a user sees of a generation, and cancelling one.

create function private.generation_json(p_generation public.image_generations) returns jsonb
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
  v_position int;
  v_seconds int;
  v_model_seconds numeric;
  v_images jsonb := '[]';
begin
  if p_generation.status in ('pending', 'queued', 'processing') then
    v_model_seconds := private.model_seconds(p_generation.model_id, (
      select m.estimated_time_seconds from public.models as m where m.id = p_generation.model_id
    ));
  end if;
  case
    when p_generation.status in ('pending', 'queued') then
      select * into v_job from public.job_queue where id = p_generation.job_id;
      v_position := private.queue_position(v_job);
      v_seconds := private.estimate_seconds(v_model_seconds, coalesce(v_position, 1))
        + greatest(0, ceil(extract(epoch from v_job.scheduled_at - now())));
    when p_generation.status = 'processing' then
      v_seconds := private.remaining_seconds(p_generation, v_model_seconds);
    when p_generation.status = 'downloading' then
      v_seconds := 1;
    when p_generation.status = 'completed' then
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', i.id, 'url', i.public_url, 'format', i.format,
        'width', i.width, 'height', i.height, 'bytes', i.file_size
      )), '[]') into v_images
      from public.images as i where i.generation_id = p_generation.id;
    else null;
  end case;

  return jsonb_build_object(
    'id', p_generation.id,
    'batch_id', p_generation.batch_id,
    'status', case p_generation.status when 'pending' then 'queued' else p_generation.status end,
    'progress', p_generation.progress,
    'queue_position', v_position,
    'estimated_seconds', v_seconds,
    'operation', p_generation.operation,
    'model_id', p_generation.model,
    'prompt', p_generation.prompt,
    'negative_prompt', p_generation.negative_prompt,
    'width', p_generation.width,
    'height', p_generation.height,
    'seed', p_generation.seed,
    'adjustments', p_generation.adjustments,
    'error', case
      when p_generation.error_message is not null or p_generation.error_code is not null
        then jsonb_build_object('code', p_generation.error_code, 'message', p_generation.error_message)
    end,
    'images', v_images,
    'cost_usd', p_generation.cost_usd,
    'created_at', p_generation.created_at,
    'started_at', p_generation.started_at,
    'completed_at', p_generation.completed_at
  );
end
$$;

create function private.get_generation(p_generation_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_generation public.image_generations;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  return private.generation_json(v_generation);
end
$$;

-- The newest first. The cursor is the last row's time in microseconds and its id. A page ends before it has
-- 2 MiB: the Worker reads at most 4, and one generation has at most some 150 KB.
create function private.list_generations(p_limit int, p_cursor text, p_status text, p_batch_id uuid)
returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_limit int := coalesce(p_limit, 20);
  v_before timestamptz := 'infinity';
  v_before_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  v_row public.image_generations;
  v_one jsonb;
  v_rows jsonb[] := '{}';
  v_bytes int := 0;
  v_next text;
begin
  if v_limit not between 1 and 100 then
    perform private.refuse_field('limit', 'limit must be a whole number from 1 to 100.');
  end if;
  if p_status <> all('{queued,processing,downloading,completed,failed,cancelled}'::text[]) then
    perform private.refuse_field(
      'status', 'status must be one of: queued, processing, downloading, completed, failed, cancelled.'
    );
  end if;
  if p_cursor is not null then
    if p_cursor !~ '^\d{1,17}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
      perform private.refuse_field('cursor', 'cursor must be the next_cursor of an earlier page.');
    end if;
    v_before := 'epoch'::timestamptz + split_part(p_cursor, '_', 1)::bigint * interval '1 microsecond';
    v_before_id := split_part(p_cursor, '_', 2)::uuid;
  end if;
  for v_row in
    select * from public.image_generations as g
    where g.user_id = auth.uid() and (g.created_at, g.id) < (v_before, v_before_id)
      and (p_status is null or g.status = p_status)
      and (p_batch_id is null or g.batch_id = p_batch_id)
    order by g.created_at desc, g.id desc limit v_limit + 1
  loop
    v_one := private.generation_json(v_row);
    v_bytes := v_bytes + octet_length(v_one::text);
    if cardinality(v_rows) = v_limit or (v_bytes > 2097152 and cardinality(v_rows) > 0) then
      v_next := (extract(epoch from v_before) * 1000000)::bigint || '_' || v_before_id;
      exit;
    end if;
    v_rows := v_rows || v_one;
    v_before := v_row.created_at;
    v_before_id := v_row.id;
  end loop;
  return jsonb_build_object('generations', to_jsonb(v_rows), 'next_cursor', v_next);
end
$$;

-- Ends a generation at its user's wish, as long as its picture is not made: from `downloading` on it is paid for,
-- and its user's. A prediction that runs at the provider is
-- cancelled there by a job of its own; one that is being created just now is cancelled by its worker,
-- whose record_prediction is answered "stale". Where a create may have left one that nobody knows, the job
-- looks for it: at once when the outcome is unknown already, else when the run's lease is over. What was
-- reserved for a run counts until it is known what the run has cost. Cancelling what is cancelled already is
-- no error.
create function private.cancel_generation(p_generation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_generation public.image_generations;
  v_running public.job_queue;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and user_id = auth.uid();
  if not found then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;

  -- Waits for a step that is just being taken: whether the picture is made is known after that.
  perform 1 from public.job_queue where id = v_generation.job_id for update;
  perform 1 from public.job_queue
  where generation_id = p_generation_id and job_type = 'generate-image' and status in ('pending', 'processing')
  order by seq for update;
  select * into v_generation from public.image_generations where id = p_generation_id for update;
  if v_generation.status in ('completed', 'failed') then
    perform private.refuse(409, 'conflict', format('The generation is already %s.', v_generation.status));
  end if;
  if v_generation.status = 'downloading' then
    perform private.refuse(
      409, 'conflict', 'The image has been made already; it is being stored and will be yours in a moment.'
    );
  end if;

  if v_generation.status <> 'cancelled' then
    select * into v_running from public.job_queue
    where generation_id = p_generation_id and job_type = 'generate-image' and status = 'processing'
    limit 1;
    update public.job_queue set
      status = 'cancelled', completed_at = now(), lease_expires_at = null, slot = false, held = false,
      error_message = 'Cancelled by the user.'
    where generation_id = p_generation_id and job_type = 'generate-image' and status in ('pending', 'processing');
    perform private.end_generation(p_generation_id, 'cancelled', null, null, v_running.id is not null);
    if v_running.id is not null then
      perform private.stop_run(v_running);
    end if;
  end if;
  return jsonb_build_object('generation_id', p_generation_id, 'status', 'cancelled');
end
$$;

-- 20261124000450_operate.sql

-- For operators and the cron: bring back, clean up, look.

-- Brings a failed job back with all its attempts, and its generation with it.
create function private.requeue_job(p_job_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
begin
  update public.job_queue set
    status = 'pending', attempts = 0, scheduled_at = now(), ready_at = null, turn = null, completed_at = null,
    lease_expires_at = null, prediction_id = null, outcome_unknown = false, rescued = false, expires_at = null,
    payload = case jsonb_typeof(payload) when 'object' then payload - 'model_refused' else payload end,
    -- Whose time is over is tried by attempts.
    retry_until = case when private.is_timed(job_type, retry_until) and retry_until > now() then retry_until end,
    error_message = null
  where id = p_job_id and status = 'failed'
  returning * into v_job;
  if not found then
    return jsonb_build_object('outcome', case
      when exists (select from public.job_queue where id = p_job_id) then 'not_failed' else 'unknown' end);
  end if;
  if private.carries_generation(v_job.job_type) then
    perform private.reopen_generation(
      v_job.generation_id, case v_job.job_type when 'download-image' then 'downloading' else 'queued' end
    );
  end if;
  return jsonb_build_object('outcome', 'requeued', 'job_id', p_job_id);
end
$$;

-- Deletes finished jobs past their days, at most p_limit, and what else has served its time.
create function private.prune_jobs(p_completed_days int, p_failed_days int, p_limit int) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_limit int := least(greatest(coalesce(p_limit, 10000), 1), 100000);
  v_completed interval := make_interval(days => greatest(coalesce(p_completed_days, 7), 0));
  v_failed interval := make_interval(days => greatest(coalesce(p_failed_days, 30), 0));
  v_status text;
  v_count int;
  v_pruned int := 0;
begin
  foreach v_status in array '{completed,cancelled,failed}'::text[] loop
    delete from public.job_queue where id = any(array(
      select id from public.job_queue
      where status = v_status and status in ('completed', 'failed', 'cancelled') and seq > 0
        and completed_at < now() - case v_status when 'failed' then v_failed else v_completed end
      order by completed_at limit v_limit - v_pruned for update skip locked
    ));
    get diagnostics v_count = row_count;
    v_pruned := v_pruned + v_count;
  end loop;

  delete from private.idempotency_keys where (user_id, key) in (
    select user_id, key from private.idempotency_keys
    where created_at < now() - interval '24 hours' order by created_at limit v_limit for update skip locked
  );
  perform private.prune_webhooks(v_limit);
  perform private.prune_predictions(v_limit);
  delete from private.refused_models where until < now() - interval '1 day';
  perform private.prune_listeners(v_limit);
  return jsonb_build_object('pruned', v_pruned);
end
$$;

-- What the cron does for the queue itself, each minute: notes that it ran, folds the counts, looks at the
-- whole of the indexes, admits held jobs of users whose plan has come to allow more, and looks at the budget.
-- Answers {alerts}: sentences that somebody has to read, each once.
create function private.record_sweep(p_stats jsonb) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_lane record;
begin
  perform private.roll_up_counts();
  perform private.raise_low_water(true);
  perform private.learn_model_times();
  for v_lane in
    with recursive lanes as (
      (
        select fair_key, job_type from public.job_queue
        where status = 'pending' and (held or slot) and held
        order by fair_key, job_type limit 1
      )
      union all
      select next.fair_key, next.job_type from lanes
      cross join lateral (
        select j.fair_key, j.job_type from public.job_queue as j
        where j.status = 'pending' and (j.held or j.slot) and j.held
          and (j.fair_key, j.job_type) > (lanes.fair_key, lanes.job_type)
        order by j.fair_key, j.job_type limit 1
      ) as next
    )
    select l.fair_key, l.job_type from private.lanes as l
    join (select * from lanes limit 1000) as waiting using (fair_key, job_type)
    where l.active < private.running_limit(l.fair_key)
    order by l.fair_key, l.job_type
  loop
    perform private.admit_held(v_lane.fair_key, v_lane.job_type);
  end loop;
  insert into private.sweep (last_sweep_at, stats) values (now(), coalesce(p_stats, '{}'))
  on conflict (only_row) do update set last_sweep_at = excluded.last_sweep_at, stats = excluded.stats;
  return jsonb_build_object('alerts', to_jsonb(private.sweep_budget()));
end
$$;

-- 20261124000500_api.sql

-- What the API exposes: thin functions with the caller's rights in front of the private ones.
-- plpgsql rather than sql, because plpgsql keeps its plans between calls. Those that may change generations
-- add the changes to their answers (private.with_changes), where somebody listens.

-- For the service any job; for a signed-in user an image of their own. Returns the job's id.
create function public.enqueue_job(
  p_job_type text, p_payload jsonb, p_priority int = 0,
  p_scheduled_at timestamptz = now(), p_max_attempts int = 3
) returns uuid language plpgsql set search_path = '' as $$
begin
  if current_user = 'authenticated' then
    return private.enqueue_own_job(p_job_type, p_payload, p_priority, p_scheduled_at);
  end if;
  return private.enqueue_job(p_job_type, p_payload, p_priority, p_scheduled_at, p_max_attempts);
end
$$;

-- Many jobs in one transaction: [{job_type, payload, priority, scheduled_at, max_attempts}], at most 1,000.
create function public.enqueue_jobs(p_jobs jsonb) returns uuid[]
language plpgsql set search_path = '' as $$
begin
  return private.enqueue_jobs(p_jobs);
end
$$;

create function public.claim_next_job(p_job_types text[] = null)
returns setof public.job_queue language plpgsql set search_path = '' as $$
begin
  -- The original's workers know no lease: ten minutes, after which a job counts as stuck.
  return query select * from private.claim_jobs(1, 600, p_job_types);
end
$$;

create function public.complete_job(
  p_job_id uuid, p_error_message text = null, p_error_details jsonb = null,
  p_result jsonb = null, p_error text = null
) returns void language plpgsql set search_path = '' as $$
begin
  perform private.complete_job_unfenced(p_job_id, coalesce(p_error_message, p_error), p_error_details, p_result);
end
$$;

create function public.claim_jobs(p_limit int = 1, p_lease_seconds int = 60, p_job_types text[] = null)
returns setof public.job_queue language plpgsql set search_path = '' as $$
begin
  return query select * from private.claim_jobs(p_limit, p_lease_seconds, p_job_types);
end
$$;

create function public.complete_job(p_job_id uuid, p_lease bigint, p_result jsonb = null)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.complete_job(p_job_id, p_lease, p_result);
end
$$;

create function public.complete_jobs(p_job_ids uuid[], p_leases bigint[])
returns uuid[] language plpgsql set search_path = '' as $$
begin
  return private.complete_jobs(p_job_ids, p_leases);
end
$$;

create function public.fail_job(
  p_job_id uuid, p_lease bigint, p_error_message text,
  p_error_details jsonb = '{}', p_retry_in_seconds numeric = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.fail_job(p_job_id, p_lease, p_error_message, p_error_details, p_retry_in_seconds));
end
$$;

create function public.snooze_job(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_outcome_unknown boolean = false
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.snooze_job(p_job_id, p_lease, p_seconds, p_outcome_unknown);
end
$$;

create function public.extend_lease(p_job_id uuid, p_lease bigint, p_lease_seconds int)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.extend_lease(p_job_id, p_lease, p_lease_seconds);
end
$$;

create function public.record_prediction(
  p_job_id uuid, p_lease bigint, p_prediction_id text, p_wait_seconds int, p_details jsonb = '{}'
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.record_prediction(p_job_id, p_lease, p_prediction_id, p_wait_seconds, p_details));
end
$$;

create function public.finish_prediction(
  p_job_id uuid, p_prediction_id text, p_outcome jsonb, p_lease_seconds int = 120, p_next int = 0
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.finish_prediction(p_job_id, p_prediction_id, p_outcome, p_lease_seconds, p_next));
end
$$;

create function public.finish_download(p_job_id uuid, p_lease bigint, p_image jsonb)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.finish_download(p_job_id, p_lease, p_image));
end
$$;

create function public.start_generation(
  p_request jsonb, p_idempotency_key text = null, p_request_hash text = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_own_changes(private.start_generation(p_request, p_idempotency_key, p_request_hash));
end
$$;

create function public.get_generation(p_generation_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.get_generation(p_generation_id);
end
$$;

create function public.list_generations(
  p_limit int = 20, p_cursor text = null, p_status text = null, p_batch_id uuid = null
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.list_generations(p_limit, p_cursor, p_status, p_batch_id);
end
$$;

create function public.cancel_generation(p_generation_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_own_changes(private.cancel_generation(p_generation_id));
end
$$;

create function public.requeue_job(p_job_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.requeue_job(p_job_id));
end
$$;

create function public.prune_jobs(p_completed_days int = 7, p_failed_days int = 30, p_limit int = 10000)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.prune_jobs(p_completed_days, p_failed_days, p_limit);
end
$$;

create function public.record_sweep(p_stats jsonb)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.record_sweep(p_stats);
end
$$;

create function public.queue_status()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.queue_status();
end
$$;

-- 20261124000600_profiles.sql

-- A profile for every user.

create function private.create_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id) select u.id from auth.users as u where u.id = new.id
  on conflict (id) do nothing;
  return null;
end
$$;

-- Deferred: a trigger of the app's own that adds the row, and fails where there is one, comes first.
create constraint trigger picture_queue_profile after insert on auth.users
deferrable initially deferred
for each row execute function private.create_profile();

-- Users from before.
insert into public.profiles (id) select id from auth.users on conflict (id) do nothing;

-- 20261124000700_views.sql

-- The operators' views. They run with the reader's rights: the service sees the whole queue, a user their
-- own jobs.

-- The role that asks, also inside functions that run with their owner's rights.
create function private.is_user() returns boolean
language sql stable set search_path = '' as $$
  select current_setting('role') in ('authenticated', 'anon')
$$;

-- Jobs by type and status, from the counts that are kept as jobs move: the cost does not depend on how
-- many there are. Finished jobs are those of the last 24 hours, by whole hours. Nothing for users.
create function private.queue_totals() returns table (
  job_type text, status text, count bigint, oldest_job timestamptz, newest_job timestamptz,
  avg_duration_seconds double precision, avg_attempts numeric
)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  if private.is_user() then
    return;
  end if;
  return query
  select
    total.job_type, total.status, total.jobs::bigint,
    case when total.live then first.created_at else total.oldest end,
    case when total.live then last.created_at else total.newest end,
    (total.seconds / nullif(total.timed, 0))::double precision,
    round(total.attempts::numeric / total.jobs, 4)
  from (
    select
      c.job_type, c.status, c.status in ('pending', 'processing') as live,
      sum(c.jobs) as jobs, sum(c.attempts) as attempts, sum(c.timed) as timed, sum(c.seconds) as seconds,
      min(c.oldest) as oldest, max(c.newest) as newest
    from (
      select * from private.job_counts
      union all
      select * from private.job_deltas
    ) as c
    where c.hour = '-infinity' or c.hour >= date_trunc('hour', now() - interval '24 hours', 'UTC')
    group by c.job_type, c.status
    having sum(c.jobs) > 0
  ) as total
  left join lateral (
    select j.created_at from public.job_queue as j
    where j.job_type = total.job_type and j.status = total.status
      and j.status in ('pending', 'processing') and j.seq > 0
    order by j.created_at limit 1
  ) as first on true
  left join lateral (
    select j.created_at from public.job_queue as j
    where j.job_type = total.job_type and j.status = total.status
      and j.status in ('pending', 'processing') and j.seq > 0
    order by j.created_at desc limit 1
  ) as last on true;
end
$$;

create view public.queue_health with (security_invoker = true) as
select job_type, status, count, oldest_job, newest_job, avg_duration_seconds, avg_attempts
from private.queue_totals()
union all
select
  job_type,
  status,
  count(*) as count,
  min(created_at) as oldest_job,
  max(created_at) as newest_job,
  avg(extract(epoch from completed_at - started_at))::double precision as avg_duration_seconds,
  avg(attempts) as avg_attempts
from public.job_queue
where (select private.is_user()) and created_by = (select auth.uid())
  and (completed_at is null or completed_at > now() - interval '24 hours')
group by job_type, status;

create view public.failed_jobs_recent with (security_invoker = true) as
select id, job_type, payload, attempts, error_message, created_at, completed_at
from public.job_queue
where status = 'failed' and seq > 0 and completed_at > now() - interval '24 hours'
order by completed_at desc;

create view public.stuck_jobs with (security_invoker = true) as
select
  id, job_type, payload, started_at,
  extract(epoch from now() - started_at) / 60 as minutes_stuck
from public.job_queue
where status = 'processing' and seq > 0 and started_at < now() - interval '10 minutes'
order by started_at;

-- How long the jobs of the last hour waited, from when they were due until their last run began, and how
-- long that run took, in seconds; of the newest 10,000 that completed and as many that failed. A bitmap of
-- the whole hour, to be sorted for the newest, is what the planner would prefer.
create function private.latencies() returns table (
  job_type text, jobs bigint,
  wait_p50_seconds double precision, wait_p95_seconds double precision, wait_p99_seconds double precision,
  run_p50_seconds double precision, run_p95_seconds double precision, run_p99_seconds double precision
)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off as $$
begin
  return query
  select
    timed.job_type,
    count(*),
    percentile_cont(0.5) within group (order by timed.wait),
    percentile_cont(0.95) within group (order by timed.wait),
    percentile_cont(0.99) within group (order by timed.wait),
    percentile_cont(0.5) within group (order by timed.run),
    percentile_cont(0.95) within group (order by timed.run),
    percentile_cont(0.99) within group (order by timed.run)
  from (
    select
      ended.job_type,
      extract(epoch from greatest(ended.started_at - ended.scheduled_at, interval '0'))::double precision as wait,
      extract(epoch from ended.completed_at - ended.started_at)::double precision as run
    from (values ('completed'), ('failed')) as wanted (status)
    cross join lateral (
      select j.job_type, j.scheduled_at, j.started_at, j.completed_at from public.job_queue as j
      where j.status = wanted.status and j.status in ('completed', 'failed', 'cancelled') and j.seq > 0
        and j.completed_at > now() - interval '1 hour'
      order by j.completed_at desc limit 10000
    ) as ended
    where ended.started_at is not null
  ) as timed
  group by timed.job_type;
end
$$;

create view public.queue_latency with (security_invoker = true) as
select
  job_type, jobs, wait_p50_seconds, wait_p95_seconds, wait_p99_seconds,
  run_p50_seconds, run_p95_seconds, run_p99_seconds
from private.latencies();

-- What each user has used of their plan, those of today first. For the service alone.
create function private.tenants() returns table (
  user_id uuid, plan text, requests_this_minute int, requests_per_minute int,
  images_today int, images_per_day int, cost_today numeric, money_per_day numeric,
  running_or_ready int, running_jobs int, held int
)
language sql stable security definer set search_path = '' as $$
  select
    u.user_id, p.name,
    case when u.minute_started_at > now() - interval '1 minute' then u.minute_requests else 0 end,
    p.requests_per_minute,
    case when u.day = (now() at time zone 'UTC')::date then u.day_images else 0 end,
    p.images_per_day,
    case when u.day = (now() at time zone 'UTC')::date then u.day_cost else 0 end,
    p.money_per_day,
    coalesce(l.active, 0),
    p.running_jobs,
    (
      select count(*)::int from (
        select from public.job_queue as j
        where j.status = 'pending' and (j.held or j.slot) and j.held and j.fair_key = u.user_id
        limit 10000
      ) as waiting
    )
  from private.usage as u
  left join private.user_plans as up on up.user_id = u.user_id
  left join private.plans as p on p.name = coalesce(up.plan, 'default')
  left join (
    select fair_key, sum(active)::int as active from private.lanes group by fair_key
  ) as l on l.fair_key = u.user_id
  order by u.day desc, u.day_images desc
$$;

create view public.tenant_usage with (security_invoker = true) as
select
  user_id, plan, requests_this_minute, requests_per_minute, images_today, images_per_day,
  cost_today, money_per_day, running_or_ready, running_jobs, held
from private.tenants();

-- The queue at a glance. What is not in the counts is counted up to 10,000.
create function private.queue_status() returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_sweep private.sweep;
  v_pause record;
  v_outputs record;
  v_totals jsonb;
  v_held int;
  v_scheduled int;
  v_periods jsonb := private.budget_periods();
begin
  select * into v_sweep from private.sweep;
  select * into v_pause from private.current_pause();
  select * into v_outputs from private.unstored_outputs();
  select jsonb_object_agg(status, jobs) into v_totals
  from (select status, sum(count) as jobs from private.queue_totals() group by status) as by_status;
  select count(*) into v_held from (
    select from public.job_queue where status = 'pending' and (held or slot) and held limit 10000) as held;
  select count(*) into v_scheduled from (
    select from public.job_queue
    where status = 'pending' and ready_at is null and not held limit 10000) as later;
  return jsonb_build_object(
    'last_sweep_at', v_sweep.last_sweep_at,
    -- By this clock, for whoever's own differs.
    'last_sweep_seconds', extract(epoch from now() - v_sweep.last_sweep_at),
    'last_sweep', v_sweep.stats,
    'pending', coalesce((v_totals -> 'pending')::bigint, 0),
    'held', v_held,
    'scheduled', v_scheduled,
    'processing', coalesce((v_totals -> 'processing')::bigint, 0),
    'lost', (select count(*) from (
      select from public.job_queue
      where status = 'processing' and seq > 0 and lease_expires_at <= now() limit 10000) as lost),
    'failed_24h', coalesce((v_totals -> 'failed')::bigint, 0),
    'output_seconds_left', v_outputs.seconds_left,
    'refused_models', private.refused_model_names(),
    'provider_paused_until', v_pause.until,
    'provider_paused_since', v_pause.since,
    'provider_paused_seconds', extract(epoch from now() - v_pause.since),
    'provider_pause_reason', v_pause.reason,
    'provider_pause_code', v_pause.code,
    'budget', private.budget_state(v_periods),
    'budget_periods', v_periods
  );
end
$$;

-- 20261124000800_security.sql

-- Who may do what. Hosted projects grant every new table and function of `public` to anon and
-- authenticated, and Postgres grants every function to everybody: all of it is taken back first.

do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_proc as p
    where p.pronamespace = 'private'::regnamespace
      or (p.pronamespace = 'public'::regnamespace and p.proname = any(array[
        'enqueue_job', 'enqueue_jobs', 'claim_next_job', 'complete_job', 'complete_jobs', 'claim_jobs', 'fail_job', 'snooze_job', 'extend_lease',
        'record_prediction', 'finish_prediction', 'finish_download', 'start_generation', 'get_generation',
        'list_generations', 'cancel_generation', 'requeue_job', 'prune_jobs', 'record_sweep', 'queue_status'
      ]))
  loop
    execute format('revoke all on function %s from public, anon, authenticated, service_role', v_function);
  end loop;
end
$$;

revoke all on schema private from public, anon, authenticated, service_role;
revoke all on all tables in schema private from public, anon, authenticated, service_role;
revoke all on all sequences in schema private from public, anon, authenticated, service_role;
revoke all on
  public.models, public.batch_generations, public.image_generations, public.images,
  public.job_queue, public.queue_health, public.failed_jobs_recent, public.stuck_jobs,
  public.queue_latency, public.tenant_usage
from public, anon, authenticated, service_role;
do $$
begin
  execute format('revoke all on sequence %s from public, anon, authenticated, service_role',
    pg_get_serial_sequence('public.job_queue', 'seq'));
end
$$;

-- Tables: everybody reads their own; the queue and what the pipeline writes is written by nobody
-- but the service and the functions.
alter table public.models enable row level security;
alter table public.batch_generations enable row level security;
alter table public.image_generations enable row level security;
alter table public.images enable row level security;
alter table public.job_queue enable row level security;
alter table private.settings enable row level security;
alter table private.plans enable row level security;
alter table private.user_plans enable row level security;
alter table private.usage enable row level security;
alter table private.idempotency_keys enable row level security;
alter table private.sweep enable row level security;
alter table private.lanes enable row level security;
alter table private.lines enable row level security;
alter table private.low_water enable row level security;
alter table private.job_deltas enable row level security;
alter table private.job_counts enable row level security;

grant all on
  public.models, public.batch_generations, public.image_generations, public.images,
  public.job_queue
to service_role;
grant select on public.queue_health, public.failed_jobs_recent, public.stuck_jobs to service_role, authenticated;
grant select on public.queue_latency, public.tenant_usage to service_role;

grant select on public.models to anon, authenticated;
create policy "active models are public" on public.models for select to anon, authenticated
using (is_active);

grant select on public.batch_generations, public.image_generations, public.job_queue to authenticated;
create policy "own batches" on public.batch_generations for select to authenticated
using (user_id = (select auth.uid()));
create policy "own generations" on public.image_generations for select to authenticated
using (user_id = (select auth.uid()));
-- Not those that store a picture: they know its address at the provider, which is nobody's before the picture is.
create policy "own jobs" on public.job_queue for select to authenticated
using (created_by = (select auth.uid()) and job_type <> 'download-image');

grant select on public.images to authenticated;
grant update (is_public, is_favorite, rating, archived_at) on public.images to authenticated;
create policy "own and public images" on public.images for select to authenticated
using (user_id = (select auth.uid()) or is_public);
create policy "own images' marks" on public.images for update to authenticated
using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

-- Functions, one by one. A public function needs its private one, reached by name only: the API does
-- not expose the schema.
grant usage on schema private to authenticated, service_role;

grant execute on function
  public.start_generation, private.start_generation,
  public.get_generation, private.get_generation,
  public.list_generations, private.list_generations,
  public.cancel_generation, private.cancel_generation,
  public.enqueue_job, private.enqueue_own_job
to authenticated;

-- What the view queue_health is made of.
grant execute on function private.queue_totals, private.is_user to authenticated, service_role;

grant execute on function
  public.enqueue_job, private.enqueue_job,
  public.enqueue_jobs, private.enqueue_jobs,
  private.tenants, private.latencies,
  public.claim_next_job, public.claim_jobs, private.claim_jobs,
  public.complete_job(uuid, text, jsonb, jsonb, text), private.complete_job_unfenced,
  public.complete_job(uuid, bigint, jsonb), private.complete_job,
  public.complete_jobs, private.complete_jobs,
  public.fail_job, private.fail_job,
  public.snooze_job, private.snooze_job,
  public.extend_lease, private.extend_lease,
  public.record_prediction, private.record_prediction,
  public.finish_prediction, private.finish_prediction,
  public.finish_download, private.finish_download,
  public.requeue_job, private.requeue_job,
  public.prune_jobs, private.prune_jobs,
  public.record_sweep, private.record_sweep,
  public.queue_status, private.queue_status
to service_role;

-- 20261124000850_webhooks.sql

-- Outgoing webhooks: the end of a generation is told to the address that its request named, in the
-- form of Standard Webhooks. Tables, and the way from the announcement to the log.

alter table public.image_generations add column webhook_url text;

-- Origins that may be named although they are not public https ones, for local development. The
-- Workers have a list of their own, WEBHOOK_ALLOWED_ORIGINS: both must agree.
alter table private.settings add column webhook_allowed_origins text[] not null default '{}';

-- What a user's webhooks are signed with. One is current; after a rotation the old one signs as well
-- until it expires.
create table private.webhook_secrets (
  secret text primary key,
  user_id uuid not null references auth.users on delete cascade,
  created_at timestamptz not null default now(),
  -- Null for the current one.
  expires_at timestamptz
);
create unique index webhook_secrets_current on private.webhook_secrets (user_id) where expires_at is null;
create index webhook_secrets_user on private.webhook_secrets (user_id);
create index webhook_secrets_expiry on private.webhook_secrets (expires_at) where expires_at is not null;

-- One row for each end of a generation that is announced, kept for 30 days: what is sent, and the log.
create table private.webhook_deliveries (
  id uuid primary key default gen_random_uuid(),
  generation_id uuid not null references public.image_generations on delete cascade,
  ended_at timestamptz not null,
  event_type text not null
    check (event_type in ('generation.completed', 'generation.failed', 'generation.cancelled')),
  url text not null,
  -- {type, timestamp, data} as it stood at that end: as text, so that every attempt sends the same bytes.
  body text not null,
  -- gone: the receiver answered 410.
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed', 'gone')),
  -- The last 20: [{attempt, at, status, duration_ms, error, response}].
  attempts jsonb not null default '[]',
  -- No foreign key: jobs are pruned, the log stays.
  job_id uuid,
  resent_at timestamptz,
  -- A generation that is brought back ends again: another event.
  unique (generation_id, ended_at)
);
create index webhook_deliveries_age on private.webhook_deliveries (ended_at);
create index webhook_deliveries_job on private.webhook_deliveries (job_id);

-- The address of a request: a public https one without a port, or null where there is none.
create function private.read_webhook_url(p_request jsonb) returns text
language plpgsql set search_path = '' as $$
declare
  v_url text := private.read_text(p_request, 'webhook_url', 2048);
begin
  if v_url is null or private.is_public_https_url(v_url) then
    return v_url;
  end if;
  if octet_length(v_url) <= 2048 and v_url !~ '[[:space:][:cntrl:]\\]' and exists (
    select from private.settings as s, unnest(s.webhook_allowed_origins) as allowed (origin)
    where starts_with(v_url || '/', allowed.origin || '/')
  ) then
    return v_url;
  end if;
  perform private.refuse_field('webhook_url', 'webhook_url must be a public https address.');
end
$$;

-- Puts the sending of a delivery into the queue. Eight attempts: the waits between them are the worker's.
create function private.enqueue_delivery(p_delivery private.webhook_deliveries, p_user_id uuid) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.webhook_deliveries set
    status = 'pending',
    job_id = private.enqueue_job(
      'process-webhook',
      jsonb_build_object(
        'delivery_id', p_delivery.id, 'generation_id', p_delivery.generation_id, 'user_id', p_user_id
      ),
      0, now(), 8
    )
  where id = p_delivery.id;
end
$$;

-- Called in the transaction that ended a generation, once everything of it is written. Does nothing
-- where no address was named, or where this end has been announced already.
create function private.announce_generation(p_generation_id uuid) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_generation public.image_generations;
  v_delivery private.webhook_deliveries;
begin
  select * into v_generation from public.image_generations
  where id = p_generation_id and webhook_url is not null and status in ('completed', 'failed', 'cancelled');
  if not found then
    return;
  end if;
  insert into private.webhook_deliveries (generation_id, ended_at, event_type, url, body)
  values (
    p_generation_id, coalesce(v_generation.completed_at, now()), 'generation.' || v_generation.status,
    v_generation.webhook_url,
    jsonb_build_object(
      'type', 'generation.' || v_generation.status,
      'timestamp', coalesce(v_generation.completed_at, now()),
      'data', private.generation_json(v_generation)
    )::text
  )
  on conflict (generation_id, ended_at) do nothing
  returning * into v_delivery;
  if found then
    perform private.enqueue_delivery(v_delivery, v_generation.user_id);
  end if;
end
$$;

-- Makes sure that the user has a current secret: 32 bytes, of which 244 bits are random.
create function private.ensure_webhook_secret(p_user_id uuid) returns void
language sql set search_path = '' as $$
  insert into private.webhook_secrets (user_id, secret)
  select p_user_id,
    'whsec_' || encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64')
  where not exists (select from private.webhook_secrets where user_id = p_user_id and expires_at is null)
  on conflict (user_id) where expires_at is null do nothing
$$;

-- What a leased job sends, and the secrets to sign it with, the current one first.
create function private.webhook_message(p_job_id uuid, p_lease bigint) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_payload jsonb;
  v_delivery private.webhook_deliveries;
  v_user uuid;
  v_secrets jsonb;
begin
  select payload into v_payload from public.job_queue
  where id = p_job_id and lease = p_lease and status = 'processing' and job_type = 'process-webhook';
  if not found then
    return '{"outcome": "stale"}';
  end if;
  select * into v_delivery from private.webhook_deliveries
  where id = private.as_uuid(v_payload ->> 'delivery_id') and job_id = p_job_id;
  if not found then
    return '{"outcome": "unknown"}';
  end if;
  select user_id into v_user from public.image_generations where id = v_delivery.generation_id;
  perform private.ensure_webhook_secret(v_user);
  select jsonb_agg(secret order by expires_at desc nulls first) into v_secrets
  from private.webhook_secrets
  where user_id = v_user and (expires_at is null or expires_at > now());
  return jsonb_build_object(
    'outcome', 'message', 'webhook_id', 'msg_' || v_delivery.id, 'url', v_delivery.url,
    'body', v_delivery.body, 'secrets', v_secrets
  );
end
$$;

-- Ends a job's run and logs the attempt in one step. p_status: delivered, failed (tried again after
-- p_retry_in_seconds, unless that is null or the attempts are used up) or gone.
create function private.record_delivery(
  p_job_id uuid, p_lease bigint, p_status text, p_attempt jsonb, p_retry_in_seconds numeric
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_answer jsonb;
  v_attempt int;
begin
  select attempts + 1 into v_attempt from public.job_queue
  where id = p_job_id and lease = p_lease and status = 'processing' and job_type = 'process-webhook' for update;
  if not found then
    return '{"outcome": "stale"}';
  end if;
  if p_status = 'delivered' then
    v_answer := private.complete_job(p_job_id, p_lease, null);
  else
    v_answer := private.fail_job(
      p_job_id, p_lease, coalesce(p_attempt ->> 'error', 'The webhook could not be delivered.'),
      jsonb_build_object('code', 'webhook_' || p_status), p_retry_in_seconds
    );
  end if;
  -- Fresh webhooks come first: a receiver that is down must not hold up those of others.
  if v_answer ->> 'outcome' = 'retrying' then
    update public.job_queue set priority = -10 where id = p_job_id;
  end if;
  update private.webhook_deliveries set
    status = case v_answer ->> 'outcome' when 'retrying' then 'pending' else p_status end,
    attempts = case when jsonb_array_length(attempts) >= 20 then attempts - 0 else attempts end
      || jsonb_build_array(jsonb_build_object('attempt', v_attempt, 'at', now()) || p_attempt)
  where job_id = p_job_id;
  return v_answer;
end
$$;

-- 20261124000855_webhook_owners.sql

-- Outgoing webhooks, from their owners' side: the secret, the log, sending again. And pruning.

create function private.signed_in() returns uuid
language plpgsql stable set search_path = '' as $$
begin
  if auth.uid() is null then
    perform private.refuse(403, 'forbidden', 'Sign in first.');
  end if;
  return auth.uid();
end
$$;

create function private.webhook_secret() returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_user uuid := private.signed_in();
begin
  perform private.ensure_webhook_secret(v_user);
  return (
    select jsonb_build_object(
      'secret', max(secret) filter (where expires_at is null),
      'created_at', max(created_at) filter (where expires_at is null),
      'old_secrets_expire_at', max(expires_at) filter (where expires_at > now())
    )
    from private.webhook_secrets where user_id = v_user
  );
end
$$;

-- A new secret; the one before signs as well for another 24 hours.
create function private.rotate_webhook_secret() returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_user uuid := private.signed_in();
  v_old int;
  v_first_expiry timestamptz;
begin
  -- Parallel rotations wait here for each other: the row that each of them ends is not yet there to lock.
  perform pg_advisory_xact_lock(hashtextextended('webhook secret of ' || v_user, 0));
  perform private.ensure_webhook_secret(v_user);
  select count(*), min(expires_at) into v_old, v_first_expiry
  from private.webhook_secrets where user_id = v_user and expires_at > now();
  -- A receiver tries every signature it is sent: four are enough.
  if v_old >= 3 then
    perform private.refuse(429, 'quota_exceeded', 'The secret has been rotated three times within 24 hours.',
      greatest(1, ceil(extract(epoch from v_first_expiry - now())))::int);
  end if;
  update private.webhook_secrets set expires_at = now() + interval '24 hours'
  where user_id = v_user and expires_at is null;
  return private.webhook_secret();
end
$$;

-- The log of a generation's webhooks, for its owner.
create function private.webhook_deliveries(p_generation_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  if not exists (select from public.image_generations where id = p_generation_id and user_id = auth.uid()) then
    perform private.refuse(404, 'not_found', 'There is no such generation.');
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'webhook_id', 'msg_' || d.id, 'type', d.event_type, 'url', d.url, 'created_at', d.ended_at,
      -- A job may be brought back by an operator, and one that lost all its runs ended without a word.
      'status', case
        when j.status in ('pending', 'processing') then 'pending'
        when d.status = 'pending' then 'failed'
        else d.status
      end,
      'next_attempt_at', case j.status when 'pending' then j.scheduled_at end,
      'attempts', d.attempts
    ) order by d.ended_at), '[]')
    from private.webhook_deliveries as d left join public.job_queue as j on j.id = d.job_id
    where d.generation_id = p_generation_id
  );
end
$$;

-- Sends the last webhook of a generation again, under the same id, or at once where it waits for its
-- next attempt. Rows are locked in the order job, delivery.
create function private.resend_webhook(p_generation_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_delivery private.webhook_deliveries;
  v_status text;
begin
  select d.* into v_delivery
  from private.webhook_deliveries as d inner join public.image_generations as g on g.id = d.generation_id
  where d.generation_id = p_generation_id and g.user_id = auth.uid()
  order by d.ended_at desc limit 1;
  if not found then
    perform private.refuse(404, 'not_found', 'There is no webhook of that generation.');
  end if;
  select status into v_status from public.job_queue where id = v_delivery.job_id for update;
  select * into v_delivery from private.webhook_deliveries where id = v_delivery.id for update;
  if v_delivery.resent_at > now() - interval '1 minute' then
    perform private.refuse(429, 'quota_exceeded', 'A webhook can be sent again once a minute.', 60);
  end if;
  if v_status = 'processing' then
    perform private.refuse(409, 'conflict', 'The webhook is being sent just now.');
  end if;
  if v_status = 'pending' then
    -- Promoted by the next claim.
    update public.job_queue set scheduled_at = now() where id = v_delivery.job_id and turn is null;
  else
    perform private.enqueue_delivery(v_delivery, auth.uid());
  end if;
  update private.webhook_deliveries set resent_at = now() where id = v_delivery.id;
  return jsonb_build_object('webhook_id', 'msg_' || v_delivery.id, 'status', 'pending');
end
$$;

-- Called by prune_jobs.
create function private.prune_webhooks(p_limit int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  delete from private.webhook_deliveries where id = any(array(
    select id from private.webhook_deliveries where ended_at < now() - interval '30 days'
    order by ended_at limit p_limit for update skip locked
  ));
  delete from private.webhook_secrets where secret = any(array(
    select secret from private.webhook_secrets where expires_at is not null and expires_at <= now()
    order by expires_at limit p_limit for update skip locked
  ));
end
$$;

-- 20261124000860_webhook_api.sql

-- What the API exposes of outgoing webhooks, and who may do what with them.

create function public.webhook_message(p_job_id uuid, p_lease bigint)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.webhook_message(p_job_id, p_lease);
end
$$;

create function public.record_delivery(
  p_job_id uuid, p_lease bigint, p_status text, p_attempt jsonb = '{}', p_retry_in_seconds numeric = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.record_delivery(p_job_id, p_lease, p_status, p_attempt, p_retry_in_seconds);
end
$$;

create function public.webhook_secret()
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.webhook_secret();
end
$$;

create function public.rotate_webhook_secret()
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.rotate_webhook_secret();
end
$$;

create function public.webhook_deliveries(p_generation_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.webhook_deliveries(p_generation_id);
end
$$;

create function public.resend_webhook(p_generation_id uuid)
returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.resend_webhook(p_generation_id);
end
$$;

revoke all on function
  private.read_webhook_url, private.enqueue_delivery, private.announce_generation,
  private.ensure_webhook_secret, private.signed_in, public.webhook_message, private.webhook_message,
  public.record_delivery, private.record_delivery, public.webhook_secret, private.webhook_secret,
  public.rotate_webhook_secret, private.rotate_webhook_secret, public.webhook_deliveries,
  private.webhook_deliveries, public.resend_webhook, private.resend_webhook, private.prune_webhooks
from public, anon, authenticated, service_role;

alter table private.webhook_secrets enable row level security;
alter table private.webhook_deliveries enable row level security;
revoke all on private.webhook_secrets, private.webhook_deliveries from public, anon, authenticated, service_role;

grant execute on function
  public.webhook_secret, private.webhook_secret,
  public.rotate_webhook_secret, private.rotate_webhook_secret,
  public.webhook_deliveries, private.webhook_deliveries,
  public.resend_webhook, private.resend_webhook
to authenticated;

grant execute on function
  public.webhook_message, private.webhook_message,
  public.record_delivery, private.record_delivery
to service_role;

-- 20261124000870_progress.sql

-- How far a running generation is, how long models really take, and what both say about the time left.

-- When `progress` was last raised by what the model printed.
alter table public.image_generations add column progress_at timestamptz;

-- Notes how far the awaited prediction is, in percent of the generation (10 to 90), and where it had to
-- wait for a machine, since when it runs. Comes often, late, twice and out of order: only news about the
-- prediction that is awaited now changes anything, and nothing goes backwards. One row, no lock but its own.
create function private.record_progress(
  p_job_id uuid, p_prediction_id text, p_progress int, p_started_at timestamptz
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_progress int := least(greatest(coalesce(p_progress, 10), 10), 90);
  -- By the provider's clock, which may be ahead of ours.
  v_started timestamptz := case when p_started_at is not null then least(p_started_at, now()) end;
begin
  update public.image_generations as g set
    progress = greatest(g.progress, v_progress),
    progress_at = case when g.progress < v_progress then now() else g.progress_at end,
    started_at = greatest(g.started_at, v_started)
  where g.id = (select j.generation_id from public.job_queue as j where j.id = p_job_id)
    and g.status = 'processing' and g.replicate_prediction_id = p_prediction_id
    and (g.progress < v_progress or g.started_at < v_started);
  if found then
    return '{"outcome": "recorded"}';
  end if;
  -- A prediction that nobody has noted may have to be adopted or stopped.
  return jsonb_build_object('outcome', case
    when exists (select from private.predictions where id = p_prediction_id) then 'stale' else 'unknown' end);
end
$$;

-- How long a model's runs take: a mean in which older runs fade.
create table private.model_times (
  model_id uuid primary key references public.models on delete cascade,
  seconds numeric not null,
  -- How many have been counted in.
  runs bigint not null
)
with (fillfactor = 50);

-- Counts in the runs that ended since the last sweep, so that no step of a generation has to; the newest
-- of 2,000 ended jobs are enough. Each run weighs a tenth, while there are fewer than ten all weigh the same.
create function private.learn_model_times() returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  insert into private.model_times as t (model_id, seconds, runs)
  select
    g.model_id,
    -- No run lasts longer than its prediction's deadline, 15 minutes.
    avg(least(greatest(
      coalesce(g.predict_time_seconds, extract(epoch from ended.completed_at - g.started_at)), 0.1
    ), 900)),
    count(*)
  from (
    select generation_id, job_type, completed_at from public.job_queue
    where status = 'completed' and status in ('completed', 'failed', 'cancelled') and seq > 0
      and completed_at > coalesce((select s.last_sweep_at from private.sweep as s), '-infinity')
    order by completed_at desc limit 2000
  ) as ended
  join public.image_generations as g on g.id = ended.generation_id
  where ended.job_type = 'generate-image' and g.model_id is not null and g.started_at is not null
  group by g.model_id
  order by g.model_id
  on conflict (model_id) do update set
    seconds = t.seconds + (excluded.seconds - t.seconds)
      * greatest(1 - power(0.9, excluded.runs), excluded.runs::numeric / (t.runs + excluded.runs)),
    runs = t.runs + excluded.runs;
end
$$;

-- Seconds that a run of the model takes: measured, or else as the catalogue has it.
create function private.model_seconds(p_model_id uuid, p_estimate numeric) returns numeric
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return coalesce(
    (select t.seconds from private.model_times as t where t.model_id = p_model_id), p_estimate, 20
  );
end
$$;

-- Seconds until a running generation should be there, 1 to 900. Without a sign of progress the model's time
-- counts; the further it is, the more its own pace. Between two signs the time only runs down.
create function private.remaining_seconds(p_generation public.image_generations, p_model_seconds numeric)
returns int
language plpgsql stable set search_path = '' as $$
declare
  v_done numeric := case when p_generation.progress_at is not null then (p_generation.progress - 10) / 80.0 else 0 end;
  v_told timestamptz := case when v_done > 0 then p_generation.progress_at else now() end;
  v_ran numeric := greatest(extract(epoch from v_told - coalesce(p_generation.started_at, v_told)), 0);
  v_left numeric := p_model_seconds - v_ran;
begin
  if v_done > 0 then
    v_left := (1 - v_done) * (v_ran + (1 - v_done) * p_model_seconds) - extract(epoch from now() - v_told);
  end if;
  return least(greatest(ceil(v_left), 1), 900)::int;
end
$$;

create function public.record_progress(
  p_job_id uuid, p_prediction_id text, p_progress int, p_started_at timestamptz = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.record_progress(p_job_id, p_prediction_id, p_progress, p_started_at));
end
$$;

revoke all on function
  public.record_progress, private.record_progress, private.learn_model_times, private.model_seconds,
  private.remaining_seconds
from public, anon, authenticated, service_role;

alter table private.model_times enable row level security;
revoke all on private.model_times from public, anon, authenticated, service_role;

grant execute on function public.record_progress, private.record_progress to service_role;

-- 20261124000880_predictions.sql

-- The provider's predictions, one row each, and what they cost. Written inside the steps that learn of
-- them: no step takes a further round trip. Not for users: what a picture cost its user stands in
-- image_generations.cost_usd.

create table private.predictions (
  -- The provider's.
  id text primary key,
  -- No foreign keys: jobs are pruned and generations deleted, what was paid stays.
  job_id uuid not null,
  generation_id uuid,
  -- Which of the job's attempts it was, from 1, and the lease then.
  attempt int not null,
  lease bigint not null,
  -- The model's name at the provider.
  model text,
  -- How we came to know of it: by the answer to our create, from the provider's list, from a webhook.
  learned text not null check (learned in ('created', 'adopted', 'webhook')),
  recorded_at timestamptz not null default now(),
  -- When we learned that it had ended. Null: it runs, as far as we know.
  ended_at timestamptz,
  -- The provider's word for how it ended: succeeded, failed, canceled, aborted. 'unknown': we gave it up.
  status text,
  -- Seconds that the model ran, by the provider's own measure.
  predict_time numeric,
  -- US dollars; null where it is not known.
  cost_usd numeric
);
create index predictions_generation on private.predictions (generation_id);
create index predictions_age on private.predictions (recorded_at);

-- Notes how a known prediction ended. The first end counts; a guess of ours gives way to the provider's word.
create function private.note_end(p_prediction_id text, p_status text, p_predict_time numeric) returns boolean
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.predictions as p set
    ended_at = now(), status = p_status, predict_time = p_predict_time,
    cost_usd = (
      select private.prediction_cost(p.model, p_status, p_predict_time, g.width, g.height)
      from (select p.generation_id as id) as its left join public.image_generations as g on g.id = its.id
    )
  where p.id = p_prediction_id and (p.ended_at is null or p.status = 'unknown');
  return found;
end
$$;

-- Notes a prediction of a job and, with an outcome that is not 'running', how it ended. True: it was not known.
create function private.note_prediction(
  p_job public.job_queue, p_prediction_id text, p_learned text, p_outcome jsonb
) returns boolean
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_status text := nullif(coalesce(p_outcome ->> 'provider_status', p_outcome ->> 'status'), 'running');
  v_predict_time numeric := (p_outcome ->> 'predict_time')::numeric;
  v_model text := p_job.payload ->> 'model_id';
begin
  if v_status is not null and private.note_end(p_prediction_id, v_status, v_predict_time) then
    return false;
  end if;
  insert into private.predictions (
    id, job_id, generation_id, attempt, lease, model, learned, ended_at, status, predict_time, cost_usd
  )
  values (
    p_prediction_id, p_job.id, p_job.generation_id, coalesce(p_job.attempts, 0) + 1, coalesce(p_job.lease, 0),
    v_model, p_learned, case when v_status is not null then now() end, v_status, v_predict_time,
    case when v_status is not null then (
      select private.prediction_cost(v_model, v_status, v_predict_time, g.width, g.height)
      from (select p_job.generation_id as id) as its left join public.image_generations as g on g.id = its.id
    ) end
  )
  on conflict (id) do nothing;
  return found;
end
$$;

-- Its user cancelled it while it ran, and now it is known what that has cost: this counts in the user's money
-- in the place of what was reserved, so that cancelling again and again is not free. The user is not charged:
-- image_generations.cost_usd stays null. Once.
create function private.settle_cancelled(p_generation_id uuid, p_cost numeric) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_cancelled record;
begin
  select user_id, reserved_on, reserved_usd into v_cancelled from public.image_generations
  where id = p_generation_id and cost_open for update;
  if found then
    update public.image_generations set cost_open = false, reserved_usd = coalesce(p_cost, 0)
    where id = p_generation_id;
    perform private.settle_cost(
      v_cancelled.user_id, v_cancelled.reserved_on, v_cancelled.reserved_usd, coalesce(p_cost, 0)
    );
  end if;
end
$$;

-- Whatever step learns that a prediction has ended. One that was given up before is an earlier attempt's.
create function private.after_prediction_end() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.ended_at is not null and (tg_op = 'INSERT' or old.ended_at is null) then
    perform private.settle_cancelled(new.generation_id, new.cost_usd);
  end if;
  return null;
end
$$;
create trigger predictions_after_end after insert or update on private.predictions
for each row execute function private.after_prediction_end();

-- Until when a prediction is to be stopped: by then it has stopped by itself, at its deadline.
create function private.stop_until() returns timestamptz
language sql stable set search_path = '' as $$
  select now() + interval '30 minutes'
$$;

-- A job that stops a prediction nobody wants, leased to the caller already. It is tried until the prediction,
-- which runs and costs, has reached its deadline.
create function private.stop_prediction(p_job public.job_queue, p_prediction_id text) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_cancel public.job_queue;
begin
  insert into public.job_queue (
    job_type, payload, status, priority, created_by, fair_key, generation_id,
    started_at, lease, lease_expires_at, retry_until
  )
  values (
    'cancel-prediction',
    jsonb_strip_nulls(jsonb_build_object(
      'prediction_id', p_prediction_id, 'generation_id', p_job.generation_id, 'user_id', p_job.fair_key
    )),
    'processing', 100, p_job.created_by, p_job.fair_key, p_job.generation_id,
    now(), 1, now() + interval '1 minute', private.stop_until()
  )
  returning * into v_cancel;
  return to_jsonb(v_cancel);
end
$$;

-- Leaves a job that stops what a run at the provider has created, or may be creating: the prediction that is
-- known; or whatever a search finds, at once where a create is in doubt, and else when the run's lease is over,
-- for its worker is told first. It is no part of the generation, which may be about to be deleted.
create function private.stop_run(p_job public.job_queue) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  perform private.insert_jobs(jsonb_build_array(jsonb_build_object(
    'job_type', 'cancel-prediction', 'priority', 100, 'retry_until', private.stop_until(),
    'scheduled_at', case
      when p_job.prediction_id is null and not p_job.outcome_unknown then p_job.lease_expires_at
    end,
    'payload', jsonb_strip_nulls(jsonb_build_object(
      'generation_id', p_job.generation_id, 'user_id', p_job.fair_key, 'model_id', p_job.payload -> 'model_id'
    )) || case
      when p_job.prediction_id is not null then jsonb_build_object('prediction_id', p_job.prediction_id)
      else jsonb_build_object(
        'job_id', p_job.id, 'since', p_job.started_at, 'search_until', p_job.lease_expires_at
      )
    end
  )));
end
$$;

-- With a user, or by hand, go rows whose runs go on at the provider, and cost.
create function private.after_run_delete() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.stop_run(old);
  return null;
end
$$;
create trigger job_queue_after_run_delete after delete on public.job_queue
for each row when (old.job_type = 'generate-image' and old.status = 'processing')
execute function private.after_run_delete();

-- Steps lock a job before its generation, and with a user the rows go the other way round: the jobs first, so that
-- neither waits for the other.
create function private.before_profile_delete() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  perform 1 from public.job_queue
  where created_by = old.id and status in ('pending', 'processing') order by id for update;
  return old;
end
$$;
create trigger profiles_before_delete before delete on public.profiles
for each row execute function private.before_profile_delete();

-- What a job of type cancel-prediction found: [{id, status, predict_time}] of the job that its payload
-- names, or the one prediction that it stopped.
create function private.note_stopped(p_payload jsonb, p_predictions jsonb) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
  v_one jsonb;
begin
  if p_payload ? 'job_id' then
    select * into v_job from public.job_queue where id = private.as_uuid(p_payload ->> 'job_id');
    if not found then
      -- Its user was deleted, and what this costs stays known.
      v_job.id := private.as_uuid(p_payload ->> 'job_id');
      v_job.payload := p_payload;
      v_job.generation_id := private.as_uuid(p_payload ->> 'generation_id');
    end if;
  end if;
  for v_one in select jsonb_array_elements(p_predictions) loop
    if v_job.id is not null then
      perform private.note_prediction(v_job, v_one ->> 'id', 'adopted', v_one - 'id');
    elsif v_one ->> 'status' <> 'running' then
      perform private.note_end(v_one ->> 'id', v_one ->> 'status', (v_one ->> 'predict_time')::numeric);
    end if;
  end loop;
  -- Nothing runs that could still cost something.
  if not p_predictions @> '[{"status": "running"}]' then
    perform private.settle_cancelled(private.as_uuid(p_payload ->> 'generation_id'), 0);
  end if;
end
$$;

-- Called by prune_jobs.
create function private.prune_predictions(p_limit int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  delete from private.predictions where id = any(array(
    select id from private.predictions where recorded_at < now() - interval '90 days'
    order by recorded_at limit p_limit for update skip locked
  ));
end
$$;

revoke all on function
  private.note_end, private.note_prediction, private.stop_until, private.stop_prediction, private.stop_run,
  private.after_run_delete, private.before_profile_delete,
  private.note_stopped, private.prune_predictions, private.settle_cancelled, private.after_prediction_end
from public, anon, authenticated, service_role;

alter table private.predictions enable row level security;
revoke all on private.predictions from public, anon, authenticated, service_role;

-- 20261124000882_prices.sql

-- What a request is expected to cost, what it did cost, and what is told of prices. US dollars.

-- What a start reserves for an image of a model that has no price of its own. Null: such a model is refused
-- wherever money is limited.
alter table private.settings add column default_price_usd numeric check (default_price_usd >= 0);

-- For an image of this size, 1 megapixel where it is not known; null where the model has no price for one. The
-- provider rounds megapixels (of 1024 x 1024) up.
create function private.image_price(p_model public.models, p_width int, p_height int) returns numeric
language sql immutable set search_path = '' as $$
  select case when p_model.cost_per_generation is not null or p_model.cost_per_megapixel is not null then
    coalesce(p_model.cost_per_generation, 0)
      + coalesce(p_model.cost_per_megapixel, 0) * ceil(coalesce(p_width::numeric * p_height, 1048576) / 1048576)
  end
$$;

-- What an image is expected to cost: by the second where the model is priced so (for the seconds that its runs
-- take, measured or else as the catalogue has it), else by the image. Null: nobody knows.
create function private.expected_cost(p_model public.models, p_width int, p_height int) returns numeric
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return coalesce(
    case when p_model.cost_per_second is not null then round(
      p_model.cost_per_second
        * private.model_seconds(p_model.id, coalesce(p_model.typical_seconds, p_model.estimated_time_seconds)), 6
    ) end,
    private.image_price(p_model, p_width, p_height),
    (select s.default_price_usd from private.settings as s)
  );
end
$$;

-- The same for a request. Its size is the one that the catalogue has mapped it to (output), which a direct call may
-- give as it likes: so no less than what it asks for, as far as the model goes.
create function private.requested_cost(p_request jsonb, p_model public.models) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  v_output jsonb := case jsonb_typeof(p_request -> 'output') when 'object' then p_request -> 'output' else '{}' end;
  v_width int := coalesce(private.read_number(p_request, 'width', 16, 8192, true), p_model.default_width);
  v_height int := coalesce(private.read_number(p_request, 'height', 16, 8192, true), p_model.default_height);
  v_price numeric := private.expected_cost(
    p_model,
    coalesce(private.read_number(v_output, 'width', 1, 16384, true), v_width)::int,
    coalesce(private.read_number(v_output, 'height', 1, 16384, true), v_height)::int
  );
begin
  if p_model.cost_per_megapixel is not null and v_output <> '{}' then
    v_price := greatest(v_price, private.expected_cost(
      p_model,
      least(v_width, coalesce(p_model.max_width, p_model.default_width)),
      least(v_height, coalesce(p_model.max_height, p_model.default_height))
    ));
  end if;
  return v_price;
end
$$;

-- What a prediction that has ended did cost: the time it ran where the model is priced so, else the image that
-- it made. What never started is free. Null: not known, as for what failed at a price by the image.
create function private.prediction_cost(
  p_model text, p_status text, p_predict_time numeric, p_width int, p_height int
) returns numeric
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_model public.models;
begin
  if p_status = 'aborted' then
    return 0;
  end if;
  select * into v_model from public.models where replicate_id = p_model;
  return coalesce(
    round(p_predict_time * v_model.cost_per_second, 6),
    case p_status when 'succeeded' then coalesce(
      private.image_price(v_model, p_width, p_height), (select s.default_price_usd from private.settings as s)
    ) end
  );
end
$$;

-- The size of the stored image is what the provider bills by: puts right what was taken from the expected one.
create function private.correct_cost(p_generation_id uuid, p_width int, p_height int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  update private.predictions as p set
    cost_usd = private.prediction_cost(
      p.model, p.status, p.predict_time, coalesce(p_width, g.width), coalesce(p_height, g.height)
    )
  from public.image_generations as g inner join public.models as m on m.id = g.model_id
  where g.id = p_generation_id and p.id = g.replicate_prediction_id and p.status = 'succeeded'
    and m.cost_per_megapixel is not null;
end
$$;

-- Models that may be asked for and what they are charged at: [{id, usd_per_image, usd_per_megapixel,
-- usd_per_second}], usd_per_image being what is reserved for one of the model's default size.
create function private.model_prices() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', m.replicate_id,
      'usd_per_image', private.expected_cost(m, m.default_width, m.default_height),
      'usd_per_megapixel', m.cost_per_megapixel,
      'usd_per_second', m.cost_per_second
    ) order by m.sort_order, m.replicate_id), '[]')
    from public.models as m where m.is_active
  );
end
$$;

create function public.model_prices()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.model_prices();
end
$$;

revoke all on function
  private.image_price, private.expected_cost, private.requested_cost, private.prediction_cost, private.correct_cost,
  private.model_prices, public.model_prices
from public, anon, authenticated, service_role;

-- Prices are public, as the rows of models are: the HTTP interface tells them to anybody.
grant usage on schema private to anon;
grant execute on function public.model_prices, private.model_prices to anon, authenticated, service_role;

-- 20261124000885_budget.sql

-- The installation's budget: what everybody together may spend in a day and in a month (UTC). What is compared
-- with it is what the ledger (private.predictions) says was spent in that time, and what open generations are
-- expected to cost.
--
-- Both are noted by triggers, in rows of their own (private.budget_deltas), whatever step or hand it was: a step
-- takes no lock for it. Only a start looks: it locks the one row of private.budget, as its last lock and until
-- its commit, folds the notes into it and compares. So starts take their turn there, and only there; where no
-- budget is set nothing is noted and nothing is locked.

-- Null: none.
alter table private.settings
add column budget_per_day_usd numeric check (budget_per_day_usd >= 0),
add column budget_per_month_usd numeric check (budget_per_month_usd >= 0);

-- What it holds of the budget: its expected cost, until its prediction has succeeded (then the ledger has the
-- cost) or it has ended.
alter table public.image_generations add column budget_usd numeric not null default 0;

create table private.budget (
  only_row boolean primary key default true check (only_row),
  day date not null default '-infinity',
  day_spent numeric not null default 0,
  -- Its first day.
  month date not null default '-infinity',
  month_spent numeric not null default 0,
  reserved numeric not null default 0,
  -- How much of it, in percent, has been alerted of in that time: 0, 80 or 100.
  day_alert int not null default 0,
  month_alert int not null default 0
)
with (fillfactor = 50);
insert into private.budget default values;

-- What is not in private.budget yet.
create table private.budget_deltas (
  id bigint generated always as identity primary key,
  day date not null,
  spent numeric not null default 0,
  reserved numeric not null default 0
)
with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);

create function private.today() returns date
language sql stable set search_path = '' as $$
  select (clock_timestamp() at time zone 'UTC')::date
$$;

create function private.has_budget() returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from private.settings where budget_per_day_usd is not null or budget_per_month_usd is not null
  );
end
$$;

-- Reserves for a generation that waits to be made, and gives back once its prediction has succeeded or it has
-- ended; for a cancelled run not before it is known what that has cost.
create function private.before_budget_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_waits boolean;
  v_change numeric := 0;
begin
  if tg_op = 'DELETE' then
    v_change := -old.budget_usd;
  else
    v_waits := new.status in ('pending', 'queued', 'processing');
    if tg_op = 'UPDATE' and new.budget_usd > 0 and not v_waits and not (new.status = 'cancelled' and new.cost_open) then
      v_change := -new.budget_usd;
    elsif v_waits and new.budget_usd = 0 and new.reserved_usd > 0
      and (tg_op = 'INSERT' or old.status not in ('pending', 'queued', 'processing')) and private.has_budget()
    then
      v_change := new.reserved_usd;
    end if;
    new.budget_usd := new.budget_usd + v_change;
  end if;
  if v_change <> 0 then
    insert into private.budget_deltas (day, reserved) values (private.today(), v_change);
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;
create trigger image_generations_budget before insert or update or delete on public.image_generations
for each row execute function private.before_budget_change();

-- What a prediction has cost, when it is known and when it is put right.
create function private.after_prediction_cost() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_change numeric := coalesce(new.cost_usd, 0) - coalesce(old.cost_usd, 0);
begin
  if v_change <> 0 and private.has_budget() then
    insert into private.budget_deltas (day, spent)
    values ((coalesce(new.ended_at, now()) at time zone 'UTC')::date, v_change);
  end if;
  return null;
end
$$;
create trigger predictions_after_cost after insert or update on private.predictions
for each row execute function private.after_prediction_cost();

-- The budget as it stands, for the caller alone until its transaction ends.
create function private.lock_budget() returns private.budget
language plpgsql set search_path = '' as $$
declare
  v_day date;
  v_month date;
  v_budget private.budget;
begin
  perform 1 from private.budget where only_row for update;
  -- Not before the lock: midnight may have come meanwhile.
  v_day := private.today();
  v_month := date_trunc('month', v_day);
  with taken as (
    delete from private.budget_deltas where id > 0 returning day, spent, reserved
  ), added as (
    select
      coalesce(sum(spent) filter (where day = v_day), 0) as day_spent,
      coalesce(sum(spent) filter (where day >= v_month), 0) as month_spent,
      coalesce(sum(reserved), 0) as reserved
    from taken
  )
  update private.budget as b set
    day = v_day,
    day_spent = case when b.day = v_day then b.day_spent else 0 end + a.day_spent,
    day_alert = case when b.day = v_day then b.day_alert else 0 end,
    month = v_month,
    month_spent = case when b.month = v_month then b.month_spent else 0 end + a.month_spent,
    month_alert = case when b.month = v_month then b.month_alert else 0 end,
    reserved = b.reserved + a.reserved
  from added as a
  where b.only_row
  returning b.* into v_budget;
  return v_budget;
end
$$;

-- The last act of a start: what it has reserved must fit.
create function private.check_budget() returns void
language plpgsql set search_path = '' as $$
declare
  v_settings private.settings;
  v_budget private.budget;
begin
  select * into v_settings from private.settings;
  if v_settings.budget_per_day_usd is null and v_settings.budget_per_month_usd is null then
    return;
  end if;
  v_budget := private.lock_budget();
  if v_budget.month_spent + v_budget.reserved > v_settings.budget_per_month_usd then
    perform private.refuse(
      503, 'budget_exhausted', 'No more images can be made this month. Please try again next month.',
      private.seconds_until((v_budget.month + interval '1 month')::date)
    );
  end if;
  if v_budget.day_spent + v_budget.reserved > v_settings.budget_per_day_usd then
    perform private.refuse(
      503, 'budget_exhausted', 'No more images can be made today. Please try again tomorrow.',
      private.seconds_until(v_budget.day + 1)
    );
  end if;
end
$$;

create function private.seconds_until(p_day date) returns int
language sql stable set search_path = '' as $$
  select greatest(1, ceil(extract(epoch from p_day::timestamp at time zone 'UTC' - clock_timestamp())))::int
$$;

-- How each of the two stands, without a lock: [{period, budget_usd, used_usd, spent_usd}], used_usd being what is
-- spent and reserved.
create function private.budget_periods() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_day date := private.today();
  v_month date := date_trunc('month', v_day);
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'period', of.period, 'budget_usd', of.budget, 'used_usd', of.spent + of.reserved, 'spent_usd', of.spent
    ) order by of.period), '[]')
    from private.settings as s
    cross join private.budget as b
    cross join lateral (
      select
        coalesce(sum(d.spent) filter (where d.day = v_day), 0) as day_spent,
        coalesce(sum(d.spent) filter (where d.day >= v_month), 0) as month_spent,
        coalesce(sum(d.reserved), 0) + b.reserved as reserved
      from private.budget_deltas as d
    ) as more
    cross join lateral (values
      ('day', s.budget_per_day_usd, case when b.day = v_day then b.day_spent else 0 end + more.day_spent, more.reserved),
      ('month', s.budget_per_month_usd, case when b.month = v_month then b.month_spent else 0 end + more.month_spent,
        more.reserved)
    ) as of (period, budget, spent, reserved)
    where of.budget is not null
  );
end
$$;

-- none: no budget is set; near: 80 % of one are used; exhausted: not even the cheapest model fits into one.
create function private.budget_state(p_periods jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_least numeric;
begin
  if p_periods = '[]' then
    return 'none';
  end if;
  select min(cost) into v_least from (
    select private.expected_cost(m, m.default_width, m.default_height) as cost from public.models as m where m.is_active
  ) as priced where cost > 0;
  return (
    select case
      when bool_or(used + coalesce(v_least, 0) > budget or used >= budget) then 'exhausted'
      when bool_or(used >= 0.8 * budget) then 'near'
      else 'ok'
    end
    from (
      select (p ->> 'used_usd')::numeric as used, (p ->> 'budget_usd')::numeric as budget
      from jsonb_array_elements(p_periods) as p
    ) as each_period
  );
end
$$;

-- For the cron: folds the notes, and gives the sentences that operators are to be alerted with, each once in its
-- day or month.
create function private.sweep_budget() returns text[]
language plpgsql set search_path = '' as $$
declare
  v_budget private.budget;
  v_alerts text[] := '{}';
  v_one record;
begin
  if not private.has_budget() then
    return v_alerts;
  end if;
  v_budget := private.lock_budget();
  for v_one in
    select
      p ->> 'period' as period, (p ->> 'budget_usd')::numeric as budget, (p ->> 'used_usd')::numeric as used,
      case private.budget_state(jsonb_build_array(p)) when 'exhausted' then 100 when 'near' then 80 else 0 end as alert,
      case p ->> 'period' when 'day' then v_budget.day_alert else v_budget.month_alert end as alerted
    from jsonb_array_elements(private.budget_periods()) as p
  loop
    if v_one.alert > v_one.alerted then
      v_alerts := v_alerts || format(
        'The budget of this %s, %s US dollars, is %s: %s are spent or reserved.', v_one.period,
        trim_scale(v_one.budget), case v_one.alert when 100 then 'used up' else 'nearly used up' end,
        trim_scale(round(v_one.used, 2))
      );
      update private.budget set
        day_alert = case v_one.period when 'day' then v_one.alert else day_alert end,
        month_alert = case v_one.period when 'month' then v_one.alert else month_alert end
      where only_row;
    end if;
  end loop;
  return v_alerts;
end
$$;

-- Counts anew, from the ledger and the open generations. Called where a budget is set or changed: as long as there
-- was none nothing was noted. A generation that was started then holds nothing, and counts when it is paid.
create function private.recount_budget() returns void
language plpgsql set search_path = '' as $$
declare
  v_day date := private.today();
  v_month date := date_trunc('month', v_day);
begin
  perform 1 from private.budget where only_row for update;
  delete from private.budget_deltas where id > 0;
  update private.budget set
    day = v_day, month = v_month, day_alert = 0, month_alert = 0,
    day_spent = (
      select coalesce(sum(p.cost_usd), 0) from private.predictions as p where p.ended_at >= v_day::timestamp at time zone 'UTC'
    ),
    month_spent = (
      select coalesce(sum(p.cost_usd), 0) from private.predictions as p where p.ended_at >= v_month::timestamp at time zone 'UTC'
    ),
    reserved = (select coalesce(sum(g.budget_usd), 0) from public.image_generations as g where g.budget_usd > 0)
  where only_row;
end
$$;

create function private.after_settings_change() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.budget_per_day_usd is distinct from old.budget_per_day_usd
    or new.budget_per_month_usd is distinct from old.budget_per_month_usd
  then
    perform private.recount_budget();
  end if;
  return null;
end
$$;
create trigger settings_after_change after update on private.settings
for each row execute function private.after_settings_change();

revoke all on function
  private.today, private.has_budget, private.before_budget_change, private.after_prediction_cost, private.lock_budget,
  private.check_budget, private.seconds_until, private.budget_periods, private.budget_state, private.sweep_budget,
  private.recount_budget, private.after_settings_change
from public, anon, authenticated, service_role;

alter table private.budget enable row level security;
alter table private.budget_deltas enable row level security;
revoke all on private.budget, private.budget_deltas from public, anon, authenticated, service_role;
revoke all on sequence private.budget_deltas_id_seq from public, anon, authenticated, service_role;

-- 20261124000890_provider_pause.sql

-- While the provider refuses to create predictions, to everybody, none is asked for: claims hand out no
-- ready images (private.pick_ready), and lost runs only look for what they may have created
-- (private.rescue_jobs). When the time is over one job at a time is let out to try, until a prediction has been
-- created. Predictions that exist are looked at, stored and cancelled as ever.

create table private.provider_pause (
  only_row boolean primary key default true check (only_row),
  -- It ends by itself.
  until timestamptz not null default '-infinity',
  since timestamptz,
  -- throttled: 429. account: 401, 402 or 403, which a person must settle. outage: no answer, or an error of the
  -- provider's own.
  reason text check (reason in ('throttled', 'account', 'outage')),
  -- The provider's HTTP status; 503 for every outage.
  code int,
  -- Nothing has been created since it began.
  probing boolean not null default false,
  -- Nobody else is let out to try before that.
  probe_until timestamptz not null default '-infinity',
  -- How often it was taken up again in one outage: each time it lasts longer.
  failures int not null default 0
)
with (fillfactor = 50);
insert into private.provider_pause default values;

-- The pause as it stands; null where there is none. One that is taken up again within two minutes of its end
-- goes on: the account's and an outage are so long shown as well, so that an alert does not come and go with
-- each new try.
create function private.current_pause() returns private.provider_pause
language plpgsql stable set search_path = '' as $$
declare
  v_pause private.provider_pause;
begin
  select * into v_pause from private.provider_pause
  where until > now() - case reason when 'throttled' then interval '0' else interval '2 minutes' end;
  return v_pause;
end
$$;

-- The provider refused a create: pauses creation for everybody, an hour at most, and puts the job off until
-- the end of the pause; no attempt is used. Pauses do not add up: the one that ends last counts. That the
-- provider refuses is a fact, so it is noted under a lost lease too. started: this call began the pause, or
-- found that it is the account; operators should hear of it. seconds: how much longer the pause lasts.
-- An outage pauses for two seconds, twice as long each time a try fails, a minute at most; p_seconds is how long
-- the job itself waits, as one whose create may have arrived. Operators hear of the third failure.
create function private.pause_provider(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_reason text, p_code int
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_now timestamptz := clock_timestamp();
  v_until timestamptz := v_now + make_interval(secs => least(greatest(p_seconds, 1), 3600)::double precision);
  v_pause private.provider_pause;
  v_is_on boolean;
  v_goes_on boolean;
  v_begins boolean;
  v_failures int;
  v_outage boolean := p_reason = 'outage';
begin
  select * into v_pause from private.provider_pause for update;
  v_is_on := v_pause.until > v_now;
  v_goes_on := v_pause.until > v_now - interval '2 minutes';
  -- During the account's pause a 429 of a create already under way says nothing new; after it, that the
  -- account is accepted again.
  v_begins := not v_goes_on or (p_reason <> v_pause.reason and (p_reason = 'account' or not v_is_on));
  v_failures := case
    when v_is_on then v_pause.failures
    when v_begins or not v_outage then v_outage::int
    else v_pause.failures + 1
  end;
  if v_outage then
    v_until := v_now + make_interval(secs => least(2 ^ least(v_failures, 6), 60));
  end if;
  v_until := greatest(v_until, v_pause.until);
  update private.provider_pause set
    until = v_until,
    since = case when v_begins then v_now else since end,
    reason = case when v_begins then p_reason else reason end,
    code = case when v_begins or p_reason = reason then p_code else code end,
    probing = true,
    probe_until = '-infinity',
    failures = v_failures
  where only_row;
  return private.snooze_job(
    p_job_id, p_lease, case when v_outage then p_seconds else extract(epoch from v_until - now()) end, v_outage
  ) || jsonb_build_object(
    'started', case when v_outage then not v_is_on and v_failures = 3 else v_begins end,
    'seconds', extract(epoch from v_until - v_now)
  );
end
$$;

-- When a pause is over and nothing has been created since: whether the caller may hand out the one job that
-- tries. Whoever has it and says nothing loses it after the time that a create takes. Waits for nobody.
create function private.take_probe() returns boolean
language plpgsql set search_path = '' as $$
begin
  perform 1 from private.provider_pause
  where only_row and probe_until <= now() for update skip locked;
  if found then
    update private.provider_pause set probe_until = now() + interval '45 seconds' where only_row;
  end if;
  return found;
end
$$;

-- A run has ended without a prediction, and not because the provider creates none: another one may try. Where the
-- run was not the one that tried, two may. Waits for nobody.
create function private.return_probe() returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from private.provider_pause
  where only_row and probing and probe_until > now() for update skip locked;
  if found then
    update private.provider_pause set probe_until = '-infinity' where only_row;
  end if;
end
$$;

-- A prediction was created: the pause is over. One that was created while a pause for other reasons than an
-- outage is on had been asked for before it. True: this call ended it. Waits for nobody.
create function private.resume_provider() returns boolean
language plpgsql set search_path = '' as $$
begin
  perform 1 from private.provider_pause
  where only_row and probing and (until <= now() or reason = 'outage') for update skip locked;
  if found then
    update private.provider_pause
    set until = '-infinity', probing = false, probe_until = '-infinity', failures = 0 where only_row;
  end if;
  return found;
end
$$;

create function public.pause_provider(
  p_job_id uuid, p_lease bigint, p_seconds numeric, p_reason text, p_code int = null
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.pause_provider(p_job_id, p_lease, p_seconds, p_reason, p_code);
end
$$;

revoke all on function
  private.current_pause, public.pause_provider, private.pause_provider, private.take_probe, private.return_probe,
  private.resume_provider
from public, anon, authenticated, service_role;

alter table private.provider_pause enable row level security;
revoke all on private.provider_pause from public, anon, authenticated, service_role;

grant execute on function public.pause_provider, private.pause_provider to service_role;

-- 20261124000892_refused_models.sql

-- Models that the provider refuses: not there any more, not for us, or their version gone. That concerns the model
-- alone. Its waiting jobs end when their turn comes, without asking the provider (private.lease_ready marks
-- them), and it is refused at the door (private.admit_model), until one start may try again.

create table private.refused_models (
  -- The model's name at the provider.
  model text primary key,
  since timestamptz not null,
  -- Until then nobody asks the provider for it.
  until timestamptz not null,
  -- One start is let in to try; the next one not before this.
  probe_until timestamptz not null default '-infinity',
  -- The provider's status: 403, 404 or 422.
  status int not null,
  -- How often a try has failed: each doubles the wait.
  refusals int not null default 1
);

-- Those that operators are told of: refused now, or with a try that nobody has made.
create function private.refused_model_names() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(r.model order by r.model), '[]')
  from (
    select model from private.refused_models where until > now() - interval '1 hour' order by since desc limit 100
  ) as r
$$;

-- Refuses a start of a model that the provider refuses. When its time is over one start in a minute may try.
create function private.admit_model(p_model text) returns void
language plpgsql set search_path = '' as $$
declare
  v_refused private.refused_models;
begin
  select * into v_refused from private.refused_models where model = p_model;
  if not found then
    return;
  end if;
  if v_refused.until <= now() then
    update private.refused_models set probe_until = now() + interval '1 minute'
    where model = p_model and until <= now() and probe_until <= now();
    if found then
      return;
    end if;
  end if;
  perform private.refuse(
    422, 'model_unavailable', 'This model cannot be used at the moment. Please choose another one.',
    greatest(1, ceil(extract(epoch from greatest(v_refused.until, v_refused.probe_until) - now())))::int
  );
end
$$;

-- A prediction of it was created.
create function private.accept_model(p_model text) returns void
language plpgsql set search_path = '' as $$
begin
  delete from private.refused_models where model = p_model;
end
$$;

-- Whether a model that is refused with 403 is one too many for it to be the model: within ten minutes the third
-- one, and nothing was created since the first.
create function private.is_account_refused(p_model text) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  v_others int;
  v_since timestamptz;
begin
  select count(*), min(since) into v_others, v_since from private.refused_models
  where status = 403 and model <> p_model and since > now() - interval '10 minutes';
  return v_others >= 2 and not exists (select from private.predictions where recorded_at > v_since);
end
$$;

-- The provider refused a create because of the job's model: its generation fails, without an attempt, and the
-- model is refused for a minute, twice as long each time a try fails, half an hour at most. Where so many are
-- refused that it is the account, that is paused in its place. started: operators should hear of it now.
create function private.refuse_model(
  p_job_id uuid, p_lease bigint, p_status int, p_error_message text, p_error_code text
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_job public.job_queue;
  v_model text;
  v_refusals int;
begin
  select * into v_job from public.job_queue
  where id = p_job_id and lease = p_lease and status = 'processing'
    and job_type = 'generate-image' and prediction_id is null
  for update;
  if not found then
    return '{"outcome": "stale", "started": false}';
  end if;
  v_model := coalesce(v_job.payload ->> 'model_id', '');
  if p_status = 403 and private.is_account_refused(v_model) then
    delete from private.refused_models where status = 403;
    return private.pause_provider(p_job_id, p_lease, 60, 'account', 403) || '{"refused": "account"}';
  end if;
  insert into private.refused_models as r (model, since, until, status)
  values (v_model, now(), now() + interval '1 minute', p_status)
  on conflict (model) do update set
    status = excluded.status,
    until = case
      when r.until > now() then r.until
      else now() + least(interval '1 minute' * 2 ^ least(r.refusals, 5), interval '30 minutes')
    end,
    refusals = r.refusals + case when r.until > now() then 0 else 1 end
  returning refusals + case when since < now() then 1 else 0 end into v_refusals;
  perform private.end_attempt(v_job, p_error_message, jsonb_build_object('code', p_error_code), null);
  return jsonb_build_object('outcome', 'failed', 'refused', 'model', 'started', v_refusals = 1);
end
$$;

create function public.refuse_model(
  p_job_id uuid, p_lease bigint, p_status int, p_error_message text, p_error_code text = 'model_unavailable'
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.with_changes(private.refuse_model(p_job_id, p_lease, p_status, p_error_message, p_error_code));
end
$$;

revoke all on function
  private.refused_model_names, private.admit_model, private.accept_model, private.is_account_refused,
  private.refuse_model, public.refuse_model
from public, anon, authenticated, service_role;

alter table private.refused_models enable row level security;
revoke all on private.refused_models from public, anon, authenticated, service_role;

grant execute on function public.refuse_model, private.refuse_model to service_role;

-- 20261124000895_live.sql

-- The live channel: which changes are told to whoever listens, and the states that a listener begins with.
--
-- Each step that answers with an object hands out the changes that it made in a member `changes`, so that
-- telling them costs no round trip; only those of users that somebody listens to, so that nothing is sent
-- for nobody. A change that is lost does no harm: listeners read the states again.

-- Raised by every change that a listener sees; see private.before_generation_change.
alter table public.image_generations add column seq bigint not null default 0;

-- A user's open generations (completed_at is null), the oldest first, and those that ended last. Not by
-- status: what an index has may not change at each step, or no step would be HOT.
create index image_generations_ended on public.image_generations (user_id, completed_at, created_at);

-- Users that somebody listens to.
create table private.live_listeners (
  user_id uuid primary key references auth.users on delete cascade,
  until timestamptz not null
);
create index live_listeners_until on private.live_listeners (until);

-- Numbers a change that a listener sees: milliseconds since 1970, or one more than before if that is later.
-- Where somebody listens, notes the generation for private.with_changes, in a setting of this transaction:
-- it goes with the transaction, and what a savepoint takes back is not noted either.
create function private.before_generation_change() returns trigger
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_noted text;
begin
  if tg_op = 'UPDATE' and new.status = old.status and new.progress = old.progress
    and new.error_code is not distinct from old.error_code
    and new.error_message is not distinct from old.error_message
  then
    return new;
  end if;
  new.seq := greatest(coalesce(old.seq, 0) + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint);
  perform 1 from private.live_listeners where user_id = new.user_id and until > now();
  if found then
    v_noted := concat(current_setting('picture_queue.changed', true), ' ', new.id);
    -- 100 of them: no step changes as many, and writing ever longer notes would make the work of many rows slow.
    if length(v_noted) <= 3700 then
      perform set_config('picture_queue.changed', v_noted, true);
    end if;
  end if;
  return new;
end
$$;

create trigger image_generations_before_change before insert or update on public.image_generations
for each row execute function private.before_generation_change();

-- The places of jobs that make images, as private.queue_position has them, for many at once: the head of
-- the queue is read once for all, and joined without comparing each with each. None for those without a place.
-- No jit: the planner takes what is switched off here for so costly that it would compile the rest.
create function private.queue_positions(p_job_ids uuid[]) returns table (job_id uuid, place int)
language plpgsql stable set search_path = '' set enable_seqscan = off set enable_sort = off
set enable_nestloop = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  -- By id and nothing else: a condition that an index has would invite the planner to read all of that index.
  v_asked uuid[] := array(
    select mine.id from (
      select j.id, j.status, j.held, j.ready_at from public.job_queue as j where j.id = any(p_job_ids) offset 0
    ) as mine
    where mine.status = 'pending' and (mine.held or mine.ready_at is not null)
  );
begin
  if cardinality(v_asked) = 0 then
    return;
  end if;
  return query
  with asked as materialized (
    select j.id, j.seq, j.fair_key, j.held from public.job_queue as j where j.id = any(v_asked)
  ), ready as materialized (
    select head.seq, head.priority, row_number() over (order by head.priority desc, head.turn, head.seq) as place
    from (
      select j.seq, j.priority, j.turn from public.job_queue as j
      where j.status = 'pending' and j.ready_at is not null and j.job_type = 'generate-image'
      order by j.priority desc, j.turn, j.seq limit 999
    ) as head
  ), lines as materialized (
    select r.priority, count(*) as jobs from ready as r group by r.priority
  ), held as materialized (
    select
      own.seq,
      row_number() over (partition by lane.fair_key order by own.priority desc, own.seq)
        + (select coalesce(sum(l.jobs), 0) from lines as l where l.priority >= own.priority) as place
    from (select distinct a.fair_key from asked as a where a.held) as lane
    cross join lateral (
      select j.seq, j.priority from public.job_queue as j
      where j.status = 'pending' and (j.held or j.slot) and j.held
        and j.fair_key = lane.fair_key and j.job_type = 'generate-image'
      order by j.priority desc, j.seq limit 999
    ) as own
  )
  select a.id, least(coalesce(case when a.held then h.place else r.place end, 1000), 1000)::int
  from asked as a
  left join ready as r on r.seq = a.seq
  left join held as h on h.seq = a.seq;
end
$$;

-- Generations as the live channel tells them, in the order of their changes. What they say of a generation
-- is what private.generation_json says, as far as it goes; user_id is for the way, and goes no further.
create function private.live_states(p_ids uuid[]) returns jsonb
language plpgsql stable set search_path = '' set enable_seqscan = off
set plan_cache_mode = force_generic_plan as $$
declare
  v_generation public.image_generations;
  v_places jsonb;
  v_place int;
  v_due timestamptz;
  v_seconds int;
  v_model_seconds numeric;
  v_more jsonb;
  v_states jsonb[] := '{}';
begin
  for v_generation in
    select * from public.image_generations where id = any(p_ids) order by seq, id
  loop
    v_place := null;
    v_seconds := null;
    v_more := '{}';
    if v_generation.status in ('pending', 'queued', 'processing') then
      v_model_seconds := private.model_seconds(v_generation.model_id, (
        select m.estimated_time_seconds from public.models as m where m.id = v_generation.model_id
      ));
    end if;
    case
      when v_generation.status in ('pending', 'queued') then
        if v_places is null then
          select coalesce(jsonb_object_agg(p.job_id, p.place), '{}') into v_places
          from private.queue_positions(array(
            select job_id from public.image_generations where id = any(p_ids) and status in ('pending', 'queued')
          )) as p;
        end if;
        v_place := (v_places ->> v_generation.job_id::text)::int;
        select scheduled_at into v_due from public.job_queue where id = v_generation.job_id;
        v_seconds := private.estimate_seconds(v_model_seconds, coalesce(v_place, 1))
          + greatest(0, ceil(extract(epoch from v_due - now())));
      when v_generation.status = 'processing' then
        v_seconds := private.remaining_seconds(v_generation, v_model_seconds);
      when v_generation.status = 'downloading' then
        v_seconds := 1;
      when v_generation.status = 'completed' then
        select jsonb_build_object('image_url', public_url) into v_more
        from public.images where generation_id = v_generation.id;
      when coalesce(v_generation.error_code, v_generation.error_message) is not null then
        v_more := jsonb_build_object('error', jsonb_build_object(
          'code', coalesce(v_generation.error_code, 'failed'),
          'message', coalesce(v_generation.error_message, 'The image was not made.')
        ));
      else null;
    end case;
    v_states := v_states || (jsonb_build_object(
      'type', 'generation',
      'user_id', v_generation.user_id,
      'generation_id', v_generation.id,
      'batch_id', v_generation.batch_id,
      'status', case v_generation.status when 'pending' then 'queued' else v_generation.status end,
      'progress', v_generation.progress,
      'queue_position', v_place,
      'estimated_seconds', v_seconds,
      'seq', v_generation.seq
    ) || coalesce(v_more, '{}'));
  end loop;
  return to_jsonb(v_states);
end
$$;

-- A step's answer with the changes that this transaction has made and not handed out yet; as it is where
-- there are none. With a user only that one's.
create function private.add_changes(p_answer jsonb, p_user_id uuid) returns jsonb
language plpgsql set search_path = '' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_changed uuid[] := string_to_array(ltrim(current_setting('picture_queue.changed', true)), ' ');
  v_changes jsonb;
begin
  perform set_config('picture_queue.changed', '', true);
  v_changes := private.live_states(array(
    select id from public.image_generations
    where id = any(v_changed) and (p_user_id is null or user_id = p_user_id)
  ));
  return case
    when v_changes = '[]' then p_answer
    else p_answer || jsonb_build_object('changes', v_changes)
  end;
end
$$;

-- For the service's steps.
create function private.with_changes(p_answer jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if current_setting('picture_queue.changed', true) <> '' then
    return private.add_changes(p_answer, null);
  end if;
  return p_answer;
end
$$;

-- For what users call: their own changes, whatever else the transaction has done.
create function private.with_own_changes(p_answer jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if current_setting('picture_queue.changed', true) <> '' then
    return private.add_changes(p_answer, private.signed_in());
  end if;
  return p_answer;
end
$$;

revoke all on function
  private.before_generation_change, private.queue_positions, private.live_states, private.add_changes,
  private.with_changes, private.with_own_changes
from public, anon, authenticated, service_role;

alter table private.live_listeners enable row level security;
revoke all on private.live_listeners from public, anon, authenticated, service_role;

grant execute on function private.with_own_changes to authenticated;
grant execute on function private.with_changes to service_role;

-- 20261124000896_live_snapshot.sql

-- What somebody who begins to listen is told first, and who listens.

-- A user's open generations, the oldest 200, and where p_since is given those that have ended since then, the
-- last 100: the beginning and the end of two ranges of one index.
create function private.live_generations(p_user_id uuid, p_since timestamptz) returns uuid[]
language plpgsql stable set search_path = '' set enable_seqscan = off set enable_sort = off as $$
begin
  return array(
    select id from public.image_generations
    where user_id = p_user_id and completed_at is null and status in ('pending', 'queued', 'processing', 'downloading')
    order by completed_at, created_at limit 200
  ) || array(
    select id from public.image_generations
    where user_id = p_user_id and completed_at > p_since
    order by completed_at desc limit 100
  );
end
$$;

-- The states of a user's open generations and, with p_since, a number that the listener has seen, of those that
-- have ended since; with p_generation_id of that one alone, or of none if it is not this user's. open: how many
-- of them are of open generations. From here on, for p_listen_seconds, changes are handed out.
create function private.live_snapshot(
  p_user_id uuid, p_generation_id uuid, p_since bigint, p_listen_seconds int
) returns jsonb
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_states jsonb;
  v_open int;
begin
  if p_generation_id is null then
    v_states := private.live_states(private.live_generations(
      p_user_id,
      -- A minute before: changes become visible in another order than they are numbered in.
      case when p_since is not null
        then to_timestamp((least(greatest(p_since, 60000), 32503680000000) - 60000) / 1000.0) end
    ));
  else
    v_states := private.live_states(array(
      select id from public.image_generations where id = p_generation_id and user_id = p_user_id
    ));
  end if;
  select count(*) into v_open from jsonb_array_elements(v_states) as s (state)
  where state ->> 'status' in ('queued', 'processing', 'downloading');
  -- Of one that is not there or has ended nothing more is told.
  if p_listen_seconds > 0 and (p_generation_id is null or v_open > 0) then
    insert into private.live_listeners as l (user_id, until)
    select id, now() + make_interval(secs => least(p_listen_seconds, 86400)) from auth.users where id = p_user_id
    on conflict (user_id) do update set until = excluded.until where l.until < excluded.until;
  end if;
  return jsonb_build_object('states', v_states, 'open', v_open);
end
$$;

create function public.live_snapshot(
  p_user_id uuid, p_generation_id uuid = null, p_since bigint = null, p_listen_seconds int = 0
) returns jsonb language plpgsql set search_path = '' as $$
begin
  return private.live_snapshot(p_user_id, p_generation_id, p_since, p_listen_seconds);
end
$$;

-- Called by prune_jobs.
create function private.prune_listeners(p_limit int) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  delete from private.live_listeners where user_id = any(array(
    select user_id from private.live_listeners where until <= now()
    order by until limit p_limit for update skip locked
  ));
end
$$;

revoke all on function
  private.live_generations, public.live_snapshot, private.live_snapshot, private.prune_listeners
from public, anon, authenticated, service_role;

grant execute on function public.live_snapshot, private.live_snapshot to service_role;

-- 20261124000900_storage.sql

-- Finished images. Anybody who knows an image's address may read it; its path, {user_id}/{generation_id},
-- cannot be guessed. Only the service writes: no policy allows it to anybody else.

insert into storage.buckets (id, name, public) values ('generated-images', 'generated-images', true)
on conflict (id) do update set public = true;

create policy "owners find their generated images" on storage.objects for select to authenticated
using (bucket_id = 'generated-images' and split_part(name, '/', 1) = (select auth.uid())::text);

-- 20261124000950_sources.sql

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

-- 20261124001000_realtime.sql

-- Hosted projects publish each change of a generation to its owner.

do $$
begin
  if exists (select from pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    alter publication supabase_realtime add table public.image_generations;
  end if;
end
$$;

-- 20261124001100_storage_cleanup.sql

-- Stored files that no row of `images` names, and uploads whose day is over. They are deleted over the Storage
-- API, for which the worker runs 'cleanup-storage' jobs: {names: [...], bucket}, at most 100 objects of the
-- bucket, generated-images where none is named. A job is no verdict: what may go is looked up when it runs
-- (private.removable_objects).
--
-- Where the former come from: a picture whose generation failed while it was being stored; a row that
-- was deleted; and whatever else went wrong, found by a look through the bucket once a day.

-- Whether a row names an object.
create index images_storage_path on public.images (storage_path);

insert into private.lines (job_type, priority) values ('cleanup-storage', -10);

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
  from public.job_queue
  where id = p_job_id and lease = p_lease and status = 'processing' and job_type = 'cleanup-storage';
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

-- 20261124001200_metrics.sql

-- The queue's numbers for monitoring, in one call whose cost does not grow with the number of jobs: the
-- newest of what has ended are taken from the end of the index, not sorted out of all.

create function private.queue_metrics() returns jsonb
language plpgsql stable security definer
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  v_status jsonb := private.queue_status();
  v_jobs jsonb;
  v_wait jsonb;
  v_run jsonb;
  v_failed jsonb;
  v_outputs record;
begin
  select jsonb_agg(jsonb_build_object(
    'type', job_type, 'status', status, 'jobs', count,
    'oldest_seconds', case
      when status in ('pending', 'processing') then round(extract(epoch from now() - oldest_job), 3)
    end
  ) order by job_type, status) into v_jobs
  from private.queue_totals();

  select
    jsonb_agg(jsonb_build_object(
      'type', l.job_type, 'quantile', q.quantile, 'seconds', round(q.wait::numeric, 3)
    ) order by l.job_type, q.quantile),
    jsonb_agg(jsonb_build_object(
      'type', l.job_type, 'quantile', q.quantile, 'seconds', round(q.run::numeric, 3)
    ) order by l.job_type, q.quantile)
  into v_wait, v_run
  from public.queue_latency as l
  cross join lateral (values
    ('0.5', l.wait_p50_seconds, l.run_p50_seconds),
    ('0.95', l.wait_p95_seconds, l.run_p95_seconds),
    ('0.99', l.wait_p99_seconds, l.run_p99_seconds)
  ) as q (quantile, wait, run);

  -- The commonest twenty kinds, so that error codes of somebody's own do not become so many series.
  select jsonb_agg(jsonb_build_object('type', kind.job_type, 'code', kind.code, 'jobs', kind.jobs)) into v_failed
  from (
    select ended.job_type, ended.code, count(*) as jobs
    from (
      select j.job_type, left(coalesce(j.error_details -> -1 ->> 'code', 'unknown'), 100) as code
      from public.job_queue as j
      where j.status = 'failed' and j.status in ('completed', 'failed', 'cancelled') and j.seq > 0
        and j.completed_at > now() - interval '24 hours'
      order by j.completed_at desc limit 10000
    ) as ended
    group by ended.job_type, ended.code
    order by count(*) desc, ended.job_type, ended.code limit 20
  ) as kind;

  select * into v_outputs from private.unstored_outputs();

  return jsonb_build_object(
    'jobs', v_jobs,
    'held', v_status -> 'held',
    'scheduled', v_status -> 'scheduled',
    'lost', v_status -> 'lost',
    'budget', v_status -> 'budget_periods',
    'last_sweep_at', (select round(extract(epoch from last_sweep_at), 3) from private.sweep),
    'wait', v_wait,
    'run', v_run,
    'failed', v_failed,
    'outputs_at_risk', v_outputs.at_risk,
    'output_seconds_left', v_outputs.seconds_left,
    'refused_models', (
      select jsonb_agg(jsonb_build_object('model', name, 'refused', 1))
      from jsonb_array_elements_text(private.refused_model_names()) as listed (name)
    ),
    'enqueued', coalesce(pg_sequence_last_value(pg_get_serial_sequence('public.job_queue', 'seq')::regclass), 0),
    'removed_files', (
      select count(*) from (select from private.removed_objects limit 10000) as removed
    )
  );
end
$$;

create function public.queue_metrics()
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return private.queue_metrics();
end
$$;

revoke all on function public.queue_metrics, private.queue_metrics from public, anon, authenticated, service_role;
grant execute on function public.queue_metrics, private.queue_metrics to service_role;

-- 20261124009000_jit.sql

-- The functions that look rows up pin `enable_seqscan = off` (see the enqueueing functions). Where a scan is all
-- there is, of a table of one row say, that makes the plan look like the dearest there can be, and a Postgres built
-- with LLVM compiles it before it runs: half a second for a claim of one millisecond.

do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select oid from pg_proc where pronamespace = 'private'::regnamespace and proconfig @> array['enable_seqscan=off']
  loop
    execute format('alter function %s set jit = off', v_function);
  end loop;
end
$$;

