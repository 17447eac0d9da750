/** Name of the extension's module that a wrapped binding is made of. */
export const RATE_LIMITER_MODULE = 'stack:rate-limiter';

/**
 * Cloudflare's rate-limit binding (https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/), as
 * JavaScript for workerd, which has none: `limit` calls of each key in `period` seconds pass. What is known of a
 * key is kept in memory, from its first call on; the oldest keys come first in the map. The class has the name
 * that it has at Cloudflare: `worker` of Rust asks for it.
 */
export const RATE_LIMITER = `
class Ratelimit {
  #limit;
  #periodMs;
  #windows = new Map();

  constructor({ limit, period }) {
    if (period !== 10 && period !== 60) throw new Error('a rate limit has a period of 10 or 60 seconds');
    this.#limit = limit;
    this.#periodMs = period * 1000;
  }

  async limit({ key }) {
    if (typeof key !== 'string') throw new TypeError('key must be a string');
    const now = Date.now();
    for (const [old, window] of this.#windows) {
      if (now < window.endsAt) break;
      this.#windows.delete(old);
    }
    const window = this.#windows.get(key) ?? { endsAt: now + this.#periodMs, count: 0 };
    this.#windows.set(key, window);
    if (window.count >= this.#limit) return { success: false };
    window.count += 1;
    return { success: true };
  }
}

export default (env) => new Ratelimit(env);
`;
