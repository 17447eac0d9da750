import type { WebSocket } from 'ws';
import type { JwtVerifier } from '../supabase/jwt.ts';
import { Channel } from './channel.ts';
import type { Frame, Serializer } from './protocol.ts';

export interface ConnectionOptions {
  socket: WebSocket;
  serializer: Serializer;
  verifier: JwtVerifier;
  keyToken: string;
  /** A channel has come or has new claims: it wants to be subscribed. */
  onWanted: (channel: Channel) => void;
  /** Rows of subscriptions that nobody has any more. */
  onLeft: (ids: string[]) => void;
}

const TOPIC = /^realtime:(.+)$/s;
/** A client sends a heartbeat every 25 seconds; one that says nothing for so long has gone. */
const SILENCE_MS = 60_000;

/** One client's WebSocket, and the channels it has joined. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #channels = new Map<string, { channel: Channel; joinRef: string | null }>();
  #silence: NodeJS.Timeout | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { socket } = options;
    this.#heard();
    socket.on('message', (data, isBinary) => {
      this.#heard();
      // Binary frames are broadcasts, which nobody hears here.
      if (!isBinary) this.#receive(data.toString());
    });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      clearTimeout(this.#silence);
      for (const topic of this.#channels.keys()) this.#leave(topic);
    });
  }

  get channels(): Channel[] {
    return [...this.#channels.values()].map(({ channel }) => channel);
  }

  close(): void {
    this.#options.socket.close(1001, 'The server stops.');
    this.#options.socket.terminate();
  }

  #heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#options.socket.terminate(), SILENCE_MS).unref();
  }

  #receive(text: string): void {
    const frame = this.#options.serializer.decode(text);
    if (!frame) {
      this.close();
      return;
    }
    const { topic, event } = frame;
    const joined = this.#channels.get(topic);
    if (topic === 'phoenix' && event === 'heartbeat') {
      this.#reply(frame, 'ok', {});
    } else if (event === 'phx_join') {
      this.#join(frame);
    } else if (event === 'phx_leave') {
      this.#reply(frame, 'ok', {});
      if (joined) this.#close(topic);
    } else if (!joined) {
      this.#reply(frame, 'error', { reason: 'unmatched topic' });
    } else if (event === 'access_token') {
      if (joined.channel.renew(frame.payload)) this.#options.onWanted(joined.channel);
    } else if (event === 'broadcast' || event === 'presence') {
      this.#reply(frame, 'error', {
        reason: `The local stack has no ${event}: it tells changes of tables only.`,
      });
    }
  }

  #join(frame: Frame): void {
    const { topic, payload } = frame;
    const joinRef = frame.joinRef ?? frame.ref;
    const [, name] = TOPIC.exec(topic) ?? [];
    if (name === undefined) {
      const reason =
        topic === 'realtime:' ? 'TopicNameRequired: You must provide a topic name' : 'unmatched topic';
      this.#reply(frame, 'error', { reason });
      return;
    }
    if (this.#channels.has(topic)) this.#close(topic); // a second join takes the place of the first
    const { verifier, keyToken } = this.#options;
    const result = Channel.join(
      {
        name,
        verifier,
        keyToken,
        push: (event, data) => this.#send({ joinRef, ref: null, topic, event, payload: data }),
        onEnd: () => this.#close(topic),
      },
      payload,
    );
    if ('reason' in result) {
      this.#reply(frame, 'error', { reason: result.reason });
      return;
    }
    this.#channels.set(topic, { channel: result.channel, joinRef });
    this.#reply(frame, 'ok', result.answer);
    if (result.channel.wantsChanges) this.#options.onWanted(result.channel);
  }

  #close(topic: string): void {
    const joinRef = this.#channels.get(topic)?.joinRef ?? null;
    this.#leave(topic);
    this.#send({ joinRef, ref: joinRef, topic, event: 'phx_close', payload: {} });
  }

  #leave(topic: string): void {
    const joined = this.#channels.get(topic);
    this.#channels.delete(topic);
    const ids = joined?.channel.end() ?? [];
    if (ids.length > 0) this.#options.onLeft(ids);
  }

  #reply({ joinRef, ref, topic }: Frame, status: 'error' | 'ok', response: unknown): void {
    this.#send({ joinRef, ref, topic, event: 'phx_reply', payload: { status, response } });
  }

  #send(frame: Frame): void {
    const { socket, serializer } = this.#options;
    if (socket.readyState === socket.OPEN) socket.send(serializer.encode(frame));
  }
}
