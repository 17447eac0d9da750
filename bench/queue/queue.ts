import type { Client } from './client.ts';

export interface NewJob {
  user: string;
  /** Ahead of all others, but only from tomorrow on. */
  tomorrow?: boolean;
}

export interface Claimed {
  id: unknown;
  /** The fencing token, where the queue has one. */
  lease?: unknown;
  user: string;
}

/** `plain`: as it comes. `tuned`: for throughput. `fair`: its settings for turns between users. */
export type Mode = 'plain' | 'tuned' | 'fair';

/** One client's calls; each is one statement and one transaction. */
export interface Session {
  enqueue(jobs: readonly NewJob[]): Promise<void>;
  claim(limit: number): Promise<Claimed[]>;
  /** Rejects where only the queue's own runtime completes. */
  complete(jobs: readonly Claimed[]): Promise<void>;
  /** Ends what the library runs besides; the connection is closed by its owner. */
  close?(): Promise<void>;
}

/** The workers of a queue that hands its jobs to no other caller. They only complete a job. */
export interface Runtime {
  /**
   * Works until `count` more jobs are completed, and durably so; answers them in the order of their start.
   *
   * @param told hears of jobs that were handed out
   */
  drain(count: number, told?: (jobs: number) => void): Promise<Claimed[]>;
  /**
   * Works on whatever comes.
   *
   * @param started hears of each job when a worker begins with it
   * @returns what ends that
   */
  follow(started: (jobs: Claimed[]) => void): Promise<() => Promise<void>>;
  /** Milliseconds from the call that enqueues a job to its start by a worker that waits, one after another. */
  latencies(times: number): Promise<number[]>;
  close(): Promise<void>;
}

export interface Queue {
  name: string;
  version: string;
  /** Made from the queue's own database, which is empty. */
  install(superuserUrl: string, url: string): Promise<void>;
  open(client: Client, mode: Mode): Promise<Session>;
  /** Present where claims and completions are made by the queue's own workers alone: some `size` jobs a claim. */
  runtime?(url: string, clients: number, size: number): Promise<Runtime>;
  /** A faster way to the same rows as enqueue(), for backlogs; tomorrow's first. */
  fill?(client: Client, waiting: number, tomorrow: number): Promise<void>;
  settings: {
    /** What `tuned` sets; absent: there is nothing to set. */
    tuned?: string;
    /** Jobs per statement when tuned; absent: 100. */
    size?: number;
    /** What `fair` sets; absent: there is nothing to set, and the queue has no row with fairness on. */
    fair?: string;
    /** What users may count on with `fair` set, where that is not on by default. */
    promise: string;
  };
  /** What a deployment's cron has the queue do each minute, as a statement. */
  sweep?: string;
  /** Of the jobs of a row, how many this one plays where it would take minutes: its rate is the same. */
  share?: number;
  /** Ours: users have their turns and limits without any setting. */
  alwaysFair?: boolean;
}

/** Of which a queue is left out, and how to have it. */
export interface Missing {
  name: string;
  missing: string;
}

export const USERS = Array.from(
  { length: 100 },
  (_, n) => `00000000-0000-4000-8000-${String(n + 1).padStart(12, '0')}`,
);

/** Jobs of all users by turns. */
export function newJobs(count: number, from = 0): NewJob[] {
  return Array.from({ length: count }, (_, n) => ({ user: USERS[(from + n) % USERS.length] as string }));
}

/** What an image's job carries, some 250 bytes. */
export function payload(user: string) {
  return {
    user_id: user,
    prompt: 'a lighthouse on a cliff at dusk, long exposure, soft light, a single gull above the sea',
    model: 'black-forest-labs/flux-schnell',
    width: 1344,
    height: 768,
    style: 'photographic',
  };
}

/** SQL for the same payload, of the n-th row of generate_series. */
export const PAYLOAD_SQL = `jsonb_build_object('user_id', ${userSql()}, 'prompt',
  '${payload('').prompt}', 'model', '${payload('').model}', 'width', 1344, 'height', 768, 'style', 'photographic')`;

export function userSql(): string {
  return `('00000000-0000-4000-8000-' || lpad((n % ${USERS.length} + 1)::text, 12, '0'))`;
}
