#!/usr/bin/env bash
# One would guess: a Worker's fetch() takes http: and https: addresses and refuses the rest; its own warning
# says that addresses "must begin with either 'http:' or 'https:'".
# It also takes data: addresses, and answers with their decoded bytes, status 200, the type that they name
# and an empty `url`. No request leaves the Worker: it works where no network is given to it at all.
# That is what the Fetch standard says; it is handy (a decoder of base64 for free).
# Who meets it: Workers that fetch an address from elsewhere. That response.ok is true does not say that a
# server answered, and `new URL(response.url)` throws. Code that wants http(s) alone has to say so itself.
# Seen in the runtime workerd as npm has it.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error workerd@1.20261117.1 >/dev/null
workerd=$dir/node_modules/.bin/workerd
"$workerd" --version
cat >worker.js <<'JS'
export default {
  async test() {
    const response = await fetch('data:image/png;base64,aGVsbG8=');
    const { status, ok, url, headers } = response;
    console.log(JSON.stringify({ status, ok, url, type: headers.get('content-type'), text: await response.text() }));
  },
};
JS
expected='{"status":200,"ok":true,"url":"","type":"image/png","text":"hello"}'
for date in 2021-11-03 2026-11-17; do
  cat >config.capnp <<CONFIG
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "main", worker = (modules = [(name = "worker.js", esModule = embed "worker.js")],
    compatibilityDate = "$date")),
  (name = "internet", network = (allow = []))]);
CONFIG
  seen=$("$workerd" test config.capnp 2>log) || { cat log >&2; echo 'Behaviour changed: fetch failed.' >&2; exit 1; }
  echo "compatibility date $date: $seen"
  [ "$seen" = "$expected" ] || { echo "Behaviour changed: expected $expected." >&2; exit 1; }
done
