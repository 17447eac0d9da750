import {
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import type { Claims } from './jwt.ts';

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * The elliptic-curve key (ES256) with which a project signs its users' tokens, as new hosted projects do. Made from
 * the project's secret, so that it stays the same over restarts.
 * https://supabase.com/docs/guides/auth/signing-keys
 */
export class SigningKey {
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  /** As published under `/auth/v1/.well-known/jwks.json`. */
  readonly jwk: Record<string, unknown> & { kid: string };

  constructor(secret: string) {
    const curve = createECDH('prime256v1');
    curve.setPrivateKey(createHmac('sha256', secret).update('signing key of users').digest());
    const point = curve.getPublicKey(); // 4, x, y
    const at = (from: number) => point.subarray(from, from + 32).toString('base64url');
    const coordinates = { kty: 'EC', crv: 'P-256', x: at(1), y: at(33) };
    const d = curve.getPrivateKey().toString('base64url').padStart(43, 'A');
    this.#private = createPrivateKey({ key: { ...coordinates, d }, format: 'jwk' });
    this.#public = createPublicKey({ key: coordinates, format: 'jwk' });
    const kid = createHash('sha256').update(point).digest('hex').slice(0, 32);
    this.jwk = { ...coordinates, kid: toUuid(kid), alg: 'ES256', use: 'sig', key_ops: ['verify'], ext: true };
  }

  sign(claims: Claims): string {
    const text = `${base64url({ alg: 'ES256', typ: 'JWT', kid: this.jwk.kid })}.${base64url(claims)}`;
    const key = { key: this.#private, dsaEncoding: 'ieee-p1363' } as const;
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  }

  verifies(text: string, signature: Buffer): boolean {
    const key = { key: this.#public, dsaEncoding: 'ieee-p1363' } as const;
    return verify('sha256', Buffer.from(text), key, signature);
  }
}

const toUuid = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
