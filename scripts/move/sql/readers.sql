-- One view over each old table with every column that the copy reads, in the copy's own types: a column that an
-- installation does not have is null, and a text that is no uuid is null. The views follow their tables wherever
-- these are put.

create function picture_queue_move.read_old(p_view text, p_table text, p_columns text) returns void
language plpgsql as $$
declare
  v_table regclass := to_regclass('public.' || quote_ident(p_table));
  v_list text;
begin
  select string_agg(
    case
      when a.attname is null then format('null::%s', wanted.type)
      when a.atttypid = wanted.type::regtype then format('t.%I', wanted.name)
      when wanted.type = 'uuid' then format(
        'case when t.%1$I::text ~* ''^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'' then t.%1$I::text::uuid end', wanted.name)
      when wanted.type = 'timestamptz' and a.atttypid = 'timestamp'::regtype then format('t.%I at time zone ''UTC''', wanted.name)
      else format('t.%I::%s', wanted.name, wanted.type)
    end || format(' as %I', wanted.name),
    ', ' order by wanted.ord
  ) into v_list
  from (
    select split_part(entry, ':', 1) as name, split_part(entry, ':', 2) as type, ord
    from regexp_split_to_table(btrim(p_columns, E' \n'), '\s+') with ordinality as e (entry, ord)
  ) as wanted
  left join pg_attribute as a
    on a.attrelid = v_table and a.attname = wanted.name and a.attnum > 0 and not a.attisdropped;
  execute format('create view picture_queue_move.%I as select %s %s', p_view, v_list,
    case when v_table is null then 'where false' else format('from %s as t', v_table) end);
end
$$;

select
  picture_queue_move.read_old('old_profiles', 'profiles', 'id:uuid username:text avatar_url:text created_at:timestamptz'),
  picture_queue_move.read_old('old_models', 'models', 'id:uuid replicate_id:text version:text name:text
    display_name:text description:text default_width:int default_height:int default_steps:int
    default_guidance_scale:numeric default_strength:numeric min_width:int min_height:int max_width:int max_height:int
    max_steps:int strength_min:numeric strength_max:numeric supported_aspect_ratios:jsonb
    supports_negative_prompt:boolean supports_seed:boolean supports_img2img:boolean cost_per_generation:numeric
    estimated_time_seconds:numeric is_active:boolean is_default:boolean sort_order:int created_at:timestamptz'),
  picture_queue_move.read_old('old_batches', 'batch_generations', 'id:uuid user_id:uuid name:text total_count:int
    completed_count:int failed_count:int status:text model_id:text model_version:text width:int height:int steps:int
    guidance_scale:numeric created_at:timestamptz completed_at:timestamptz'),
  picture_queue_move.read_old('old_generations', 'image_generations', 'id:uuid user_id:uuid prompt:text
    negative_prompt:text model:text model_id:text style:text width:int height:int steps:int guidance_scale:numeric
    seed:bigint source_image_url:text generation_strength:numeric status:text error_message:text
    generation_time_seconds:numeric replicate_prediction_id:text priority:int retry_count:int batch_id:uuid
    batch_index:int multi_group_id:uuid multi_index:int created_at:timestamptz completed_at:timestamptz'),
  picture_queue_move.read_old('old_images', 'images', 'id:uuid generation_id:uuid user_id:uuid filename:text
    storage_path:text public_url:text file_size:bigint width:int height:int format:text prompt:text
    negative_prompt:text model:text style:text source_image_id:uuid generation_strength:numeric blurhash:text
    is_public:boolean is_favorite:boolean rating:int download_count:int archived_at:timestamptz
    created_at:timestamptz'),
  picture_queue_move.read_old('old_jobs', 'job_queue', 'id:uuid job_type:text status:text started_at:timestamptz');
