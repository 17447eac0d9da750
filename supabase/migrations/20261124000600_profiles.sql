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
