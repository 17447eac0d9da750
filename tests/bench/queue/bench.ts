import { Client } from './client.ts';
import type { Mode, NewJob, Queue, Session } from './queue.ts';
import { USERS } from './queue.ts';
import type { Server } from './server.ts';

export const CLIENTS = 8;

/** A queue in a database of its own. */
export class Bench {
  readonly queue: Queue;
  readonly database: string;
  readonly #url: string;
  readonly #server: Server;

  private constructor(queue: Queue, database: string, url: string, server: Server) {
    this.queue = queue;
    this.database = database;
    this.#url = url;
    this.#server = server;
  }

  static async install(queue: Queue, purpose: string, server: Server): Promise<Bench> {
    const database = `${queue.name.replaceAll('-', '_')}_${purpose}`;
    const { url, superuserUrl } = await server.createDatabase(database);
    await queue.install(superuserUrl, url);
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
    const clients = Array.from({ length: count }, () => new Client(this.#url));
    try {
      for (const client of clients) sessions.push(await this.queue.open(client, mode));
      return await work(sessions, clients);
    } finally {
      for (const session of sessions) await session.close?.();
      await Promise.all(clients.map((client) => client.end()));
    }
  }
}

/** Jobs of all users by turns. */
export function newJobs(count: number, from = 0): NewJob[] {
  return Array.from({ length: count }, (_, n) => ({ user: USERS[(from + n) % USERS.length] as string }));
}

/** A small run of each call, so that plans and caches of the library are made before the clock starts. */
export async function warmUp(session: Session, size: number): Promise<void> {
  for (let n = 0; n < 6; n += 1) {
    await session.enqueue(newJobs(size, n));
    const claimed = await session.claim(size);
    if (claimed.length > 0) await session.complete(claimed);
  }
}
