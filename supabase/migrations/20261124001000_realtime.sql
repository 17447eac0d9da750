-- Hosted projects publish each change of a generation to its owner.

do $$
begin
  if exists (select from pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    alter publication supabase_realtime add table public.image_generations;
  end if;
end
$$;
