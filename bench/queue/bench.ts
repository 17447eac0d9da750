import { type Cost, costBetween } from '../cost.ts';
import { Client } from './client.ts';
import { type Mode, newJobs, type Queue, type Session } from './queue.ts';
import type { Server } from './server.ts';

export const CLIENTS = 8;

/** Jobs a second, and what each has cost Postgres. */
export interface Rate {
  perSecond: number;
  /** Microseconds of the backends' processor time; undefined where the system does not tell. */
  cpu: number | undefined;
  /** Bytes. */
  wal: number;
}

/** A queue in a database of its own. */
export class Bench {
  readonly queue: Queue;
  readonly database: string;
  readonly url: string;
  readonly #server: Server;

  private constructor(queue: Queue, database: string, url: string, server: Server) {
    this.queue = queue;
    this.database = database;
    this.url = url;
    this.#server = server;
  }

  /** The first one of a queue on a server installs it; the others are copies. */
  static async install(queue: Queue, purpose: string, server: Server): Promise<Bench> {
    const prefix = queue.name.replaceAll('-', '_');
    const template = `${prefix}_template`;
    if (!(await server.hasDatabase(template))) {
      const { url, superuserUrl } = await server.createDatabase(template);
      await queue.install(superuserUrl, url);
    }
    const database = `${prefix}_${purpose}`;
    const { url } = await server.createDatabase(database, template);
    return new Bench(queue, database, url, server);
  }

  settle(): Promise<void> {
    return this.#server.settle(this.database);
  }

  /** Lends `count` clients, warm, with a connection each. */
  async with<T>(
    mode: Mode,
    count: number,
    work: (sessions: Session[], clients: Client[]) => Promise<T>,
  ): Promise<T> {
    const sessions: Session[] = [];
    const clients = Array.from({ length: count }, () => new Client(this.url));
    try {
      for (const client of clients) sessions.push(await this.queue.open(client, mode));
      return await work(sessions, clients);
    } finally {
      for (const session of sessions) await session.close?.();
      await Promise.all(clients.map((client) => client.end()));
    }
  }

  /** @param work answers how many jobs it was */
  async rate(work: () => Promise<number>): Promise<Rate> {
    const from = await this.#server.mark(this.database);
    const started = performance.now();
    const jobs = await work();
    const seconds = (performance.now() - started) / 1000;
    return {
      perSecond: jobs / seconds,
      ...each(costBetween(from, await this.#server.mark(this.database)), jobs),
    };
  }
}

function each({ cpu, wal }: Cost, jobs: number): Omit<Rate, 'perSecond'> {
  return { cpu: cpu === undefined ? undefined : (cpu / jobs) * 1e6, wal: wal / jobs };
}

/** A small run of each call, so that plans and caches of the library are made before the clock starts. */
export async function warmUp(session: Session, size: number): Promise<void> {
  for (let n = 0; n < 6; n += 1) {
    await session.enqueue(newJobs(size, n));
    const claimed = await session.claim(size);
    if (claimed.length > 0) await session.complete(claimed);
  }
}
