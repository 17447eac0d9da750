import { type Answer, ask, said } from '../http.ts';
import { bearer, keyHeaders, startGeneration, supabase } from '../services.ts';
import { type Smoke, StepFailure } from '../step.ts';

export interface Started {
  generation_id: string;
  job_id: string;
}

/** Starts a generation. A refusal becomes a failure with what to do. */
export async function start(
  smoke: Smoke,
  token: string,
  request: { model_id: string; prompt: string; idempotency_key: string; scheduled_at?: string },
): Promise<Started> {
  const { idempotency_key, ...body } = request;
  const answer = await ask(startGeneration(smoke.options), '/start-generation', {
    method: 'POST',
    headers: { ...bearer(token), 'idempotency-key': idempotency_key },
    body,
    signal: smoke.signal,
  });
  const { generation_id, job_id } = answer.body ?? {};
  if (answer.status === 202 && typeof generation_id === 'string' && typeof job_id === 'string') {
    return { generation_id, job_id };
  }
  throw new StepFailure(`start-generation answered ${said(answer)}`, fixFor(answer, token));
}

function fixFor(answer: Answer, token: string): string {
  if (answer.status === 401) return fixForToken(token);
  if (answer.body?.code === 'budget_exhausted') {
    return 'The budget of the installation is used up: docs/operations/operate.md#budget';
  }
  if (answer.status === 503) {
    return 'start-generation does not reach Supabase, or not its keys at /auth/v1/.well-known/jwks.json: check SUPABASE_URL in .env.production, and https://status.supabase.com';
  }
  if (answer.status === 429)
    return 'A quota of this user is used up: docs/operations/operate.md#plans-and-limits';
  if (answer.status === 500) {
    return 'It lacks a variable, or the database one of our functions: npm run setup brings both; npx wrangler tail start-generation';
  }
  return 'Another model may do: --model OWNER/NAME. Else look at: npx wrangler tail start-generation';
}

/** A token that Auth has just made is refused: then we do not know the key that it is signed with. */
function fixForToken(token: string): string {
  const { alg, kid } = header(token);
  if (alg === 'HS256') {
    return 'The project signs with its shared secret (HS256): put SUPABASE_JWT_SECRET (dashboard, Project Settings, JWT Keys) into .env.production, then npm run setup. Better: rotate to an ES256 key there.';
  }
  if (['ES256', 'RS256', 'EdDSA'].includes(String(alg))) {
    return `The token is signed with ${alg}, key ${kid ?? 'without an id'}: is it listed at SUPABASE_URL/auth/v1/.well-known/jwks.json? A key made minutes ago appears there late.`;
  }
  return `Tokens signed with ${alg ?? 'nothing'} are not accepted: create an ES256 key in the dashboard and rotate to it.`;
}

function header(token: string): { alg?: unknown; kid?: unknown } {
  try {
    return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
  } catch {
    return {};
  }
}

/** Has the generation stopped, if it still runs, and its row deleted; the cron then deletes its files. */
export function removeAtTheEnd(smoke: Smoke, token: string, generationId: string): void {
  const { options } = smoke;
  smoke.cleanUp(`the generation ${generationId}`, async () => {
    const request = { signal: AbortSignal.timeout(10_000) };
    await ask(startGeneration(options), `/generations/${generationId}/cancel`, {
      ...request,
      method: 'POST',
      headers: bearer(token),
    });
    const deleted = await ask(supabase(options), `/rest/v1/image_generations?id=eq.${generationId}`, {
      ...request,
      method: 'DELETE',
      headers: keyHeaders(options.serviceKey),
    });
    if (deleted.status !== 204 && deleted.status !== 200) throw new Error(said(deleted));
  });
}
