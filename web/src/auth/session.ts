import { AuthClient, type AuthError, type Session } from '@supabase/auth-js';
import { useEffect, useMemo, useState } from 'react';
import { deleteAccount } from '../lib/account.ts';
import type { Config } from '../lib/config.ts';

export interface Account {
  id: string;
  email: string;
}

export interface Auth {
  /** undefined: not known yet; null: no user is signed in. */
  account: Account | null | undefined;
  /** Somebody came here through the link in a mail about a forgotten password. */
  recovering: boolean;
  /** A session that was there has ended, here or in another tab. */
  ended: boolean;
  /** What is said to a user whose account has just been deleted. */
  farewell: string;
  getToken: () => Promise<string | undefined>;
  signIn: (email: string, password: string) => Promise<Outcome>;
  signUp: (email: string, password: string) => Promise<Outcome>;
  signOut: () => Promise<void>;
  /**
   * The server refuses the token: gets another, for clocks differ and keys are rotated. True: there is one. Where
   * none is to be had, or one after the other is refused, forgets the session and says so.
   */
  renew: () => Promise<boolean>;
  sendResetMail: (email: string) => Promise<Outcome>;
  setPassword: (password: string) => Promise<Outcome>;
  /** The same for a user who is signed in, and knows the present one. */
  changePassword: (present: string, next: string) => Promise<Outcome>;
  /** Ends the user's sessions on all devices, this one too. */
  signOutEverywhere: () => Promise<Outcome>;
  /** Deletes the account and all that belongs to it; `typed` is its address, as a confirmation. */
  deleteAccount: (typed: string) => Promise<Outcome>;
}

/** What came of it: a sentence for people where it did not work, or where something is left to do. */
export type Outcome = { ok: true; next?: string } | { ok: false; why: string };

/** Signing in with Supabase Auth; the session is kept in this browser and renewed by itself. */
export function useAuth(config: Config): Auth {
  const client = useMemo(
    () =>
      new AuthClient({
        ...optionsOf(config),
        storageKey: 'picture-queue:session',
        autoRefreshToken: true,
        persistSession: true,
        detectSessionInUrl: true,
      }),
    [config],
  );
  const [session, setSession] = useState<Session | null>();
  const [recovering, setRecovering] = useState(false);
  const [ended, setEnded] = useState(false);
  const [farewell, sayFarewell] = useState('');

  useEffect(() => {
    const { data } = client.onAuthStateChange((event, now) => {
      if (event === 'PASSWORD_RECOVERY') setRecovering(true);
      if (event === 'SIGNED_IN') {
        setEnded(false);
        sayFarewell('');
      }
      if (event === 'SIGNED_OUT') setEnded(true);
      setSession(now);
    });
    return () => data.subscription.unsubscribe();
  }, [client]);

  const id = session?.user.id;
  const email = session?.user.email ?? '';
  // The same one over renewals of its token.
  const account = useMemo(() => (id === undefined ? null : { id, email }), [id, email]);
  const calls = useMemo<Omit<Auth, 'account' | 'recovering' | 'ended' | 'farewell'>>(
    () => ({
      getToken: async () => (await client.getSession()).data.session?.access_token,
      signIn: async (email, password) =>
        outcome((await client.signInWithPassword({ email, password })).error),
      signUp: async (email, password) => {
        const options = { emailRedirectTo: location.origin };
        const { data, error } = await client.signUp({ email, password, options });
        if (error || data.session) return outcome(error);
        return { ok: true, next: `We have sent an email to ${email}. Open the link in it to finish.` };
      },
      signOut: async () => {
        // Where the server does not hear of it, this browser forgets the session all the same.
        await client.signOut({ scope: 'local' });
        setEnded(false);
      },
      renew: renewal(client),
      sendResetMail: async (email) => {
        const { error } = await client.resetPasswordForEmail(email, { redirectTo: location.origin });
        const next = `If there is an account for ${email}, an email with a link is on its way.`;
        return error ? outcome(error) : { ok: true, next };
      },
      setPassword: async (password) => {
        const result = outcome((await client.updateUser({ password })).error);
        if (result.ok) setRecovering(false);
        return result;
      },
      changePassword: async (present, next) => {
        const address = (await client.getSession()).data.session?.user.email ?? '';
        const wrong = await refused(config, address, present);
        if (wrong) return wrong;
        // Some projects ask for it themselves.
        return outcome((await client.updateUser({ password: next, current_password: present })).error);
      },
      signOutEverywhere: async () => {
        const { error } = await client.signOut({ scope: 'global' });
        if (error) return outcome(error);
        setEnded(false);
        return { ok: true };
      },
      deleteAccount: async (typed) => {
        const getToken = async () => (await client.getSession()).data.session?.access_token;
        try {
          await deleteAccount(config, getToken, typed);
        } catch (error) {
          return { ok: false, why: error instanceof Error ? error.message : String(error) };
        }
        // Its sessions went with it.
        await client.signOut({ scope: 'local' });
        setEnded(false);
        sayFarewell('Your account and your pictures have been deleted.');
        return { ok: true };
      },
    }),
    [client, config],
  );
  return { account: session === undefined ? undefined : account, recovering, ended, farewell, ...calls };
}

