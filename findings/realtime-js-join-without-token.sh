#!/usr/bin/env bash
# One would guess: a client that is made with `accessToken` (or that finds a session in its storage) joins its
# Realtime channels as that user, as its requests go out as that user, whenever one calls `subscribe()`.
# realtime-js 2.119.1 fixes what a join carries at the moment of `subscribe()`, and the token is known a moment
# later at the earliest. A channel that is subscribed to right after `createClient` joins without a token, so
# with the rights of the key; it reports SUBSCRIBED; and the token is not sent afterwards either, neither with
# the answer to the join nor with a heartbeat, because by then it is no news to the client. Policies for
# `authenticated` hide every row from it: silence, until the connection is lost and the channel joins anew.
# `await client.realtime.setAuth()` before `subscribe()` avoids it. Supabase's documentation asks for that line
# for private channels, and for `setAuth(token)` for tokens that one signs oneself; its examples of Postgres
# Changes for signed-in users do without. An open pull request has it: supabase/supabase-js#2655.
# Who meets it: pages and apps that subscribe to `postgres_changes` in the module that makes the client, with
# row-level security, under a third party's sign-in or when a signed-in user comes back.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error \
  node@22.23.3 @supabase/supabase-js@2.119.1 ws@8.23.0 >/dev/null
cat >main.mjs <<'JS'
import { createClient } from '@supabase/supabase-js';
import { WebSocketServer } from 'ws';

// What a server of Realtime must say: yes to every join and heartbeat. It notes the tokens that it is given.
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
await new Promise((resolve) => server.once('listening', resolve));
let given;
server.on('connection', (socket) =>
  socket.on('message', (text) => {
    const [join, ref, topic, event, payload] = JSON.parse(text);
    given.push(`${event} ${payload.access_token ? 'with the token' : 'without a token'}`);
    const postgres_changes = payload.config?.postgres_changes.map((one, id) => ({ ...one, id }));
    const response = postgres_changes ? { postgres_changes } : {};
    socket.send(JSON.stringify([join, ref, topic, 'phx_reply', { status: 'ok', response }]));
  }),
);

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const expires_at = Math.floor(Date.now() / 1000) + 3600;
const token = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'ada', role: 'authenticated', exp: expires_at })}.signed`;
const session = { access_token: token, refresh_token: 'again', token_type: 'bearer', expires_at, user: { id: 'ada' } };
const stored = { getItem: () => JSON.stringify(session), setItem() {}, removeItem() {} };
const url = `http://127.0.0.1:${server.address().port}`;
const withToken = { accessToken: async () => token };
const withSession = { auth: { storage: stored, autoRefreshToken: false } };

/** Subscribes, and looks at what was sent until two heartbeats have been answered after the join. */
async function tokensSent(options, before = () => {}) {
  given = [];
  let beats = 0;
  const client = createClient(url, 'sb_publishable_example', { ...options, realtime: { heartbeatIntervalMs: 500 } });
  await new Promise((resolve) => {
    const follow = () => client
      .channel('jobs')
      .on('postgres_changes', { event: '*', schema: 'public', table: 'jobs' }, () => {})
      .subscribe((status) => {
        if (status === 'SUBSCRIBED') client.realtime.onHeartbeat((beat) => beat === 'ok' && ++beats === 2 && resolve());
      });
    const waits = before(client);
    if (waits) waits.then(follow);
    else follow(); // in the same tick as createClient
  });
  client.realtime.disconnect();
  return [...new Set(given.filter((line) => !line.startsWith('heartbeat')))].join(', ');
}

const first = (client) => client.realtime.setAuth();
const seen = {
  'accessToken, subscribe() at once': await tokensSent(withToken),
  'a stored session, subscribe() at once': await tokensSent(withSession),
  'accessToken, await setAuth() first': await tokensSent(withToken, first),
  'a stored session, await setAuth() first': await tokensSent(withSession, first),
};
console.log(`@supabase/supabase-js 2.119.1, ws 8.23.0, node ${process.version}`);
let changed = false;
for (const [name, sent] of Object.entries(seen)) {
  console.log(`${name}: ${sent}`);
  changed ||= sent !== (name.endsWith('first') ? 'phx_join with the token' : 'phx_join without a token');
}
if (changed) console.error('Behaviour changed: the token is sent at other times.');
process.exit(changed ? 1 : 0);
JS
node_modules/.bin/node main.mjs
