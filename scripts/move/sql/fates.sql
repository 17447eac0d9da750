-- What becomes of each row, and why: the dry run counts these views, the copy reads them.

create view picture_queue_move.batch_fates as
select b.*, coalesce(b.user_id, member.user_id) as owner_id,
  case
    when b.id is null then 'its id is no uuid'
    when coalesce(b.user_id, member.user_id) is null then 'it has no owner'
    when u.id is null then 'its owner''s account is gone'
  end as reason
from picture_queue_move.old_batches as b
left join (
  select batch_id, (array_agg(user_id))[1] as user_id
  from picture_queue_move.old_generations where batch_id is not null and user_id is not null
  group by batch_id
) as member on member.batch_id = b.id
left join auth.users as u on u.id = coalesce(b.user_id, member.user_id);

-- The image of a generation, where there are several: the newest, and one with an owner before one without.
create view picture_queue_move.first_images as
select distinct on (generation_id) generation_id, id, user_id, created_at
from picture_queue_move.old_images
where generation_id is not null
order by generation_id, (user_id is null), created_at desc nulls last, id;

create view picture_queue_move.generation_fates as
select g.*,
  coalesce(g.user_id, b.user_id, i.user_id) as owner_id,
  -- A run that nobody looks after any more ends here. Where its image is there, it was made.
  case
    when g.status in ('completed', 'failed', 'cancelled') then g.status
    when g.status = 'canceled' then 'cancelled'
    when i.id is not null then 'completed'
    else 'failed'
  end as new_status,
  i.id is not null as has_image,
  coalesce(g.created_at, g.completed_at, i.created_at, '1970-01-01Z') as began_at,
  coalesce(g.completed_at, i.created_at, g.created_at, '1970-01-01Z') as ended_at,
  case
    when g.id is null then 'its id is no uuid'
    when coalesce(g.user_id, b.user_id, i.user_id) is null then 'it has no owner'
    when u.id is null then 'its owner''s account is gone'
  end as reason
from picture_queue_move.old_generations as g
left join picture_queue_move.old_batches as b on b.id = g.batch_id
left join picture_queue_move.first_images as i on i.generation_id = g.id
left join auth.users as u on u.id = coalesce(g.user_id, b.user_id, i.user_id);

-- Where public files are read, if it was not said: what stands before the path in most of the addresses that are there.
insert into picture_queue_move.facts (name, value)
select 'file address', left(public_url, length(public_url) - length(storage_path)) as address
from picture_queue_move.old_images
where storage_path <> '' and right(public_url, length(storage_path)) = storage_path
group by address order by count(*) desc, address limit 1
on conflict do nothing;

create view picture_queue_move.image_fates as
select i.*,
  coalesce(i.user_id, g.owner_id) as owner_id,
  case when g.id is not null and g.reason is null and first.id = i.id then g.id end as new_generation_id,
  coalesce(i.public_url, base.address || i.storage_path) as new_public_url,
  case
    when i.id is null then 'its id is no uuid'
    when coalesce(i.user_id, g.owner_id) is null then 'it has no owner'
    when u.id is null then 'its owner''s account is gone'
    when i.storage_path is null then 'it names no file'
    when coalesce(i.public_url, base.address || i.storage_path) is null then 'it has no address, and --project-url does not say the project''s'
  end as reason
from picture_queue_move.old_images as i
left join picture_queue_move.generation_fates as g on g.id = i.generation_id
left join picture_queue_move.first_images as first on first.generation_id = i.generation_id
left join auth.users as u on u.id = coalesce(i.user_id, g.owner_id)
left join (select (select value from picture_queue_move.facts where name = 'file address') as address) as base on true;