/** Why a password is not the user's; undefined: it is. The session that comes of it is none of the page's, and ends. */
async function refused(config: Config, email: string, password: string): Promise<Outcome | undefined> {
  const { url, headers } = optionsOf(config);
  const ask = (path: string, body: object, more = {}) =>
    fetch(url + path, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', ...more },
      body: JSON.stringify(body),
    });
  try {
    const answer = await ask('/token?grant_type=password', { email, password });
    const told = (await answer.json()) as { access_token?: string };
    if (answer.status === 429) return { ok: false, why: SENTENCES.over_request_rate_limit ?? '' };
    if (answer.status < 500 && !answer.ok) return { ok: false, why: 'That is not your current password.' };
    if (!answer.ok) return { ok: false, why: UNREACHED };
    await ask('/logout?scope=local', {}, { authorization: `Bearer ${told.access_token}` });
    return undefined;
  } catch {
    return { ok: false, why: UNREACHED };
  }
}

const optionsOf = (config: Config) => ({
  url: `${config.supabase_url}/auth/v1`,
  headers: { apikey: config.anon_key },
});

/** So many tokens in a minute, and then none will be taken. */
const MAX_RENEWALS = 3;

function renewal(client: InstanceType<typeof AuthClient>): () => Promise<boolean> {
  let latest: number[] = [];
  let running: Promise<boolean> | undefined;
  const renew = async () => {
    const now = performance.now();
    latest = latest.filter((at) => now - at < 60_000);
    if (latest.length < MAX_RENEWALS) {
      latest.push(now);
      const { error } = await client.refreshSession();
      if (!error) return true;
      // Nobody said that the session is over.
      if (error.name === 'AuthRetryableFetchError') return false;
    }
    await client.signOut({ scope: 'local' });
    return false;
  };
  // Requests that are refused at the same time are refused for the same token.
  return () => {
    running ??= renew().finally(() => {
      running = undefined;
    });
    return running;
  };
}

const UNREACHED = 'The server could not be reached. Please try again.';

const SENTENCES: Record<string, string> = {
  invalid_credentials: 'The email or the password is not right.',
  user_already_exists: 'There is an account with this email already. Sign in instead.',
  email_exists: 'There is an account with this email already. Sign in instead.',
  email_not_confirmed: 'Please open the link in the email that we sent you first.',
  over_request_rate_limit: 'Too many attempts. Please wait a few minutes.',
  over_email_send_rate_limit: 'Too many attempts. Please wait a few minutes.',
  same_password: 'That is the password that you have already.',
  weak_password: 'That password is too easy to guess. Choose a longer one.',
  signup_disabled: 'This studio does not accept new accounts.',
};

function outcome(error: AuthError | null): Outcome {
  if (!error) return { ok: true };
  if (error.name === 'AuthRetryableFetchError') {
    return { ok: false, why: UNREACHED };
  }
  const why = SENTENCES[error.code ?? ''] ?? error.message;
  return { ok: false, why: /[.!?]$/.test(why) ? why : `${why}.` };
}
