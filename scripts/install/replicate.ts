/** The Replicate account. */
import { UserError } from '../user-error.mjs';
import type { Values } from './env-file.ts';

const TIMEOUT_MS = 15_000;
const HOSTED = 'https://api.replicate.com';

/** Whose account the token is for. @throws UserError when Replicate refuses it, or does not answer */
export async function accountOf(values: Values, timeoutMs = TIMEOUT_MS): Promise<string> {
  const { username } = await ask<{ username?: string }>(values, '/v1/account', timeoutMs);
  return username ?? 'an account without a name';
}

/** The secret with which Replicate signs its webhooks to this account. */
export async function webhookSecretOf(values: Values, timeoutMs = TIMEOUT_MS): Promise<string> {
  const { key } = await ask<{ key?: string }>(values, '/v1/webhooks/default/secret', timeoutMs);
  if (typeof key !== 'string' || !key.startsWith('whsec_'))
    throw new UserError('Replicate told no webhook secret: set REPLICATE_WEBHOOK_SECRET yourself.');
  return key;
}

async function ask<T>(values: Values, path: string, timeoutMs: number): Promise<T> {
  const origin = values.REPLICATE_API_URL ?? HOSTED;
  const response = await fetch(`${origin}${path}`, {
    headers: { authorization: `Bearer ${values.REPLICATE_API_TOKEN}` },
    signal: AbortSignal.timeout(timeoutMs),
  }).catch((error: Error) => {
    throw new UserError(`Replicate (${origin}) does not answer: ${reasonOf(error)}.`);
  });
  if (response.status === 401)
    throw new UserError(
      'Replicate does not know REPLICATE_API_TOKEN: make one at https://replicate.com/account/api-tokens.',
    );
  if (!response.ok) throw new UserError(`Replicate answered ${response.status} to GET ${path}; try again.`);
  return (await response.json()) as T;
}

/** What fetch hides in the cause of its "fetch failed". */
export function reasonOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error && cause.message ? cause.message : error.message;
}
