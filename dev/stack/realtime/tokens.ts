import type { Claims, JwtVerifier } from '../supabase/jwt.ts';

export type Identity = { claims: Claims & { role: string; exp: number } } | { code: string; message: string };

/**
 * Who a token stands for, or why nobody, in the real server's words. It needs an expiry, and unlike PostgREST it
 * allows clocks no difference.
 *
 * https://github.com/supabase/realtime/blob/main/lib/realtime_web/channels/auth/channels_authorization.ex
 */
export function identify(token: string, verifier: JwtVerifier, now = Date.now() / 1000): Identity {
  const verified = verifier.verify(token, now);
  if ('error' in verified && verified.error !== 'expired') {
    if (token.split('.').length !== 3) {
      return { code: 'MalformedJWT', message: 'The token provided is not a valid JWT' };
    }
    return { code: 'JwtSignatureError', message: 'Failed to validate JWT signature' };
  }
  if ('error' in verified) return { code: 'InvalidJWTToken', message: 'Token has expired' };
  const { role, exp } = verified.claims;
  if (typeof role !== 'string' || typeof exp !== 'number') {
    return { code: 'InvalidJWTToken', message: 'Fields `role` and `exp` are required in JWT' };
  }
  const ago = Math.floor(now - exp);
  if (ago >= 0) return { code: 'InvalidJWTToken', message: `Token has expired ${ago} seconds ago` };
  return { claims: { ...verified.claims, role, exp } };
}
