/** SQL functions over PostgREST, and what Storage says of a write. */
import { contentLength, internal, isCode, Problem, unavailable } from './frame.js';

const MAX_ANSWER = 4 * 1024 * 1024;

/** @param key the name of the variable that holds the key */
export function settings(env, key) {
  return {
    url: env.SUPABASE_URL.replace(/\/+$/, ''),
    key: env[key].split(' ', 1)[0],
    jwtSecret: env.SUPABASE_JWT_SECRET,
  };
}

/** A key that is no JWT goes into `apikey` alone. */
export function authorization({ key }, token) {
  const bearer = token ?? (key.startsWith('sb_') ? undefined : key);
  return bearer ? { apikey: key, authorization: `Bearer ${bearer}` } : { apikey: key };
}

const TRANSIENT = /^(PGRST00[023]|PGRST202|25006|0A000|55P03|40...|53...|57...)$/;

/** A call was not answered as it should. */
class CallError {
  constructor(problem, repeatable) {
    this.problem = problem;
    this.repeatable = repeatable;
  }
}

async function callOnce(supabase, token, name, args, asText) {
  let answer;
  let body;
  try {
    answer = await fetch(`${supabase.url}/rest/v1/rpc/${name}`, {
      method: 'POST',
      headers: { ...authorization(supabase, token), 'content-type': 'application/json' },
      body: JSON.stringify(args),
      redirect: 'manual',
      signal: AbortSignal.timeout(10_000),
    });
    if (contentLength(answer.headers) > MAX_ANSWER) throw new Error('too large');
    const text = answer.status === 204 ? 'null' : await answer.text();
    body = JSON.parse(text);
    if (asText && answer.ok) return text;
  } catch (error) {
    console.error(`${name}: ${error}`);
    throw new CallError(unavailable(), 'unknown');
  }
  if (answer.ok) return body;
  const { code = '', message = '', details = '', hint } = body ?? {};
  if (code.startsWith('PT') && isCode(details)) {
    const words = (hint ?? '').split(/\s+/).map((word) => word.split('='));
    const more = Object.fromEntries(words.filter(([key]) => /^(retry_after|limit|field)$/.test(key)));
    if (more.retry_after) more.retry_after = Number(more.retry_after);
    throw new CallError(new Problem(details, message, more), 'no');
  }
  console.error(`${name}: status ${answer.status} ${code} ${message}`);
  if (answer.status === 401 || TRANSIENT.test(code)) throw new CallError(unavailable(), 'yes');
  throw answer.status >= 500 || code === ''
    ? new CallError(unavailable(), 'unknown')
    : new CallError(internal(), 'no');
}

/**
 * Calls a function, and once more where that may help and cannot happen twice. What the answer says to have changed
 * is for the live channel alone and taken out of it.
 *
 * @param asText the answer as it came, looked at and not taken apart; for functions that change nothing
 */
export async function rpc(supabase, token, name, args, { idempotent = true, publish, asText } = {}) {
  let answer;
  try {
    answer = await callOnce(supabase, token, name, args, asText);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.repeatable !== 'yes' && !(error.repeatable === 'unknown' && idempotent)) throw error.problem;
    answer = await callOnce(supabase, token, name, args, asText).catch((again) => {
      throw again.problem ?? again;
    });
  }
  if (answer?.changes !== undefined) {
    publish?.(answer.changes);
    delete answer.changes;
  }
  return answer;
}

/** Hands changes on to the channels of their users, after the answer. */
export function publisher(env, context) {
  if (!env.LIVE_CHANNEL) return undefined;
  return (changes) => {
    const users = Map.groupBy(changes, (change) => change.user_id);
    for (const [user, theirs] of users) {
      const channel = env.LIVE_CHANNEL.getByName(user);
      const body = JSON.stringify(theirs);
      const told = channel.fetch('https://live-channel/publish', { method: 'POST', body });
      context.waitUntil(told.catch((error) => console.warn(`a change was not told: ${error}`)));
    }
  };
}

/** Whether a file lies in Storage now: it names it. A success alone proves nothing. */
export async function stored(answer) {
  const body = await answer.json().catch(() => null);
  if (answer.ok && typeof body?.Key === 'string') return;
  const status = answer.ok ? 503 : Number(body?.statusCode ?? answer.status);
  throw Object.assign(new Error(`storage answered ${answer.status} and means ${status}`), { status });
}
