import postgres from 'postgres';

/** One connection, for one user at a time. */
export interface Reserved {
  unsafe<Row extends object>(
    text: string,
    parameters?: readonly (string | null)[],
    options?: postgres.UnsafeQueryOptions,
  ): Promise<Row[]>;
  release(): void;
}

/** Nothing can be sent any more; what was under way has been rolled back. */
class ConnectionEnded extends Error {
  readonly code = 'CONNECTION_CLOSED'; // as postgres.js says it

  constructor() {
    super('The connection to Postgres has ended.');
  }
}

/** A client of exactly one connection; what is sent to it is answered in its order. */
interface Member {
  sql: postgres.Sql;
  lastUsed: number;
  /** Its connection has ended: nothing more may be sent, for that would reach another session. */
  ended: boolean;
}

/** An idle connection is asked for a sign of life before it is used, unless it was used this shortly before. */
const FRESH_MS = 20;

/**
 * Connections to Postgres that may end at any time. postgres.js has `reserve()` and `begin()` for the same, and they
 * do not survive that (3.4.9): a reserved connection that has ended is put back among the open ones, whoever is given
 * it next waits for ever, and writing to it throws where nobody can catch it.
 */
export class Pool {
  readonly #url: string;
  readonly #options: postgres.Options<Record<string, postgres.PostgresType>>;
  readonly #max: number;
  readonly #idle: Member[] = [];
  readonly #all = new Set<Member>();
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;
  #closed = false;

  constructor(url: string, max: number, options: postgres.Options<Record<string, postgres.PostgresType>>) {
    this.#url = url;
    this.#max = max;
    this.#options = options;
  }

  /** Waits for a connection that is free, and lives. */
  async reserve(): Promise<Reserved> {
    while (this.#inUse >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inUse += 1;
    for (;;) {
      const member = this.#idle.pop() ?? this.#connect();
      if (this.#closed) member.ended = true;
      if (member.lastUsed === 0 || performance.now() - member.lastUsed < FRESH_MS)
        return this.#reserved(member);
      const lives = await member.sql.unsafe('select 1').then(
        () => !member.ended,
        () => false,
      );
      if (lives) return this.#reserved(member);
      this.#discard(member);
    }
  }

  /** One statement alone. */
  async query<Row extends object>(text: string, parameters: readonly (string | null)[]): Promise<Row[]> {
    const connection = await this.reserve();
    try {
      return await connection.unsafe<Row>(text, parameters);
    } finally {
      connection.release();
    }
  }

  /** One transaction; rolled back when `work` fails. */
  async transaction<T>(work: (connection: Reserved) => Promise<T>): Promise<T> {
    const connection = await this.reserve();
    try {
      await connection.unsafe('begin');
      try {
        const result = await work(connection);
        await connection.unsafe('commit');
        return result;
      } catch (error) {
        await connection.unsafe('rollback').catch(() => {}); // the connection is gone, and the transaction with it
        throw error;
      }
    } finally {
      connection.release();
    }
  }

  /** @param graceSeconds that statements under way get to end */
  async end(graceSeconds: number): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map(({ sql }) => sql.end({ timeout: graceSeconds })));
  }

  #connect(): Member {
    const member: Member = {
      lastUsed: 0,
      ended: false,
      sql: postgres(this.#url, { ...this.#options, max: 1, onclose: () => this.#discard(member) }),
    };
    this.#all.add(member);
    return member;
  }

  #discard(member: Member): void {
    member.ended = true;
    const index = this.#idle.indexOf(member);
    if (index >= 0) this.#idle.splice(index, 1);
    if (!this.#all.delete(member)) return;
    // What still waits in it is rejected, and does not go on in a session that knows nothing of the transaction.
    member.sql.end({ timeout: 0 }).catch(() => {});
  }

  #reserved(member: Member): Reserved {
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      this.#inUse -= 1;
      member.lastUsed = performance.now();
      if (!member.ended) this.#idle.push(member);
      this.#waiting.shift()?.();
    };
    return {
      unsafe: <Row extends object>(
        text: string,
        parameters: readonly (string | null)[] = [],
        options: postgres.UnsafeQueryOptions = {},
      ) => {
        if (member.ended || released) return Promise.reject(new ConnectionEnded());
        return member.sql.unsafe<Row[]>(text, [...parameters], options);
      },
      release,
    };
  }
}
