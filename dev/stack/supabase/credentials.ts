import type { IncomingHttpHeaders } from 'node:http';
import type { Claims, JwtVerifier, ProjectKeys } from './jwt.ts';

export interface Caller {
  /** As the token says it; whether there is one, and whether the API may become it, the database knows. */
  role: string;
  claims: Claims;
}

/** Why a request is refused; the gateway in front of Supabase and PostgREST word it differently. */
export interface Refusal {
  status: 401;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

/** What the gateway hands on: the token that the service behind it gets to see. */
export interface Admitted {
  /** undefined: the request names no user. */
  token: string | undefined;
}

/** A refusal of the gateway itself: the service behind it has not been asked. */
const turnedAway = (errorCode: string, message: string, hint?: string): Refusal => ({
  status: 401,
  body: { message, ...(hint === undefined ? {} : { hint }) },
  headers: { 'sb-error-code': errorCode },
});

function badToken(code: string, message: string, details: string | null = null): Refusal {
  const challenge = `Bearer error="invalid_token", error_description="${message}"`;
  return {
    status: 401,
    body: { code, details, hint: null, message },
    headers: { 'www-authenticate': challenge },
  };
}

/** Routes of Auth that are opened by a link or by another server, which has no key. */
const OPEN = /^\/auth\/v1\/((callback|authorize|verify)$|oauth\/|sso\/saml\/|\.well-known\/|scim\/v2(\/|$))/;
const KEYED = /^\/(auth|rest)\/v1\//;
/** What the gateway takes for a browser. */
const BROWSER = /^\s*Mozilla\/5\.0/i;

/**
 * The gateway's part: is there a key of this project, and which token goes on to the service. Storage asks for a
 * token, not for a key, so that its requests pass without one.
 *
 * A key of today (`sb_publishable_…`, `sb_secret_…`) is no token: it belongs into `apikey`, and the gateway puts a
 * token of its role in its place. In `Authorization` it counts only as a copy of `apikey`, as older clients send it;
 * any other is handed on as it is, and no service can read it.
 * https://supabase.com/docs/guides/api/api-keys, "Known limitations and compatibility differences"
 */
export function admit(
  headers: IncomingHttpHeaders,
  url: URL,
  verifier: JwtVerifier,
  keys: ProjectKeys,
): Admitted | Refusal {
  const key = headers.apikey?.toString() || url.searchParams.get('apikey') || undefined;
  const bearer = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? '')?.[1]?.trim();
  const needsKey = KEYED.test(url.pathname) && !OPEN.test(url.pathname);
  const keyToken = key === undefined ? undefined : tokenOfKey(key, verifier, keys);
  if (needsKey && key === undefined) {
    return turnedAway(
      'UNAUTHORIZED_MISSING_API_KEY',
      'No API key found in request',
      'No `apikey` request header or url param was found.',
    );
  }
  if (needsKey && keyToken === undefined) {
    return turnedAway(
      'UNAUTHORIZED_INVALID_API_KEY',
      'Invalid API key',
      'Double check your Supabase `apikey`.',
    );
  }
  if (key === keys.secretKey && BROWSER.test(headers['user-agent'] ?? '')) {
    return turnedAway('UNAUTHORIZED_INVALID_API_KEY_TYPE', 'Forbidden use of secret API key in browser');
  }
  const isCopyOfKey = bearer === key && keyToken !== undefined;
  return { token: bearer === undefined || isCopyOfKey ? keyToken : bearer };
}

/** The token that a key of the project stands for; undefined: it is none. */
function tokenOfKey(key: string, verifier: JwtVerifier, keys: ProjectKeys): string | undefined {
  if (key === keys.publishableKey) return keys.anonKey;
  if (key === keys.secretKey) return keys.serviceRoleKey;
  return 'claims' in verifier.verify(key) ? key : undefined;
}

/** The caller a token stands for, or PostgREST's refusal of it. */
export function identify(token: string, verifier: JwtVerifier): Caller | Refusal {
  const verified = verifier.verify(token);
  if ('error' in verified) {
    const parts = token.split('.').length;
    if (parts !== 3) return badToken('PGRST301', `Expected 3 parts in JWT; got ${parts}`);
    if (verified.error === 'expired') return badToken('PGRST303', 'JWT expired');
    if (verified.error === 'not-yet-valid') return badToken('PGRST303', 'JWT not yet valid');
    if (verified.error === 'issued-later') return badToken('PGRST303', 'JWT issued at future');
    const details = 'None of the keys was able to decode the JWT';
    return badToken('PGRST301', 'No suitable key or wrong key type', details);
  }
  return callerIn(verified.claims);
}

export const callerIn = (claims: Claims): Caller => ({ role: claims.role ?? 'anon', claims });
