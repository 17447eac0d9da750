-- Run by `supabase db reset` after the migrations, on a local database only. The catalogue's models
-- come with the migrations, users sign up by themselves.

-- The local Supabase has image transformation, as paid projects have.
update private.settings set thumbnail_width = 512 where only_row;
