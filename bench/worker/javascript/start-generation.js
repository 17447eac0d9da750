/** start-generation in JavaScript, as far as it is measured: a start, a read, an upload. */
import { mapParams } from './catalogue.js';
import { internal, invalid, Problem, readBody, readJson, serve } from './frame.js';
import { parseStart, toRpc } from './start-request.js';
import { storeSource } from './storage.js';
import { publisher, rpc, settings } from './supabase.js';
import { admit } from './token.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MAX_CALLS = 10;

export default {
  fetch: (request, env, context) => serve(request, env, () => handle(request, env, context)),
};

function handle(request, env, context) {
  const { pathname, origin } = new URL(request.url);
  const prefix = pathname.startsWith('/functions/v1/') ? '/functions/v1' : '';
  const path = pathname.slice(prefix.length).replace(/\/$/, '');
  if (path === '/start-generation' && request.method === 'POST')
    return start(request, env, context, origin + prefix);
  if (path === '/sources' && request.method === 'POST') return upload(request, env);
  const [, id] = /^\/generations\/([^/]+)$/.exec(path) ?? [];
  if (id !== undefined && (request.method === 'GET' || request.method === 'HEAD'))
    return get(request, env, id);
  throw new Problem('not_found', 'There is nothing at this path.');
}

async function hashOf(body) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
  return btoa(String.fromCharCode(...digest))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

async function idempotency(request, body) {
  const key = request.headers.get('idempotency-key')?.trim();
  if (key === undefined) return {};
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    const detail = 'Idempotency-Key must be 1 to 255 visible ASCII characters, for example a UUID.';
    throw invalid('Idempotency-Key', detail);
  }
  return { p_idempotency_key: key, p_request_hash: await hashOf(body) };
}

async function start(request, env, context, base) {
  const supabase = settings(env, 'SUPABASE_ANON_KEY');
  const { token } = await admit(request, env, supabase);
  const body = await readBody(request, 64 * 1024);
  const once = await idempotency(request, body);
  const allowed = (env.WEBHOOK_ALLOWED_ORIGINS ?? '').split(/[,\s]+/).filter(Boolean);
  const parsed = parseStart(readJson(body), allowed);
  const mapped = mapParams(parsed.params);
  const next = env.WAKE === 'off' ? 0 : Number(env.MAX_PARALLEL_JOBS || 3);
  const args = { p_request: toRpc(parsed, mapped), p_next: next, ...once };
  const row = await rpc(supabase, token, 'start_generation', args, {
    idempotent: 'p_idempotency_key' in once,
    publish: publisher(env, context),
  });
  if (!row?.generation_id) throw internal();
  const several = row.generations.length > 1;
  const answer = {
    success: true,
    ...started(row, base),
    message: several ? `${row.generations.length} generations queued.` : 'Generation queued.',
    ...(row.batch_id
      ? { batch_id: row.batch_id, generations: row.generations.map((one) => started(one, base)) }
      : {}),
  };
  if (row.replayed) return { status: 202, body: answer, headers: { 'idempotency-replayed': 'true' } };
  if (env.WAKE !== 'off') {
    const handedOver = row.next && { jobs: row.next, more: row.next.length >= next };
    context.waitUntil(wake(env, handedOver).catch((error) => console.warn(`not woken: ${error}`)));
  }
  return { status: 202, body: answer };
}

function started({ generation_id, job_id, queue_position, estimated_seconds }, base) {
  const path = `${base}/generations/${generation_id}`;
  return {
    generation_id,
    job_id,
    status: 'queued',
    queue_position: queue_position ?? null,
    estimated_seconds: estimated_seconds ?? null,
    urls: { self: path, cancel: `${path}/cancel`, events: `${path}/events` },
  };
}

async function wake(env, handedOver) {
  let body = JSON.stringify(handedOver ?? {});
  for (let call = 0; call < MAX_CALLS; call += 1) {
    const answer = await env.PROCESS_JOBS.fetch('https://process-jobs/process-jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    if (!answer.headers.has('x-jobs-left')) return;
    body = '{}';
  }
}

const PRIVATE = { 'cache-control': 'private, no-store' };

async function get(request, env, id) {
  const supabase = settings(env, 'SUPABASE_ANON_KEY');
  const { token } = await admit(request, env, supabase);
  if (!UUID.test(id)) throw new Problem('not_found', 'There is no generation with this id.');
  const row = await rpc(supabase, token, 'get_generation', { p_generation_id: id }, { asText: true });
  return { status: 200, body: row, headers: PRIVATE };
}

async function upload(request, env) {
  const supabase = settings(env, 'SUPABASE_ANON_KEY');
  const caller = await admit(request, env, supabase);
  return { status: 201, body: await storeSource(request, supabase, caller), headers: PRIVATE };
}
