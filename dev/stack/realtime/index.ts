import type http from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import type { JwtVerifier } from '../supabase/jwt.ts';
import type { Channel } from './channel.ts';
import { Connection } from './connection.ts';
import { Database } from './database.ts';
import { fanOut } from './fanout.ts';
import { serializerOf } from './protocol.ts';
import { identify } from './tokens.ts';

export interface RealtimeOptions {
  /** Superuser connection to the project's database. */
  databaseUrl: string;
  verifier: JwtVerifier;
  log: (line: string) => void;
  /** Milliseconds between two looks for changes; default as the real server's. */
  pollMs?: number;
}

const PATH = '/realtime/v1/websocket';
const POLL_MS = 100;
const RETRY_MS = 250;
const MAX_FRAME_BYTES = 1024 * 1024;

export const isRealtime = (url: URL): boolean => url.pathname.startsWith('/realtime/');

/**
 * Tells WebSocket clients of the changes of the publication `supabase_realtime`, as Supabase Realtime does
 * (README.md says what it leaves out). It has a connection to Postgres, and a replication slot on it, only while a
 * client is connected.
 */
export class Realtime {
  readonly #options: RealtimeOptions;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES });
  readonly #connections = new Set<Connection>();
  #session: Promise<Database> | undefined;
  /** The sessions of before, until they have ended. */
  #ending: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: RealtimeOptions) {
    this.#options = options;
  }

  /**
   * Takes a client's connection over.
   *
   * @param keyToken the token that the request's key stands for; undefined: it is none of this project
   */
  upgrade(
    request: http.IncomingMessage,
    socket: Duplex,
    head: Buffer,
    url: URL,
    keyToken: string | undefined,
  ): void {
    const serializer = serializerOf(url.searchParams.get('vsn'));
    if (url.pathname !== PATH || !serializer || this.#stopped) {
      refuse(socket, 404, 'Not found');
      return;
    }
    if (keyToken === undefined) {
      const hasKey = url.searchParams.has('apikey');
      refuse(socket, 401, hasKey ? 'The token provided is not a valid JWT' : 'API key is missing');
      return;
    }
    const { verifier } = this.#options;
    const identity = identify(keyToken, verifier);
    if ('message' in identity) {
      refuse(socket, 401, identity.message);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new Connection({
        socket: webSocket,
        serializer,
        verifier,
        keyToken,
        onWanted: (channel) => void this.#subscribe(channel),
        onLeft: (ids) => void this.#unsubscribe(ids),
      });
      this.#connections.add(connection);
      webSocket.once('close', () => {
        this.#connections.delete(connection);
        if (this.#connections.size === 0) this.#session = undefined;
      });
      this.#begin();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
    this.#session = undefined;
    await this.#ending;
  }

  /** A session with the database, for as long as anybody is connected. */
  #begin(): Promise<Database> {
    if (!this.#session) {
      const session: Promise<Database> = this.#connect(() => this.#lost(session));
      session.catch(() => {}); // whoever needs it is told
      this.#session = session;
      const before = this.#ending;
      this.#ending = this.#run(session).then(() => before);
    }
    return this.#session;
  }

  /** Tries until Postgres can be reached, or nobody waits any more. */
  async #connect(onLost: () => void): Promise<Database> {
    await this.#ending; // it forgets all subscriptions
    for (;;) {
      try {
        return await Database.connect(this.#options.databaseUrl, onLost);
      } catch (error) {
        if (this.#stopped || this.#connections.size === 0) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  /** Looks for changes until the session is no longer the current one. */
  async #run(session: Promise<Database>): Promise<void> {
    const database = await session.catch(() => undefined);
    if (!database) return;
    while (this.#session === session) {
      try {
        const changes = await database.changes();
        for (const change of changes) await this.#tell(database, change);
        if (changes.length === 0) await sleep(this.#options.pollMs ?? POLL_MS);
      } catch (error) {
        if (this.#session === session) this.#options.log(`realtime: ${(error as Error).message}`);
        this.#lost(session);
      }
    }
    await database.close();
  }

  async #tell(database: Database, change: Parameters<typeof fanOut>[1]): Promise<void> {
    try {
      const all = this.#channels().flatMap(({ subscriptions }) => subscriptions);
      for (const { to, data } of await fanOut(database, change, all)) {
        for (const [channel, own] of Map.groupBy(to, (one) => one.channel)) channel.tell(own, data);
      }
    } catch (error) {
      // A policy that fails, a type that is gone: this change is lost, as there.
      this.#options.log(`realtime: a change of ${change.relation.table} could not be told: ${error}`);
    }
  }

  #channels(): Channel[] {
    return [...this.#connections].flatMap(({ channels }) => channels);
  }

  async #subscribe(channel: Channel): Promise<void> {
    try {
      await channel.subscribe(await this.#begin());
    } catch (error) {
      // The session was lost meanwhile: the next one subscribes all channels.
      if (!this.#stopped) this.#options.log(`realtime: a subscription waits: ${(error as Error).message}`);
    }
  }

  async #unsubscribe(ids: string[]): Promise<void> {
    const database = await this.#session?.catch(() => undefined);
    await database?.unsubscribe(ids).catch(() => {}); // with a lost session all of them go
  }

  #lost(session: Promise<Database>): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#again();
  }

  /** Subscribes those that are connected in a new session; what was changed meanwhile they do not hear. */
  #again(): void {
    if (this.#stopped || this.#connections.size === 0) return;
    this.#begin().catch(() => {});
    for (const channel of this.#channels()) if (channel.wantsChanges) void this.#subscribe(channel);
  }
}

function refuse(socket: Duplex, status: 401 | 404, error: string): void {
  const body = JSON.stringify({ error });
  const reason = status === 401 ? 'Unauthorized' : 'Not Found';
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
