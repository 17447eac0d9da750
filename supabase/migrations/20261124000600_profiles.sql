-- A profile for every user.

create function private.create_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id, email) values (new.id, new.email) on conflict (id) do nothing;
  return new;
end
$$;

create trigger create_profile after insert on auth.users
for each row execute function private.create_profile();

-- Users from before.
insert into public.profiles (id, email) select id, email from auth.users on conflict (id) do nothing;
