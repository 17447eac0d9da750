/** Who calls: users' tokens, verified by the project's public keys or its shared secret. */
import { bearer, Problem, unavailable } from './frame.js';

const REFRESH_MS = 10 * 60 * 1000;
/** Anybody can send a token with an invented key id: fetches for such are this far apart. */
const UNKNOWN_MS = 3_000;
const FETCH_MS = 5_000;
const LOOK_MS = 20;
const LEEWAY_S = 30;
const EARLY_S = 6 * 60;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const ALGORITHMS = {
  ES256: { kty: 'EC', name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  RS256: { kty: 'RSA', name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  EdDSA: { kty: 'OKP', name: 'Ed25519' },
};

/** The project's keys by algorithm and id, imported once. */
let keys = new Map();
let fetchedAt = 0;
let isFetching = false;
let secretKey;

const refused = (detail) => new Problem('unauthorized', detail);
const notAllowed = (why) => refused(`The access token is not accepted: ${why}.`);
const malformed = () => refused('The access token is malformed.');

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
const jsonOf = (text) => JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/')));

async function fetchKeys({ url, key }) {
  fetchedAt = Date.now();
  isFetching = true;
  try {
    keys = await importKeys(await askForKeys(url, key));
    verified.clear();
  } finally {
    isFetching = false;
  }
}

async function askForKeys(url, key) {
  const answer = await fetch(`${url}/auth/v1/.well-known/jwks.json`, {
    headers: { apikey: key },
    redirect: 'manual',
    signal: AbortSignal.timeout(FETCH_MS),
  });
  if (!answer.ok) throw unavailable();
  return (await answer.json()).keys;
}

async function importKeys(list) {
  const imported = new Map();
  for (const jwk of list.slice(0, 16)) {
    const [name, algorithm] = Object.entries(ALGORITHMS).find(([, { kty }]) => kty === jwk.kty) ?? [];
    if (!algorithm) continue;
    const { kty, crv, x, y, n, e } = jwk;
    const key = await crypto.subtle.importKey('jwk', { kty, crv, x, y, n, e }, algorithm, false, ['verify']);
    imported.set(`${name} ${jwk.kid}`, { algorithm, key });
  }
  return imported;
}

async function verifyWithPublicKey(alg, kid, content, signature, supabase) {
  const name = `${alg} ${kid}`;
  // A promise of another request must not be awaited here.
  while (isFetching && !keys.has(name) && Date.now() - fetchedAt < FETCH_MS) await scheduler.wait(LOOK_MS);
  const age = Date.now() - fetchedAt;
  if (age > REFRESH_MS || (!keys.has(name) && age > UNKNOWN_MS)) await fetchKeys(supabase);
  const known = keys.get(name);
  if (!known) throw refused('The access token was signed with an unknown key.');
  return crypto.subtle.verify(known.algorithm, known.key, signature, content);
}

async function verifyWithSecret(secret, content, signature) {
  if (!secret) throw notAllowed('its signature algorithm is not allowed');
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  secretKey ??= await crypto.subtle.importKey('raw', new TextEncoder().encode(secret), hmac, false, [
    'verify',
  ]);
  return crypto.subtle.verify(hmac, secretKey, signature, content);
}

/** @returns the user's id */
function userOf({ exp, nbf, iat, role, aud, sub }) {
  const now = Date.now() / 1000;
  if (typeof exp !== 'number') throw notAllowed('it has no expiry');
  if (now >= exp + LEEWAY_S) throw refused('The access token has expired.');
  if ([nbf, iat].some((start) => start > now + EARLY_S)) throw notAllowed('it is not valid yet');
  if (role !== 'authenticated') throw notAllowed('it does not belong to a signed-in user');
  if (aud !== undefined && ![aud].flat().includes('authenticated'))
    throw notAllowed('it is meant for another audience');
  if (!UUID.test(sub)) throw notAllowed('it does not name a user');
  return sub;
}

/** Tokens that were verified within the last minute, with whose they are and until when they are taken. */
const verified = new Map();
const KEPT_MS = 60_000;
const MAX_KEPT = 256;

async function verify(token, supabase) {
  const known = verified.get(token);
  if (known && Date.now() < known.until) return known.userId;
  const claims = await verifyAnew(token, supabase);
  const userId = userOf(claims);
  verified.delete(token);
  if (verified.size >= MAX_KEPT) verified.delete(verified.keys().next().value);
  verified.set(token, { userId, until: Math.min(Date.now() + KEPT_MS, (claims.exp + LEEWAY_S) * 1000) });
  return userId;
}

/** @returns the claims, of whomever they are */
async function verifyAnew(token, supabase) {
  if (token.length > 8192) throw malformed();
  const [head, claims, signature, ...more] = token.split('.');
  let header;
  let body;
  let bytes;
  try {
    header = jsonOf(head);
    body = jsonOf(claims);
    bytes = bytesOf(signature);
  } catch {
    throw malformed();
  }
  if (more.length > 0) throw malformed();
  if (header.crit !== undefined) throw notAllowed('it requires an extension that is not supported');
  const content = new TextEncoder().encode(token.slice(0, head.length + 1 + claims.length));
  const alg = header.alg === 'Ed25519' ? 'EdDSA' : header.alg;
  if (alg !== 'HS256' && !Object.hasOwn(ALGORITHMS, alg))
    throw notAllowed('its signature algorithm is not allowed');
  const valid =
    alg === 'HS256'
      ? await verifyWithSecret(supabase.jwtSecret, content, bytes)
      : await verifyWithPublicKey(alg, header.kid, content, bytes, supabase);
  if (!valid) throw refused('The signature of the access token is not valid.');
  return body;
}

/** The key under which refused tokens are counted: an IPv4 address, or the /64 of an IPv6 address. */
function network(address) {
  if (!address) return 'unknown';
  return address.includes(':') ? `${address.split(':').slice(0, 4).join(':')}::/64` : address;
}

async function countWithin(env, key) {
  if (!env.RATE_LIMIT) return;
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, 250, { success: true });
  });
  const { success } = await Promise.race([env.RATE_LIMIT.limit({ key }), late]);
  clearTimeout(timer);
  if (!success)
    throw new Problem('rate_limited', 'Too many requests. Please wait a minute.', { retry_after: 60 });
}

/** Verifies the token and counts the request. @returns `{ userId, token }` */
export async function admit(request, env, supabase) {
  const token = bearer(request);
  try {
    if (!token) throw refused('Sign in first: the request carries no access token.');
    const userId = await verify(token, supabase);
    if (request.method === 'POST') await countWithin(env, `user:${userId}`);
    return { userId, token };
  } catch (error) {
    if (error instanceof Problem && error.status === 401)
      await countWithin(env, `address:${network(request.headers.get('cf-connecting-ip'))}`);
    throw error;
  }
}
