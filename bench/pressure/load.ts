import { setTimeout as sleep } from 'node:timers/promises';
import type { Claimed, Session } from '../queue/queue.ts';
import { USERS } from '../queue/queue.ts';
import type { Options } from './options.ts';

/** A job that was claimed: when, and how long after it should have been enqueued, in milliseconds. */
export interface Pickup {
  at: number;
  ms: number;
}

/** Without a job for so long at the end, what is missing is lost. */
const STUCK_MS = 20_000;

/**
 * The load: producers that enqueue at times fixed beforehand, whether the queue keeps up or not, and consumers that
 * claim and complete. The time to the claim counts from the fixed time, so that a producer that is kept waiting
 * counts as well. Which job of a user was claimed is not looked at: the one that has waited longest.
 */
export class Load {
  readonly pickups: Pickup[] = [];
  enqueued = 0;
  completed = 0;
  /** Claims of a job that had been claimed before. */
  twice = 0;
  rate: number;
  readonly #options: Options;
  readonly #waiting = new Map<string, number[]>();
  readonly #seen = new Set<string>();
  readonly #running: Promise<void>[] = [];
  readonly #broken: Promise<never>;
  #break: (error: unknown) => void = () => {};
  #halt: () => Promise<void> = async () => {};
  #next = 0;
  #offering = true;
  #consuming = true;

  constructor(options: Options) {
    this.#options = options;
    this.rate = options.rate;
    this.#broken = new Promise((_, reject) => {
      this.#break = reject;
    });
    this.#broken.catch(() => {});
  }

  start(producers: Session[], consumers: Session[]): void {
    const now = performance.now();
    const begin = (work: Promise<void>) => {
      work.catch(this.#break);
      this.#running.push(work);
    };
    for (const [place, session] of producers.entries()) begin(this.#produce(session, now, place));
    for (const [place, session] of consumers.entries()) begin(this.#consume(session, place));
  }

  /** Rejects as soon as a producer or a consumer has failed. */
  async during(ms: number): Promise<void> {
    const stop = new AbortController();
    try {
      await Promise.race([sleep(ms, undefined, { signal: stop.signal }), this.#broken]);
    } finally {
      stop.abort();
    }
  }

  /** No new jobs; waits until all are completed. Answers how many are missing. */
  async finish(): Promise<number> {
    this.#offering = false;
    for (let last = this.completed, at = performance.now(); ; ) {
      // What a producer has under way is counted when its call is over.
      await this.during(100);
      if (this.completed > last) {
        last = this.completed;
        at = performance.now();
      }
      if (performance.now() - at > (this.completed >= this.enqueued ? 500 : STUCK_MS)) break;
    }
    await this.stop();
    return this.enqueued - this.completed;
  }

  /** Ends the clients' loops, each after what it has under way. */
  async stop(): Promise<void> {
    this.#offering = false;
    this.#consuming = false;
    const halt = this.#halt;
    this.#halt = async () => {};
    await halt();
    await Promise.allSettled(this.#running);
  }

  /** By a queue's own workers, which complete what they are given. */
  handedOut(jobs: readonly Claimed[]): void {
    this.#claimed(jobs);
    this.completed += jobs.length;
  }

  /** What ends those. */
  haltBy(halt: () => Promise<void>): void {
    this.#halt = halt;
  }

  #claimed(jobs: readonly Claimed[]): void {
    const at = performance.now();
    for (const { id, user } of jobs) {
      const due = this.#waiting.get(user)?.shift();
      if (due !== undefined) this.pickups.push({ at, ms: at - due });
      const name = String(id);
      if (this.#seen.has(name)) this.twice += 1;
      else this.#seen.add(name);
    }
  }

  async #produce(session: Session, from: number, place: number): Promise<void> {
    const { batch, producers, users } = this.#options;
    const step = () => (batch * producers * 1000) / this.rate;
    for (let due = from + (step() * place) / producers; this.#offering; due += step()) {
      const ahead = due - performance.now();
      if (ahead > 0) await sleep(ahead);
      if (!this.#offering) return;
      const jobs = Array.from({ length: batch }, () => ({ user: USERS[this.#next++ % users] as string }));
      for (const { user } of jobs) {
        const list = this.#waiting.get(user);
        if (list) list.push(due);
        else this.#waiting.set(user, [due]);
      }
      await session.enqueue(jobs);
      this.enqueued += jobs.length;
    }
  }

  async #consume(session: Session, place: number): Promise<void> {
    const { claim, consumers, pollMs } = this.#options;
    await sleep((pollMs * place) / consumers);
    while (this.#consuming) {
      const began = performance.now();
      const jobs = await session.claim(claim);
      this.#claimed(jobs);
      if (jobs.length > 0) {
        await session.complete(jobs);
        this.completed += jobs.length;
      }
      const rest = began + pollMs - performance.now();
      if (jobs.length < claim && rest > 0) await sleep(rest);
    }
  }
}
