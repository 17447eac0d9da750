-- Only where the old table was put aside: else it is still the one in use.
update public.profiles as p set
  username = left(o.username, 255),
  avatar_url = case when char_length(o.avatar_url) <= 2048 then o.avatar_url end,
  created_at = coalesce(o.created_at, p.created_at)
from picture_queue_move.old_profiles as o
where o.id = p.id and to_regclass('original.profiles') is not null;
