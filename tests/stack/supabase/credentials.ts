import type { IncomingHttpHeaders } from 'node:http';
import { API_ROLES, type ApiRole, type Claims, type JwtVerifier, type ProjectKeys } from './jwt.ts';

export interface Caller {
  role: ApiRole;
  claims: Claims;
}

/** Why a request is refused; the gateway in front of Supabase and PostgREST word it differently. */
export interface Refusal {
  status: 401 | 403;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

const refusal = (status: 401 | 403, body: Record<string, unknown>, headers = {}): Refusal => ({
  status,
  body,
  headers,
});

function badToken(code: string, message: string): Refusal {
  const challenge = `Bearer error="invalid_token", error_description="${message}"`;
  return refusal(401, { code, details: null, hint: null, message }, { 'www-authenticate': challenge });
}

/**
 * Who calls: the API key says which project, the bearer token (the key again, or a user's) says who.
 * Both are checked as on Supabase; a token naming any role but the three of the API is refused.
 */
export function identify(
  headers: IncomingHttpHeaders,
  query: URLSearchParams,
  verifier: JwtVerifier,
  keys: ProjectKeys,
): Caller | Refusal {
  const key = headers.apikey ?? query.get('apikey');
  if (typeof key !== 'string' || key === '') {
    return refusal(401, {
      message: 'No API key found in request',
      hint: 'No `apikey` request header or url param was found.',
    });
  }
  if (key !== keys.anonKey && key !== keys.serviceRoleKey) {
    const verified = verifier.verify(key);
    if ('error' in verified) {
      return refusal(401, { message: 'Invalid API key', hint: 'Double check your Supabase `apikey`.' });
    }
  }
  const bearer = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? '')?.[1]?.trim();
  return identifyToken(bearer ?? key, verifier);
}

/** The caller a token stands for. */
export function identifyToken(token: string, verifier: JwtVerifier): Caller | Refusal {
  const verified = verifier.verify(token);
  if ('error' in verified) {
    if (verified.error === 'expired') return badToken('PGRST303', 'JWT expired');
    if (verified.error === 'not-yet-valid') return badToken('PGRST303', 'JWT not yet valid');
    return badToken('PGRST301', 'No suitable key or wrong key type');
  }
  const role = verified.claims.role ?? 'anon';
  if (!API_ROLES.includes(role as ApiRole)) {
    return refusal(403, {
      code: '42501',
      details: null,
      hint: null,
      message: `permission denied to set role "${role}"`,
    });
  }
  return { role: role as ApiRole, claims: verified.claims };
}
