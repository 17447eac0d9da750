import { createHash, randomUUID } from 'node:crypto';
import type { Claims, JwtVerifier } from '../supabase/jwt.ts';
import type { Database } from './database.ts';
import type { Subscription } from './fanout.ts';
import { BadSubscription, type ChangeParams, readSelection } from './filters.ts';
import { identify } from './tokens.ts';

/** How a channel speaks to its client. */
export type Push = (event: string, payload: unknown) => void;

export interface ChannelOptions {
  /** Without the `realtime:` in front. */
  name: string;
  verifier: JwtVerifier;
  /** Of the socket's key: counts where the client sends none of its own. */
  keyToken: string;
  push: Push;
  /** It has ended by itself. */
  onEnd: () => void;
}

interface ChannelSubscription extends Subscription {
  /** Of its row. */
  id: string;
  /** By which the client knows it. */
  key: number;
  channel: Channel;
}

/** A token is looked at again after this long, as in the real server. */
const CONFIRM_MS = 5 * 60_000;

/** One client in one topic, from its join to its leave. */
export class Channel {
  readonly #options: ChannelOptions;
  #token: string;
  #claims: Claims;
  #wanted: { params: ChangeParams; key: number }[] = [];
  #subscriptions: ChannelSubscription[] = [];
  #confirm: NodeJS.Timeout | undefined;
  #subscribing: Promise<void> = Promise.resolve();
  #ended = false;

  private constructor(options: ChannelOptions, token: string, claims: Claims & { exp: number }) {
    this.#options = options;
    this.#token = token;
    this.#claims = claims;
    this.#confirmLater(claims.exp);
  }

  /** @returns the channel and the answer to its join, or the reason of the refusal */
  static join(
    options: ChannelOptions,
    payload: unknown,
  ): { channel: Channel; answer: Record<string, unknown> } | { reason: string } {
    const { access_token, config } = toObject(payload);
    const { private: isPrivate, postgres_changes } = toObject(config);
    const token =
      typeof access_token === 'string' && !access_token.startsWith('sb_') ? access_token : options.keyToken;
    const identity = identify(token, options.verifier);
    if ('message' in identity) return { reason: `${identity.code}: ${identity.message}` };
    if (isPrivate === true) {
      return {
        reason: `Unauthorized: You do not have permissions to read from this Channel topic: ${options.name}`,
      };
    }
    const channel = new Channel(options, token, identity.claims);
    const asked = Array.isArray(postgres_changes) ? postgres_changes.filter((one) => one !== null) : [];
    channel.#wanted = asked.map((one) => ({ params: toObject(one), key: keyOf(one) }));
    const answer = { postgres_changes: channel.#wanted.map(({ params, key }) => ({ ...params, id: key })) };
    return { channel, answer };
  }

  get subscriptions(): readonly ChannelSubscription[] {
    return this.#subscriptions;
  }

  /** Whether it wants to hear of changes at all. */
  get wantsChanges(): boolean {
    return this.#wanted.length > 0;
  }

  /**
   * Subscribes to what the join asked for, or anew where the claims or the database's session are new. The client is
   * told when it is done: that comes after the answer to the join.
   */
  subscribe(database: Database): Promise<void> {
    // One after the other: with a newer token a second one may come while the first is under way.
    const done = this.#subscribing.then(() => this.#subscribe(database));
    this.#subscribing = done.catch(() => {});
    return done;
  }

  async #subscribe(database: Database): Promise<void> {
    const claims = this.#claims;
    const before = new Map(this.#subscriptions.map((one) => [one.key, one.id]));
    const made: ChannelSubscription[] = [];
    try {
      for (const { params, key } of this.#wanted) {
        const selection = readSelection(params);
        const id = before.get(key) ?? randomUUID();
        const tables = await database
          .subscribe(id, selection, claims)
          .catch((error: Error & { code?: string }) => {
            if (!(error instanceof BadSubscription) && error.code === undefined) throw error;
            throw new BadSubscription(
              `${UNABLE} An exception happened so please check your connect parameters: [${inWords(params)}]. Exception: ${error.message}`,
            );
          });
        if (tables.length === 0) {
          throw new BadSubscription(
            `${UNABLE} Please check Realtime is enabled for the given connect parameters: [${inWords(params)}]`,
          );
        }
        made.push({ id, key, selection, claims, tables, channel: this });
      }
    } catch (error) {
      if (!(error instanceof BadSubscription)) throw error;
      await database.unsubscribe([...made.map(({ id }) => id), ...before.values()]);
      this.#subscriptions = [];
      return this.#system('postgres_changes', 'error', error.message);
    }
    if (this.#ended) return database.unsubscribe(made.map(({ id }) => id));
    this.#subscriptions = made;
    this.#system('postgres_changes', 'ok', 'Subscribed to PostgreSQL');
  }

  /** @param to subscriptions of this channel */
  tell(to: ChannelSubscription[], data: unknown): void {
    if (!this.#ended) this.#options.push('postgres_changes', { ids: to.map(({ key }) => key), data });
  }

  /**
   * Takes a newer token of the client.
   *
   * @returns whether the subscriptions have to be made anew
   */
  renew(payload: unknown): boolean {
    const { access_token: token } = toObject(payload);
    if (typeof token !== 'string' || token === this.#token || token.startsWith('sb_')) return false;
    const identity = identify(token, this.#options.verifier);
    if ('message' in identity) {
      this.#shutDown(identity.message);
      return false;
    }
    this.#token = token;
    this.#claims = identity.claims;
    this.#confirmLater(identity.claims.exp);
    return this.wantsChanges;
  }

  /** @returns the rows that its subscriptions leave behind */
  end(): string[] {
    this.#ended = true;
    clearTimeout(this.#confirm);
    const ids = this.#subscriptions.map(({ id }) => id);
    this.#subscriptions = [];
    return ids;
  }

  #confirmLater(exp: number): void {
    clearTimeout(this.#confirm);
    const rest = Math.max(0, exp * 1000 - Date.now());
    this.#confirm = setTimeout(
      () => {
        const identity = identify(this.#token, this.#options.verifier);
        if ('message' in identity) this.#shutDown(identity.message);
        else this.#confirmLater(exp);
      },
      Math.min(CONFIRM_MS, rest),
    ).unref();
  }

  #shutDown(why: string): void {
    this.#system('system', 'error', why);
    this.#options.onEnd();
  }

  #system(extension: string, status: 'error' | 'ok', message: string): void {
    if (!this.#ended)
      this.#options.push('system', { extension, status, message, channel: this.#options.name });
  }
}

const UNABLE = 'Unable to subscribe to changes with given parameters.';

/** The same parameters have the same key, in 27 bits as the real server's. */
const keyOf = (params: unknown): number =>
  createHash('sha256').update(JSON.stringify(params)).digest().readUInt32BE(0) >>> 5;

const inWords = ({ event, schema, table, filter, select }: ChangeParams): string =>
  Object.entries({ event, schema, table, filter, select })
    .map(([name, value]) => `${name}: ${value ?? 'nil'}`)
    .join(', ');

const toObject = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
