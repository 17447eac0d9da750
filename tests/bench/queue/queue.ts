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
  complete(jobs: readonly Claimed[]): Promise<void>;
  /** Ends what the library runs besides; the connection is closed by its owner. */
  close?(): Promise<void>;
}

export interface Queue {
  name: string;
  version: string;
  /** Made from the queue's own database, which is empty. */
  install(superuserUrl: string, url: string): Promise<void>;
  open(client: Client, mode: Mode): Promise<Session>;
  /** A faster way to the same rows as enqueue(), for backlogs; tomorrow's first. */
  fill?(client: Client, waiting: number, tomorrow: number): Promise<void>;
  /** What `tuned` and `fair` set; absent: there is nothing to set. */
  settings: {
    tuned?: string /** Jobs per statement when tuned; absent: 100. */;
    size?: number;
    fair?: string;
  };
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
