import { type JwtVerifier, signJwt } from './jwt.ts';
import type { SigningKey } from './signing-key.ts';

/**
 * lite signs and knows HS256 only, and leaves out of its tokens what the account is: there, hosted Auth's have
 * `app_metadata` and `user_metadata` as well. So the gateway signs anew what lite issues; where the project signs its
 * users' tokens with a key of its own, with that, and what users bring for lite.
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

  /** Auth's answer, with the whole of the user's token in it, under the project's signature. */
  async issued(answer: Response, issuer: string): Promise<Response> {
    const isJson = answer.headers.get('content-type')?.includes('json');
    if (!answer.ok || !isJson) return answer;
    const body = (await answer.json()) as { access_token?: unknown; user?: Record<string, unknown> } | null;
    const verified =
      typeof body?.access_token === 'string' ? this.#verifier.verify(body.access_token) : undefined;
    if (body && verified && 'claims' in verified) {
      const { app_metadata = {}, user_metadata = {} } = body.user ?? {};
      const claims = { ...verified.claims, app_metadata, user_metadata };
      body.access_token = this.#key
        ? this.#key.sign({ iss: issuer, ...claims })
        : signJwt(claims, this.#secret);
    }
    const headers = new Headers(answer.headers);
    headers.delete('content-length');
    return new Response(JSON.stringify(body), { status: answer.status, headers });
  }
}
