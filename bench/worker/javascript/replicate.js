/** Predictions at Replicate, and the signatures of its webhooks. */
import { Problem } from './frame.js';

const TOLERANCE_S = 9 * 60;
const ID = /^[0-9A-Za-z-]{1,100}$/;
const MAX_ANSWER = 12 * 1024 * 1024;

/** @returns the prediction as it is at first */
export async function createPrediction(env, { version, input }, webhook) {
  const answer = await fetch(`${env.REPLICATE_API_URL}/v1/predictions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${env.REPLICATE_API_TOKEN}`,
      'cancel-after': '900s',
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      version,
      input,
      ...(webhook ? { webhook, webhook_events_filter: ['start', 'logs', 'completed'] } : {}),
    }),
    redirect: 'manual',
    signal: AbortSignal.timeout(30_000),
  });
  if (Number(answer.headers.get('content-length')) > MAX_ANSWER) throw new Error('too large');
  const body = await answer.json();
  if (!answer.ok || !ID.test(body?.id)) throw new Error(`the provider answered ${answer.status}`);
  return body;
}

/** The address of the image: the first one that says it is one, else the first that is fetched at all. */
export function imageOf(output, origin) {
  const usable = [output]
    .flat(7)
    .flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : [one]))
    .filter((one) => typeof one === 'string' && one.length <= 2048)
    .filter((one) => isFetched(one, origin));
  return usable.find((url) => /\.(webp|png|jpe?g|gif|svg)([?#]|$)/i.test(url)) ?? usable[0];
}

export function isFetched(text, origin) {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || url.origin === origin);
}

let secrets;

async function importSecrets(list) {
  const parts = (list ?? '').split(/[,\s]+/).filter(Boolean);
  return Promise.all(
    parts.map((secret) => {
      const key = Uint8Array.from(atob(secret.replace(/^whsec_/, '')), (char) => char.charCodeAt(0));
      return crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
    }),
  );
}

/** Refuses a webhook that is not signed with one of the secrets, or whose time is too far off. */
export async function checkSignature(request, env, body) {
  const refuse = (why) => new Problem('unauthorized', `The webhook is not accepted: ${why}.`);
  const [id, time, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    (name) => request.headers.get(name) ?? '',
  );
  if (id === '' || id.length > 256 || id.includes('.'))
    throw refuse('the webhook id is missing or malformed');
  if (!/^\d+$/.test(time)) throw refuse('the webhook timestamp is missing or malformed');
  if (Math.abs(Date.now() / 1000 - Number(time)) > TOLERANCE_S)
    throw refuse('the webhook timestamp is too old');
  secrets ??= await importSecrets(env.REPLICATE_WEBHOOK_SECRET);
  const head = new TextEncoder().encode(`${id}.${time}.`);
  const content = new Uint8Array(head.length + body.length);
  content.set(head);
  content.set(body, head.length);
  const given = signatures.length > 2048 ? [] : signatures.split(' ').filter((one) => one.startsWith('v1,'));
  for (const one of given.slice(0, 16)) {
    const signature = Uint8Array.from(atob(one.slice(3)), (char) => char.charCodeAt(0));
    for (const key of secrets) if (await crypto.subtle.verify('HMAC', key, signature, content)) return;
  }
  throw refuse('the webhook signature does not match');
}
