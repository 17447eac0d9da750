import { type JwtVerifier, signJwt } from './jwt.ts';
import type { SigningKey } from './signing-key.ts';

/**
 * lite signs and knows HS256 only. Where the project signs its users' tokens with a key of its own, the gateway signs
 * anew: what lite issues on the way out, what users bring on the way in.
 */
export class UserTokens {
  readonly #secret: string;
  readonly #verifier: JwtVerifier;
  readonly #key: SigningKey | undefined;

  /** @param key absent: tokens stay as lite makes them */
  constructor(secret: string, verifier: JwtVerifier, key: SigningKey | undefined) {
    this.#secret = secret;
    this.#verifier = verifier;
    this.#key = key;
  }

  /** What the project publishes; keys that are shared secrets are not. */
  get published(): Record<string, unknown>[] {
    return this.#key ? [this.#key.jwk] : [];
  }

  /** The same token as lite can verify it; one that is bad stays as it is, and lite says so. */
  forLite(token: string | undefined): string | undefined {
    if (!this.#key || token === undefined) return token;
    const verified = this.#verifier.verify(token);
    return 'claims' in verified ? signJwt(verified.claims, this.#secret) : token;
  }

  /** Auth's answer, with the project's signature under the user's token in it. */
  async issued(answer: Response, issuer: string): Promise<Response> {
    const isJson = answer.headers.get('content-type')?.includes('json');
    if (!this.#key || !answer.ok || !isJson) return answer;
    const body = (await answer.json()) as { access_token?: unknown } | null;
    const verified =
      typeof body?.access_token === 'string' ? this.#verifier.verify(body.access_token) : undefined;
    if (body && verified && 'claims' in verified) {
      body.access_token = this.#key.sign({ iss: issuer, ...verified.claims });
    }
    const headers = new Headers(answer.headers);
    headers.delete('content-length');
    return new Response(JSON.stringify(body), { status: answer.status, headers });
  }
}
