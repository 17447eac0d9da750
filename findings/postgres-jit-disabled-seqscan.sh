#!/usr/bin/env bash
# One would guess: `enable_seqscan = off` only steers the planner away from sequential scans, so where a
# plan cannot do without one (a small table, a condition without an index) it costs nothing.
# It does cost: up to PostgreSQL 17 "off" adds 1e10 to the cost of such a scan, the total passes
# jit_above_cost (100,000) by far, and with LLVM present the plan of a query over a few rows is compiled,
# inlined and optimised, each time it runs: far longer than the query itself takes.
# Who meets it: everyone who pins plans by `set enable_seqscan = off` on a function, a role or a session,
# on a server built with LLVM (Debian's is; most of the small builds for tests are not).
# It needs Debian 12 on amd64 and its own apt lists.
set -euo pipefail
fail() { echo "Behaviour changed: $1" >&2; exit 1; }
dir=$(mktemp -d)
cleanup() {
  [ ! -e "$dir/data/pg/postmaster.pid" ] || as "$bin/pg_ctl" -D "$dir/data/pg" -m immediate stop >/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT
chmod 755 "$dir"; cd "$dir"

packages=(postgresql-15=15.20-0+deb12u1 postgresql-client-15=15.20-0+deb12u1 libpq5=15.20-0+deb12u1
  libllvm14=1:14.0.6-12 libz3-4=4.8.12-3.1 libicu72=72.1-3+deb12u1 libxml2=2.9.14+dfsg-1.3~deb12u6
  libldap-2.5-0=2.5.13+dfsg-5 libsasl2-2=2.1.28+dfsg-10 libedit2=3.1-20221030-2 libbsd0=0.11.7-2
  {libgssapi-krb5-2,libkrb5-3,libk5crypto3,libkrb5support0}=1.20.1-2+deb12u5 libkeyutils1=1.6.3-2)
mkdir debs && chmod 777 debs
if ! (cd debs && apt-get download -qq "${packages[@]}"); then
  echo "Debian's archive has not these versions; apt-get update may help." >&2
  exit 2
fi
for deb in debs/*.deb; do dpkg -x "$deb" root; done
rm -rf debs
bin=$dir/root/usr/lib/postgresql/15/bin
lib=$dir/root/usr/lib/x86_64-linux-gnu
as() { env LD_LIBRARY_PATH="$lib" TZ=UTC LC_ALL=C "$@"; }
mkdir data
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
  chown 65534:65534 data
  as() { setpriv --reuid 65534 --regid 65534 --clear-groups env LD_LIBRARY_PATH="$lib" TZ=UTC LC_ALL=C "$@"; }
fi
as "$bin/initdb" -D "$dir/data/pg" -U postgres -A trust --no-sync >/dev/null
as "$bin/pg_ctl" -D "$dir/data/pg" -l "$dir/data/log" -w start >/dev/null \
  -o "-c listen_addresses= -c unix_socket_directories=$dir/data -c fsync=off"
sql() { as "$bin/psql" -h "$dir/data" -U postgres -XqAt -v ON_ERROR_STOP=1; }

sql <<'SQL'
create table queue (id int primary key, note text);
insert into queue select n, 'note ' || n from generate_series(1, 200) n;
analyze queue;
SQL
explain="explain (analyze) select count(*) from queue where note like '%7%'"
sql <<<'select version()'
echo; echo "--- enable_seqscan = on"
usual=$(sql <<<"$explain"); echo "$usual"
echo; echo "--- enable_seqscan = off"
pinned=$(sql <<<"set enable_seqscan = off; $explain"); echo "$pinned"
echo; echo "--- enable_seqscan = off, jit = off"
plain=$(sql <<<"set enable_seqscan = off; set jit = off; $explain"); echo "$plain"

grep -q JIT: <<<"$usual" && fail 'the query is JIT compiled with enable_seqscan = on too.'
grep -q 'cost=100000' <<<"$pinned" || fail 'a disabled sequential scan no longer adds 1e10 to the cost.'
grep -q JIT: <<<"$pinned" || fail 'the query is no longer JIT compiled with enable_seqscan = off.'
grep -q JIT: <<<"$plain" && fail 'jit = off does not help.'
echo; echo 'As described: the disabled sequential scan had the plan compiled.'
