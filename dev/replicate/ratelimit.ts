/** The platform's limits: 600 creates and 3000 other calls a minute. Only told in headers unless a limit is set. */
import { throttled } from './problems.ts';

export class CreateLimit {
  #tokens = 0;
  #filledAt = 0;
  #limit: number | null = null;

  /**
   * Takes one create from the bucket and answers what remains. Throws 429.
   *
   * @param perMinute null: unlimited. The bucket holds a tenth of it, at least one.
   */
  take(perMinute: number | null): number {
    if (perMinute === null) return 599;
    const burst = Math.max(1, Math.floor(perMinute / 10));
    const now = Date.now();
    if (this.#limit !== perMinute) {
      this.#limit = perMinute;
      this.#tokens = burst;
    } else {
      this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 60_000) * perMinute);
    }
    this.#filledAt = now;
    if (this.#tokens < 1) throw throttled(Math.ceil(((1 - this.#tokens) * 60) / perMinute), false);
    this.#tokens -= 1;
    return Math.floor(this.#tokens);
  }
}

export function rateHeaders(remaining: number): Record<string, string> {
  return { 'ratelimit-remaining': String(remaining), 'ratelimit-reset': '1' };
}
