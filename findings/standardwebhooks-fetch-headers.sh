#!/usr/bin/env bash
# One would guess: a webhook library of today takes the `Headers` object of a Fetch request.
# npm's standardwebhooks does not: verify(body, request.headers) says "Missing required headers" though all
# of them are there, because it looks them up as plain properties. The types forbid it, JavaScript does not.
# Object.fromEntries(request.headers) is what it wants.
# Who meets it: handlers on Workers, Deno, Bun or Next.js that pass request.headers as it is; the error
# sends them to the sender's settings, where nothing is wrong.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error standardwebhooks@1.1.1 >/dev/null
cat >main.mjs <<'JS'
import { Webhook } from 'standardwebhooks';

const webhook = new Webhook(`whsec_${Buffer.alloc(32, 7).toString('base64')}`);
const body = '{"status":"succeeded"}';
const sentAt = new Date();
const plain = {
  'webhook-id': 'msg_1',
  'webhook-timestamp': String(Math.floor(sentAt / 1000)),
  'webhook-signature': webhook.sign('msg_1', sentAt, body),
};
const request = new Request('http://127.0.0.1/', { method: 'POST', headers: plain, body });
const outcome = (headers) => {
  try {
    return `accepted ${JSON.stringify(webhook.verify(body, headers))}`;
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
const seen = [plain, request.headers, Object.fromEntries(request.headers)].map(outcome);
console.log(`standardwebhooks 1.1.1, node ${process.version}`);
console.log(`a plain object:              ${seen[0]}`);
console.log(`request.headers:             ${seen[1]}`);
console.log(`Object.fromEntries(headers): ${seen[2]}`);
if (!seen[0].startsWith('accepted') || !seen[2].startsWith('accepted')) {
  console.error('Behaviour changed: plain headers are no longer accepted.');
  process.exit(1);
}
if (!seen[1].endsWith('Missing required headers')) {
  console.error('Behaviour changed: a Headers object is no longer said to miss them.');
  process.exit(1);
}
JS
node main.mjs
