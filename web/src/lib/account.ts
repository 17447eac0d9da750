import { ConnectionError } from 'picture-queue';
import type { Auth } from '../auth/session.ts';
import type { Config } from './config.ts';

/**
 * Deletes the account with all that belongs to it. It is asked of the database, which alone may.
 *
 * @param email the account's own address, typed: the database compares it
 */
export async function deleteAccount(
  config: Config,
  getToken: Auth['getToken'],
  email: string,
): Promise<void> {
  const answer = await fetch(`${config.supabase_url}/rest/v1/rpc/delete_own_account`, {
    method: 'POST',
    headers: {
      apikey: config.anon_key,
      authorization: `Bearer ${await getToken()}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ p_email: email }),
  }).catch((cause: unknown) => {
    throw new ConnectionError('The server could not be reached.', { cause });
  });
  if (answer.ok) return;
  const { message } = (await answer.json().catch(() => ({}))) as { message?: unknown };
  throw new Error(
    answer.status < 500 && typeof message === 'string'
      ? message
      : 'The account could not be deleted. Please try again.',
  );
}
