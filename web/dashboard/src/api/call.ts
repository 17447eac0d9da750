import type { Auth } from '../../../src/auth/session.ts';
import type { Config } from '../../../src/lib/config.ts';
import { renewing } from '../../../src/lib/renewing.ts';
import type { Calls } from './contract.ts';

/** So long the database may take to answer. Milliseconds. */
const TIMEOUT_MS = 20_000;

/** The database refused, or did not answer; `message` is a sentence for people. */
export class CallError extends Error {
  override name = 'CallError';
  /** The HTTP status; 0: there was no answer. */
  readonly status: number;
  /** What can be done about it, where the database says so. */
  readonly hint: string | undefined;

  constructor(message: string, status: number, hint?: string) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/** Calls a function of the database as the user who is signed in; the database decides whether they may. */
export type Call = <N extends keyof Calls>(
  name: N,
  args: Calls[N]['args'],
  signal?: AbortSignal,
  /** Of a function that answers rows: so many, after so many. */
  range?: { offset: number; limit: number },
) => Promise<Calls[N]['answer']>;

/** More rows than that a project gives in one answer only if its "max rows" is set so. */
const ROWS = 1_000;

/** All rows that a function answers, in as many calls as that takes. */
export async function allRows<N extends 'admin_analytics'>(
  call: Call,
  name: N,
  args: Calls[N]['args'],
  signal?: AbortSignal,
): Promise<Calls[N]['answer']> {
  const rows: Calls[N]['answer'] = [];
  for (;;) {
    const page = await call(name, args, signal, { offset: rows.length, limit: ROWS });
    rows.push(...page);
    if (page.length < ROWS) return rows;
  }
}

export function caller(config: Config, { getToken, renew }: Pick<Auth, 'getToken' | 'renew'>): Call {
  const fetch = renewing(getToken, renew);
  return async (name, args, signal, range) => {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const token = await getToken();
    const query = range ? `?offset=${range.offset}&limit=${range.limit}` : '';
    let text: string;
    let answer: Response;
    try {
      answer = await fetch(`${config.supabase_url}/rest/v1/rpc/${name}${query}`, {
        method: 'POST',
        headers: {
          apikey: config.anon_key,
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(args),
        signal: signal ? either(signal, limit) : limit,
      });
      text = await answer.text();
    } catch {
      const why = limit.aborted ? 'took too long to answer' : 'could not be reached';
      throw new CallError(`The database ${why}.`, 0);
    }
    if (!answer.ok) throw refusal(answer.status, text);
    return JSON.parse(text);
  };
}

/** As AbortSignal.any(), which the oldest of our browsers lack. */
function either(one: AbortSignal, other: AbortSignal): AbortSignal {
  const both = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) both.abort();
    else signal.addEventListener('abort', () => both.abort(), { once: true });
  }
  return both.signal;
}

/** PostgREST's own words for a refusal: https://docs.postgrest.org/en/stable/references/errors.html */
function refusal(status: number, text: string): CallError {
  try {
    const { message, hint } = JSON.parse(text) as { message?: unknown; hint?: unknown };
    if (typeof message === 'string')
      return new CallError(message, status, typeof hint === 'string' ? hint : undefined);
  } catch {
    // No JSON: it comes from something in between.
  }
  return new CallError(`The database answered ${status}.`, status);
}

/** The account lacks the role; not a token that has run out, which is 401. */
export const isRefused = (error: unknown) => error instanceof CallError && error.status === 403;

/** The database has decided: asked again it would say the same. Not a token that is over, nor too many requests. */
export const isFinal = (error: unknown) =>
  error instanceof CallError &&
  error.status >= 400 &&
  error.status < 500 &&
  ![401, 408, 429].includes(error.status);
