-- The fates, written down for the copy: each view is read once.
create table picture_queue_move.fated_generations as
select id, owner_id, new_status, began_at, ended_at, reason from picture_queue_move.generation_fates;
create table picture_queue_move.fated_images as
select id, owner_id, new_generation_id, new_public_url, reason from picture_queue_move.image_fates;
analyze picture_queue_move.fated_generations, picture_queue_move.fated_images;
