-- Projects from before the end of May 2026: whatever migrations make in `public` is open to the three API roles
-- until it is revoked or under row-level security. Run by the superuser, before the migrations; repeatable.

alter default privileges for role postgres in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on functions to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to anon, authenticated, service_role;
