import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { SigningKey } from './signing-key.ts';

export type Claims = Record<string, unknown> & { role?: string; sub?: string; exp?: number };

/** The roles of a Supabase project's API. */
export const API_ROLES = ['anon', 'authenticated', 'service_role'] as const;
export type ApiRole = (typeof API_ROLES)[number];

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const hmac = (secret: string, text: string) => createHmac('sha256', secret).update(text).digest();

/** An HS256 token, as Supabase's classic keys and its users' sessions are. */
export function signJwt(claims: Claims, secret: string): string {
  const text = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url(claims)}`;
  return `${text}.${hmac(secret, text).toString('base64url')}`;
}

/** The keys of a project: those that are tokens, and those of today, which are none. */
export interface ProjectKeys {
  jwtSecret: string;
  anonKey: string;
  serviceRoleKey: string;
  /** `sb_publishable_…`: stands for `anon`. */
  publishableKey: string;
  /** `sb_secret_…`: stands for `service_role`. */
  secretKey: string;
}

/** The long-lived keys of a project, made from its secret: the same secret and time give the same keys. */
export function projectKeys(
  jwtSecret: string = randomBytes(32).toString('base64url'),
  issuedAt: number = 1_767_225_600, // 2026-01-01; fixed, so that keys depend on the secret only
): ProjectKeys {
  const key = (role: ApiRole) =>
    signJwt(
      { iss: 'supabase', ref: 'local', role, iat: issuedAt, exp: issuedAt + 10 * 365 * 86_400 },
      jwtSecret,
    );
  return {
    jwtSecret,
    anonKey: key('anon'),
    serviceRoleKey: key('service_role'),
    publishableKey: opaqueKey('publishable', jwtSecret),
    secretKey: opaqueKey('secret', jwtSecret),
  };
}

/** In the shape of Supabase's: 22 characters and 8 more. Those of a hosted project are random. */
function opaqueKey(kind: 'publishable' | 'secret', secret: string): string {
  const digest = hmac(secret, `sb_${kind}`);
  return `sb_${kind}_${digest.subarray(0, 16).toString('base64url')}_${digest.subarray(16, 22).toString('base64url')}`;
}

export type Verified =
  | { claims: Claims }
  | { error: 'expired' | 'invalid' | 'issued-later' | 'not-yet-valid' };

/** Clocks may differ by this many seconds, as PostgREST allows. */
const SKEW_SECONDS = 30;
const CACHE_SIZE = 1_000;

/** Checks the project's tokens; one seen before costs one look-up and a look at its expiry. */
export class JwtVerifier {
  readonly #secret: string;
  readonly #key: SigningKey | undefined;
  readonly #seen = new Map<string, Claims>();

  /**
   * @param secret of HS256 tokens: the legacy keys, and users' where there is no signing key
   * @param key of users' ES256 tokens
   */
  constructor(secret: string, key?: SigningKey) {
    this.#secret = secret;
    this.#key = key;
  }

  verify(token: string, now = Date.now() / 1000): Verified {
    let claims = this.#seen.get(token);
    if (!claims) {
      claims = this.#check(token);
      if (!claims) return { error: 'invalid' };
      if (this.#seen.size >= CACHE_SIZE) this.#seen.clear();
      this.#seen.set(token, claims);
    }
    if (typeof claims.exp === 'number' && claims.exp + SKEW_SECONDS < now) return { error: 'expired' };
    const isAhead = (time: unknown) => typeof time === 'number' && time - SKEW_SECONDS > now;
    if (isAhead(claims.nbf)) return { error: 'not-yet-valid' };
    if (isAhead(claims.iat)) return { error: 'issued-later' };
    return { claims };
  }

  #check(token: string): Claims | undefined {
    const [head, body, signature, ...more] = token.split('.');
    if (!head || !body || !signature || more.length > 0) return undefined;
    try {
      const { alg, kid } = JSON.parse(Buffer.from(head, 'base64url').toString());
      if (!this.#isSigned(alg, kid, `${head}.${body}`, Buffer.from(signature, 'base64url'))) return undefined;
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
      return claims && typeof claims === 'object' && !Array.isArray(claims) ? claims : undefined;
    } catch {
      return undefined;
    }
  }

  #isSigned(alg: unknown, kid: unknown, text: string, given: Buffer): boolean {
    if (alg === 'ES256') return kid === this.#key?.jwk.kid && (this.#key?.verifies(text, given) ?? false);
    const right = hmac(this.#secret, text);
    return alg === 'HS256' && given.length === right.length && timingSafeEqual(given, right);
  }
}
