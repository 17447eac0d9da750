-- Finished images. Anybody who knows an image's address may read it; its path, {user_id}/{generation_id},
-- cannot be guessed. Only the service writes: no policy allows it to anybody else.

insert into storage.buckets (id, name, public) values ('generated-images', 'generated-images', true)
on conflict (id) do update set public = true;

create policy "owners find their generated images" on storage.objects for select to authenticated
using (bucket_id = 'generated-images' and split_part(name, '/', 1) = (select auth.uid())::text);
