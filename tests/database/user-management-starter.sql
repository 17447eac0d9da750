-- The table of Supabase's quickstart "User Management Starter": names and shape are what apps have; the words are ours.
create table public.profiles (
  id uuid not null references auth.users on delete cascade primary key,
  updated_at timestamptz,
  username text unique,
  full_name text,
  avatar_url text,
  website text,
  constraint username_length check (char_length(username) >= 3)
);
alter table public.profiles enable row level security;
grant all on public.profiles to anon, authenticated, service_role;
create policy "Anybody sees profiles" on public.profiles for select using (true);
create policy "Users add their own profile" on public.profiles for insert with check ((select auth.uid()) = id);
create policy "Users change their own profile" on public.profiles for update using ((select auth.uid()) = id);
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id, full_name, avatar_url)
  values (new.id, new.raw_user_meta_data ->> 'full_name', new.raw_user_meta_data ->> 'avatar_url');
  return new;
end
$$;
create trigger on_auth_user_created after insert on auth.users
for each row execute function public.handle_new_user();
insert into storage.buckets (id, name) values ('avatars', 'avatars');
create policy "Anybody sees avatars" on storage.objects for select using (bucket_id = 'avatars');
