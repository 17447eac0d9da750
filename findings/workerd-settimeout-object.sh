#!/usr/bin/env bash
# One would guess: setTimeout in a Worker returns a number, as in a browser, and only a Worker that asks for
# nodejs_compat gets something of Node's.
# With a compatibility date of 2026-08-04 or later no flag is needed: nodejs_compat is on by default and
# setTimeout returns an object (Timeout). With that flag it does so from an earlier date in 2026 on.
# It still turns into its number where one is asked for, so most code does not notice.
# Who meets it: code that checks `typeof id === 'number'`, sends or clones the id, or is compiled to
# wasm with checks of its numbers; the same code changes its behaviour by a new date alone.
# The flag no_nodejs_compat gives the number back.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error workerd@1.20261117.1 >/dev/null
workerd=$dir/node_modules/.bin/workerd
"$workerd" --version
cat >worker.js <<'JS'
export default {
  test() {
    const id = setTimeout(() => {}, 1000);
    clearTimeout(id);
    console.log(`${typeof id} ${id.constructor.name} ${Number(id) > 0}`);
  },
};
JS
try() { # DATE FLAGS EXPECTED
  cat >config.capnp <<CONFIG
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "$1", compatibilityFlags = [$2]))]);
CONFIG
  local seen
  seen=$("$workerd" test config.capnp 2>log) || { cat log >&2; exit 1; }
  echo "$1 ${2:-without flags}: $seen"
  [ "$seen" = "$3" ] || { echo "Behaviour changed: expected $3." >&2; exit 1; }
}
try 2026-08-03 '' 'number Number true'
try 2026-08-04 '' 'object Timeout true'
try 2026-11-17 '' 'object Timeout true'
try 2026-11-17 '"no_nodejs_compat"' 'number Number true'
try 2026-01-29 '"nodejs_compat"' 'number Number true'
try 2026-02-10 '"nodejs_compat"' 'object Timeout true'
