import { fileURLToPath } from 'node:url';
import { ensurePythonPackage } from '../../../scripts/python.mjs';
import {
  type Claimed,
  type Missing,
  payload,
  type Queue,
  type Runtime,
  type Session,
  USERS,
} from '../queue.ts';
import { Python } from './python.ts';

const PACKAGE = 'awa-pg';
const VERSION = '0.6.9';
const SCRIPT = fileURLToPath(new URL('awa-commands.py', import.meta.url));
/** Its own default. */
const LARGEST_CLAIM = 512;

/**
 * awa by its Python client. Jobs are taken out by its own runtime alone, which works beside its workers: it claims
 * ahead for idle workers, gathers completions for a millisecond and writes them together, listens for new jobs, tells
 * that it lives, looks for lost jobs, turns the rings of its tables and empties old parts of them. All that is in its
 * numbers, and one process of Python has all the clients: where that is busy the rate is Python's, and only the
 * processor time of Postgres is awa's. A claim alone is the SQL function that its runtime calls; the runtime keeps
 * the place it has reached in another transaction, which is not in it.
 */
export async function awa(): Promise<Queue | Missing> {
  const env = await ensurePythonPackage(PACKAGE, VERSION).catch((error: Error) => error);
  if (env === undefined || env instanceof Error) {
    return {
      name: 'awa',
      missing: `${PACKAGE} ${VERSION} comes from PyPI, which takes Python 3 with pip${env ? ` (${env.message.trim()})` : ''}`,
    };
  }
  const processes = new Processes(env);
  return {
    name: 'awa',
    version: VERSION,
    share: 1 / 4,
    settings: {
      tuned: `enqueue_many_copy of 100, claims of up to ${LARGEST_CLAIM}`,
      promise: 'nothing between users: the oldest first, priorities age, rates are limited by queue',
    },

    async install(_superuserUrl, url) {
      const python = processes.open(url);
      await python.call('install');
      await processes.close(url);
    },

    async open(client): Promise<Session> {
      const { url } = client;
      const python = processes.open(url);
      return {
        close: () => processes.close(url),
        async enqueue(jobs) {
          await python.call('enqueue', {
            jobs: jobs.map(({ user }) => payload(user)),
            tomorrow: jobs[0]?.tomorrow ?? false,
          });
        },
        async claim(limit) {
          const rows = await client.run<{ job_id: string; run_lease: string; args: { user_id: string } }>(
            'select * from awa.claim_ready_runtime($1::text, $2::int, 300, 0)',
            ['images', limit],
          );
          return rows.map((row) => ({ id: row.job_id, lease: row.run_lease, user: row.args.user_id }));
        },
        complete: () => Promise.reject(new Error('only its own workers complete a job of awa')),
      };
    },

    async runtime(url, clients, size): Promise<Runtime> {
      const python = processes.open(url);
      await python.call('start', { workers: clients * size, claim: size < 100 ? size : LARGEST_CLAIM });
      return {
        async drain(count, told) {
          const started = await python.call<[number, string][]>('drain', { count }, told);
          return started.map(([id, user]): Claimed => ({ id, user }));
        },
        async follow(hear) {
          const over = python.call<void, [number, string][]>('follow', {}, (jobs) =>
            hear(jobs.map(([id, user]) => ({ id, user }))),
          );
          over.catch(() => {}); // told by the end
          return async () => {
            await python.call('halt');
            await over;
          };
        },
        latencies: (times) => python.call('latencies', { times, job: payload(USERS[0] as string) }),
        async close() {
          await python.call('stop');
          await processes.close(url);
        },
      };
    },
  };
}

/** One for each database, as long as it is in use. */
class Processes {
  readonly #env: Record<string, string>;
  readonly #open = new Map<string, { python: Python; users: number }>();

  constructor(env: Record<string, string>) {
    this.#env = env;
  }

  open(url: string): Python {
    const one = this.#open.get(url) ?? { python: new Python(SCRIPT, [url, '8'], this.#env), users: 0 };
    one.users += 1;
    this.#open.set(url, one);
    return one.python;
  }

  async close(url: string): Promise<void> {
    const one = this.#open.get(url);
    if (!one) return;
    one.users -= 1;
    if (one.users > 0) return;
    this.#open.delete(url);
    await one.python.end();
  }
}
