#!/usr/bin/env bash
# One would guess: a key of the new kind (sb_publishable_…, sb_secret_…) is no JWT and goes in the header
# `apikey` alone, as Supabase's documentation of its keys says, so `Authorization` is there only when
# somebody is signed in.
# supabase-js 2.119.1 without a session sends `Authorization: Bearer sb_publishable_…` as well to PostgREST,
# Storage and Auth; only Functions get the key in `apikey` alone.
# Who meets it: everyone between the client and such a gateway (own proxies, stand-ins in tests, a PostgREST
# behind another gateway) that reads a bearer token as a JWT and answers 401.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error \
  node@22.23.3 @supabase/supabase-js@2.119.1 >/dev/null
cat >main.mjs <<'JS'
import http from 'node:http';
import { createClient } from '@supabase/supabase-js';

let last;
const server = http.createServer((request, response) => {
  last = request;
  response.setHeader('content-type', 'application/json').end('{}');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
console.log(`@supabase/supabase-js 2.119.1, node ${process.version}`);
let changed = false;
for (const key of ['sb_publishable_example', 'sb_secret_example']) {
  const client = createClient(`http://127.0.0.1:${server.address().port}`, key, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const calls = {
    'rest, from': [() => client.from('jobs').select(), true],
    'rest, rpc': [() => client.rpc('jobs'), true],
    storage: [() => client.storage.from('images').list(), true],
    auth: [() => client.auth.signInWithOtp({ email: 'somebody@example.com' }), true],
    functions: [() => client.functions.invoke('jobs'), false],
  };
  for (const [part, [call, bearer]] of Object.entries(calls)) {
    last = undefined;
    await call();
    const { apikey, authorization } = last.headers;
    console.log(`${part}: ${last.method} ${last.url}`);
    console.log(`  apikey: ${apikey}   authorization: ${authorization ?? '(none)'}`);
    if (apikey !== key || authorization !== (bearer ? `Bearer ${key}` : undefined)) {
      console.error(`Behaviour changed: ${part} sends other headers.`);
      changed = true;
    }
  }
}
server.closeAllConnections();
server.close();
process.exitCode = changed ? 1 : 0;
JS
node_modules/.bin/node main.mjs
