import { type ClientOptions, WebSocket } from 'ws';
import type { TestStack } from './stack.ts';
import type { Answer, TestUser } from './user.ts';

/** What the server says to a listener. */
export interface LiveMessage {
  type: 'generation' | 'ready';
  seq: number;
  generation_id?: string;
  batch_id?: string | null;
  status?: string;
  progress?: number;
  queue_position?: number | null;
  estimated_seconds?: number | null;
  image_url?: string;
  error?: { code: string; message: string };
  /** When it arrived, in fractions of a millisecond since 1970. */
  at: number;
}

/** A connection over which messages come, whatever it is made of. */
export interface Listening {
  messages: LiveMessage[];
  /** How it ended, with the code and reason of a WebSocket. */
  readonly ended: { code?: number; reason?: string } | undefined;
  /** The first message so far, or from now on, that is as it should be. */
  hears(what: string, is: (message: LiveMessage) => boolean): Promise<LiveMessage>;
  /** The generation's message with that status. */
  reaches(generationId: string, status: string): Promise<LiveMessage>;
  /** Everything that was said of a generation, in order. */
  about(generationId: string): LiveMessage[];
  end(): Promise<{ code?: number; reason?: string }>;
  close(): void;
}

export interface ListenOptions {
  /** One generation; all of the user's without it. */
  generation?: string;
  since?: number;
  /** In place of the user's own. */
  token?: string;
  headers?: Record<string, string>;
  /** Subprotocols of a WebSocket, in place of ours with the token. */
  protocols?: string[];
}

export class Refused extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`the connection was refused with ${answer.status}: ${JSON.stringify(answer.body)}`);
    this.answer = answer;
  }
}

const pathOf = ({ generation, since }: ListenOptions) =>
  `${generation ? `/generations/${generation}` : ''}/events${since === undefined ? '' : `?since=${since}`}`;

const now = () => performance.timeOrigin + performance.now();

/** What both kinds of connection share: messages, and who waits for them. */
class Inbox implements Listening {
  messages: LiveMessage[] = [];
  ended: { code?: number; reason?: string } | undefined;
  #stack: TestStack;
  #close: () => void;

  constructor(stack: TestStack, close: () => void) {
    this.#stack = stack;
    this.#close = close;
  }

  take(text: string): void {
    this.messages.push({ ...JSON.parse(text), at: now() });
  }

  hears(what: string, is: (message: LiveMessage) => boolean): Promise<LiveMessage> {
    return this.#stack.until(what, async () => {
      const found = this.messages.find(is);
      if (!found && this.ended) {
        throw new Error(
          `waited for ${what}, and the connection ended with ${JSON.stringify(this.ended)} after ${JSON.stringify(this.messages)}`,
        );
      }
      return found;
    });
  }

  reaches(generationId: string, status: string): Promise<LiveMessage> {
    return this.hears(
      `a message that ${generationId} is ${status}`,
      (message) => message.generation_id === generationId && message.status === status,
    );
  }

  about(generationId: string): LiveMessage[] {
    return this.messages.filter((message) => message.generation_id === generationId);
  }

  end(): Promise<{ code?: number; reason?: string }> {
    return this.#stack.until('the server to end the connection', async () => this.ended);
  }

  close(): void {
    this.#close();
  }
}

/** A WebSocket of the package `ws`, which is to live updates what a browser is. */
export class LiveSocket extends Inbox {
  readonly socket: WebSocket;

  private constructor(stack: TestStack, socket: WebSocket) {
    super(stack, () => socket.close());
    this.socket = socket;
    socket.on('message', (data) => {
      const text = String(data);
      if (text !== 'pong') this.take(text);
    });
    socket.on('close', (code, reason) => {
      this.ended = { code, reason: String(reason) };
    });
    socket.on('error', () => {}); // a lost connection is seen by its end
  }

  static open(user: TestUser, options: ListenOptions = {}): Promise<LiveSocket> {
    const { token = user.token, headers = {} } = options;
    const { protocols = ['picture-queue.v1', `bearer.${token}`] } = options;
    const url = user.stack.addresses.startGenerationUrl.replace('http', 'ws') + pathOf(options);
    // workerd keeps the TCP connection for some seconds after both sides have closed; browsers do not wait for
    // its end for as long as `ws` does by default.
    const socket = new WebSocket(url, protocols, { headers, closeTimeout: 500 } as ClientOptions);
    const listening = new LiveSocket(user.stack, socket);
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(listening));
      socket.once('error', reject);
      socket.once('unexpected-response', (_, answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        answer.once('end', () => {
          const answerHeaders = new Headers(
            Object.entries(answer.headers).map(([name, value]): [string, string] => [name, String(value)]),
          );
          const body = text ? JSON.parse(text) : null;
          reject(new Refused({ status: answer.statusCode ?? 0, headers: answerHeaders, body }));
        });
      });
    });
  }
}

/** Server-sent events, read from the answer of a plain `fetch` by the rules of the HTML standard. */
export class LiveStream extends Inbox {
  readonly headers: Headers;
  /** All `id:` fields, in order. */
  ids: string[] = [];
  /** The fields of each event, in order; a comment's line has the name ''. */
  fields: string[][] = [];

  private constructor(stack: TestStack, answer: Response, abort: AbortController) {
    super(stack, () => abort.abort());
    this.headers = answer.headers;
    void this.#read(answer);
  }

  static async open(user: TestUser, options: ListenOptions = {}): Promise<LiveStream> {
    const { token = user.token } = options;
    const abort = new AbortController();
    const answer = await fetch(user.stack.addresses.startGenerationUrl + pathOf(options), {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...options.headers },
      signal: abort.signal,
    });
    if (answer.status !== 200) {
      const text = await answer.text();
      throw new Refused({
        status: answer.status,
        headers: answer.headers,
        body: text ? JSON.parse(text) : null,
      });
    }
    return new LiveStream(user.stack, answer, abort);
  }

  async #read(answer: Response): Promise<void> {
    let text = '';
    try {
      for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk;
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) this.#event(block);
      }
      this.ended = {};
    } catch (error) {
      this.ended = { reason: String(error) };
    }
  }

  #event(block: string): void {
    const fields = block.split('\n').map((line) => /^([^:]*):? ?(.*)$/.exec(line)?.slice(1) ?? []);
    const of = (name: string) => fields.filter(([field]) => field === name).map(([, value]) => value ?? '');
    this.fields.push(fields.map(([field]) => field ?? ''));
    this.ids.push(...of('id'));
    this.take(of('data').join('\n'));
  }
}
