/**
 * Before `npm start` with a Supabase or a Replicate of one's own: says what is in the way, at once and with the way
 * out. Ends with 1 where nothing could work.
 */
import { accountOf, reasonOf, webhookSecretOf } from './install/replicate.ts';
import { main, UserError } from './user-error.mjs';

/** Somebody waits at a terminal. */
const TIMEOUT_MS = 5_000;
const HOSTED_REPLICATE = 'https://api.replicate.com';

export interface Found {
  /** What makes the start useless. */
  wrong: string[];
  /** What works differently. */
  notes: string[];
}

/** @param env that of `npm start` */
export async function lookElsewhere(env: NodeJS.ProcessEnv): Promise<Found> {
  const wrong: string[] = [];
  const notes: string[] = [];
  if (env.SUPABASE_URL) wrong.push(...(await supabase(env)));
  if (env.REPLICATE_API_TOKEN) {
    const found = await replicate(env);
    wrong.push(...found.wrong);
    notes.push(...found.notes);
  }
  return { wrong, notes };
}

async function supabase(env: NodeJS.ProcessEnv): Promise<string[]> {
  const { SUPABASE_URL: url = '', SUPABASE_ANON_KEY: publishable, SUPABASE_SERVICE_ROLE_KEY: secrets } = env;
  const missing = [
    ...(publishable ? [] : ['SUPABASE_ANON_KEY']),
    ...(secrets ? [] : ['SUPABASE_SERVICE_ROLE_KEY']),
  ];
  if (!publishable || !secrets)
    return [
      `SUPABASE_URL is set without ${missing.join(' and ')}: the publishable and the secret key, dashboard, Project Settings, API Keys. Set all three, or none for a local project.`,
    ];
  if (!URL.canParse(url)) return ['SUPABASE_URL is no address: https://YOUR_PROJECT_REF.supabase.co'];
  const [secret = ''] = secrets.split(/\s+/);
  const origin = url.replace(/\/+$/, '');
  // Any project answers the first; the second is the last thing that our migrations bring.
  const [rows, status] = await Promise.all([
    ask(`${origin}/rest/v1/models?select=replicate_id&limit=1`, secret),
    ask(`${origin}/rest/v1/rpc/queue_status`, secret, {}),
  ]);
  if (typeof rows === 'string' || typeof status === 'string')
    return [
      `The Supabase project at ${url} does not answer (${typeof rows === 'string' ? rows : status}). Is SUPABASE_URL right, and the project neither paused nor deleted? Without SUPABASE_URL a local one runs.`,
    ];
  const codes = [rows.status, status.status];
  const refused = codes.find((code) => code === 401 || code === 403);
  if (refused !== undefined)
    return [
      `The Supabase project at ${url} refuses SUPABASE_SERVICE_ROLE_KEY (${refused}). It is the secret key of that project: dashboard, Project Settings, API Keys.`,
    ];
  // 400: a table of that name, with other columns.
  if (rows.status === 404 && status.status === 404)
    return [
      `The Supabase project at ${url} does not have our tables. npx supabase db push --remote=YOUR_PROJECT_REF applies the migrations; npm run setup does that and the rest.`,
    ];
  if (rows.status === 404 || rows.status === 400 || status.status === 404)
    return [
      `The Supabase project at ${url} does not have all of our migrations, or has tables of another system under our names. npx supabase db push --remote=YOUR_PROJECT_REF applies what is missing, and says what is in the way; for the original's tables: docs/guides/move-from-the-original.md.`,
    ];
  const failed = codes.find((code) => code >= 400);
  if (failed !== undefined)
    return [`The Supabase project at ${url} answered ${failed}; see https://status.supabase.com.`];
  const settings = await ask(`${origin}/auth/v1/settings`, publishable);
  if (typeof settings !== 'string' && (settings.status === 401 || settings.status === 403))
    return [
      `The Supabase project at ${url} refuses SUPABASE_ANON_KEY (${settings.status}). It is the publishable key of that project: dashboard, Project Settings, API Keys.`,
    ];
  return [];
}

/** @param body of a POST; absent: a GET. @returns the answer, or why there was none */
async function ask(url: string, key: string, body?: unknown): Promise<Response | string> {
  // A legacy key is a token too; those of today belong into no Authorization.
  const headers: Record<string, string> = key.startsWith('sb_')
    ? { apikey: key }
    : { apikey: key, authorization: `Bearer ${key}` };
  try {
    const post =
      body === undefined
        ? { headers }
        : {
            method: 'POST',
            body: JSON.stringify(body),
            headers: { ...headers, 'content-type': 'application/json' },
          };
    const response = await fetch(url, { ...post, signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.body?.cancel();
    return response;
  } catch (error) {
    return reasonOf(error as Error);
  }
}

async function replicate(env: NodeJS.ProcessEnv): Promise<Found> {
  const notes: string[] = [];
  const { REPLICATE_API_TOKEN: token = '', PUBLIC_URL: address, REPLICATE_WEBHOOK_SECRET: known } = env;
  const values = { REPLICATE_API_TOKEN: token, REPLICATE_API_URL: env.REPLICATE_API_URL || HOSTED_REPLICATE };
  try {
    await accountOf(values, TIMEOUT_MS);
    if (!address) {
      notes.push(
        "Replicate has no way for its webhooks to this machine: the sweep asks it each minute instead, so images come up to a minute later. For webhooks, open a tunnel with cloudflared (https://github.com/cloudflare/cloudflared/releases; the npm package of that name is not Cloudflare's): cloudflared tunnel --url http://127.0.0.1:43102, then PUBLIC_URL=https://THE-TUNNEL REPLICATE_WEBHOOK_SECRET=whsec_… npm start -- --port-base 43100. GET /v1/webhooks/default/secret tells the secret.",
      );
    } else if (
      /\/\/(localhost|127\.|\[::1\])/.test(address) &&
      values.REPLICATE_API_URL === HOSTED_REPLICATE
    ) {
      return {
        wrong: [
          `PUBLIC_URL is ${address}, which Replicate cannot reach: leave it out, and the sweep asks instead, or open a tunnel to process-generation and set its address.`,
        ],
        notes,
      };
    } else if (
      known !== undefined &&
      known !== (await webhookSecretOf(values, TIMEOUT_MS)) &&
      !known.includes(' ')
    ) {
      notes.push(
        'REPLICATE_WEBHOOK_SECRET is not the one of this account, so its webhooks will be refused and the sweep asks instead. GET /v1/webhooks/default/secret tells it.',
      );
    } else if (known === undefined) {
      notes.push(
        'REPLICATE_WEBHOOK_SECRET is not set, so no webhooks are asked for and the sweep asks each minute. GET /v1/webhooks/default/secret tells it.',
      );
    }
    return { wrong: [], notes };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { wrong: [`${error.message} Without REPLICATE_API_TOKEN a simulator runs.`], notes };
  }
}

if (import.meta.main) {
  await main(async () => {
    const { wrong, notes } = await lookElsewhere(process.env);
    for (const note of notes) process.stderr.write(`! ${note}\n`);
    if (wrong.length > 0) throw new UserError(wrong.join('\n✖ '));
  });
}
