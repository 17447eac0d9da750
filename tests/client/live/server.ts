import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { COMPLETED, generation } from '../scripted.ts';

export type Kind = 'websocket' | 'sse';

/** How the server meets those who want to connect: as it should, with a status, or as proxies do. */
export type Manner = 'open' | number | 'hang' | 'buffer' | 'slam';

export interface Connection {
  kind: Kind;
  token: string;
  since: string | null;
  /** What the client has said; WebSocket only. */
  heard: string[];
  send(text: string): void;
  /** Ends it as told, or cuts the line. */
  close(code?: number): void;
}

export interface State {
  status: string;
  progress: number;
  seq: number;
  error?: { code: string; message: string };
  /** Messages of it do not tell where its picture is. */
  bare?: boolean;
}

const ENDS = ['completed', 'failed', 'cancelled'];

/**
 * A small server that speaks the live channel's messages over real sockets, and can be told to behave as
 * bad lines, proxies and servers do.
 */
export class LiveServer {
  readonly manners: Record<Kind, Manner> = { websocket: 'open', sse: 'open' };
  /** Every attempt to connect, also those that were refused. */
  readonly attempts: { kind: Kind; token: string; since: string | null }[] = [];
  readonly connections = new Set<Connection>();
  /** `GET /generations/g1` and the like. */
  readonly requests: string[] = [];
  readonly states = new Map<string, State>();
  /** Of images; null: it is deleted. */
  readonly marks = new Map<string, object | null>();
  /** Tokens that are accepted; undefined: any. */
  tokens: string[] | undefined;
  answersPings = true;
  /** All requests but those for the live channel are answered 503. */
  isAway = false;
  /** Answers of starts wait for it. */
  startMayAnswer: Promise<void> = Promise.resolve();
  #server = http.createServer((request, response) => this.#answer(request, response));
  #sockets = new Set<Socket>();
  #upgrades = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has('picture-queue.v1') ? 'picture-queue.v1' : false),
  });
  #seq = 1_000;

  static async start(): Promise<LiveServer> {
    const server = new LiveServer();
    server.#server.on('upgrade', (request, socket, head) => server.#upgrade(request, socket, head));
    server.#server.on('connection', (socket: Socket) => {
      server.#sockets.add(socket);
      socket.on('close', () => server.#sockets.delete(socket));
    });
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  of(kind: Kind): Connection[] {
    return [...this.connections].filter((one) => one.kind === kind);
  }

  /** Changes a generation, and tells of it unless the message is to be lost. */
  change(
    id: string,
    status: string,
    progress: number,
    more: { lost?: boolean } & Pick<State, 'error' | 'bare'> = {},
  ) {
    this.#seq += 10;
    const { lost, ...rest } = more;
    this.states.set(id, { status, progress, seq: this.#seq, ...rest });
    if (!lost) for (const connection of this.connections) connection.send(this.message(id));
  }

  message(id: string): string {
    const { status, progress, seq, error, bare } = this.states.get(id) as State;
    return JSON.stringify({
      type: 'generation',
      generation_id: id,
      batch_id: null,
      status,
      progress,
      queue_position: status === 'queued' ? 1 : null,
      estimated_seconds: null,
      ...(status === 'completed' && !bare ? { image_url: `https://pq.example/${id}.webp` } : {}),
      ...(error ? { error } : {}),
      seq,
    });
  }

  /** What a new connection is told: what is open, what has changed since, and that this was all. */
  #greet(connection: Connection) {
    this.connections.add(connection);
    for (const [id, { status, seq }] of this.states) {
      const isOpen = !ENDS.includes(status);
      if (isOpen || (connection.since && seq > Number(connection.since))) connection.send(this.message(id));
    }
    connection.send(JSON.stringify({ type: 'ready', seq: this.#seq }));
  }

  #upgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer) {
    const protocols = request.headers['sec-websocket-protocol'] ?? '';
    const token = /bearer\.([^, ]+)/.exec(protocols)?.[1] ?? '';
    // A client that gives up while it is refused resets the line.
    socket.on('error', () => {});
    const refusal = this.#meet('websocket', token, request);
    if (refusal === 'hang') return;
    if (refusal) return void socket.end(`HTTP/1.1 ${refusal} Refused\r\nconnection: close\r\n\r\n`);
    this.#upgrades.handleUpgrade(request, socket, head, (websocket: WebSocket) => {
      const connection: Connection = {
        ...this.#described('websocket', token, request),
        heard: [],
        send: (text) => websocket.send(text),
        close: (code) => (code ? websocket.close(code, 'as told') : websocket.terminate()),
      };
      websocket.on('message', (data) => {
        connection.heard.push(String(data));
        if (String(data) === 'ping' && this.answersPings) websocket.send('pong');
      });
      websocket.on('close', () => this.connections.delete(connection));
      if (this.manners.websocket === 'slam') websocket.close(1008);
      else this.#greet(connection);
    });
  }

  #stream(request: http.IncomingMessage, response: http.ServerResponse) {
    const token = (request.headers.authorization ?? '').replace('Bearer ', '');
    const refusal = this.#meet('sse', token, request);
    if (refusal === 'hang') return;
    if (refusal) return void response.writeHead(refusal, { 'retry-after': '1' }).end('{}');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    response.write('retry: 2000\n');
    let written = Promise.resolve();
    /** In two pieces: networks cut where they like. */
    const write = (text: string) => {
      written = written.then(async () => {
        response.write(text.slice(0, 9));
        await new Promise((resolve) => setImmediate(resolve));
        response.write(text.slice(9));
      });
    };
    const connection: Connection = {
      ...this.#described('sse', token, request),
      heard: [],
      send: (text) => {
        // A proxy that buffers passes nothing on.
        if (this.manners.sse === 'buffer') return;
        write(text.startsWith(':') ? `${text}\n` : `id: ${JSON.parse(text).seq}\ndata: ${text}\n\n`);
      },
      close: (code) => (code ? written.then(() => response.end()) : response.destroy()),
    };
    response.on('close', () => this.connections.delete(connection));
    this.#greet(connection);
  }

  #described(kind: Kind, token: string, request: http.IncomingMessage) {
    const since = new URL(request.url ?? '', this.url).searchParams.get('since');
    return { kind, token, since };
  }

  /** A status to refuse with. */
  #meet(kind: Kind, token: string, request: http.IncomingMessage): number | 'hang' | undefined {
    this.attempts.push(this.#described(kind, token, request));
    const manner = this.manners[kind];
    if (this.tokens && !this.tokens.includes(token)) return 401;
    return typeof manner === 'number' || manner === 'hang' ? manner : undefined;
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse) {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    if (pathname === '/events') return this.#stream(request, response);
    this.requests.push(`${request.method} ${request.url}`);
    const json = (body: unknown, status = 200) => response.writeHead(status).end(JSON.stringify(body));
    const token = (request.headers.authorization ?? '').replace('Bearer ', '');
    if (this.isAway) return json({ code: 'unavailable', detail: 'Away.' }, 503);
    if (this.tokens && !this.tokens.includes(token))
      return json({ code: 'unauthorized', detail: 'No.' }, 401);
    const [, collection, id, action] = pathname.split('/');
    if (collection === 'start-generation') return this.#start(request, json);
    if (collection === 'models') return json({ models: [{ id: 'o/m' }] });
    if (collection === 'usage')
      return json({ images: { used: this.states.size, left: null, resets_at: null } });
    if (collection === 'images') return this.#image(request, id ?? '', json);
    if (!id) return json(this.#page(searchParams));
    if (!this.states.has(id)) return json({ code: 'not_found', detail: 'There is none.' }, 404);
    if (request.method === 'DELETE') {
      this.states.delete(id);
      return json({ id, deleted: true });
    }
    if (action === 'rerun') return this.#start(request, json);
    if (action === 'retry') {
      this.change(id, 'queued', 0);
      return json(this.row(id), 202);
    }
    if (action === 'cancel') {
      if (ENDS.includes(this.states.get(id)?.status ?? ''))
        return json({ code: 'conflict', detail: 'Over.' }, 409);
      this.change(id, 'cancelled', 0);
      return json({ generation_id: id, status: 'cancelled' });
    }
    return json(this.row(id));
  }

  /** Starts one generation, or one for each prompt; `{ model_id: 'no/such' }` is refused. */
  async #start(request: http.IncomingMessage, json: (body: unknown, status: number) => void) {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { prompts = [''], model_id } = JSON.parse(text) as { prompts?: string[]; model_id?: string };
    await this.startMayAnswer;
    if (model_id === 'no/such')
      return json({ code: 'unknown_model', detail: 'There is no such model.' }, 404);
    const generations = prompts.map(() => {
      const id = `g${this.states.size + 1}`;
      this.change(id, 'queued', 0);
      return { generation_id: id, status: 'queued', queue_position: 1, estimated_seconds: null };
    });
    json({ ...generations[0], ...(prompts.length > 1 ? { batch_id: 'b1', generations } : {}) }, 202);
  }

  /** Images are those of the generations: `i1` of `g1`. Marks are kept, and a deletion, too. */
  async #image(request: http.IncomingMessage, id: string, json: (body: unknown, status?: number) => void) {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { ids = [id], ...marks } = JSON.parse(text || '{}') as { ids?: string[] };
    const known = ids.filter((one) => this.states.get(one.replace('i', 'g'))?.status === 'completed');
    if (id && known.length === 0) return json({ code: 'not_found', detail: 'There is none.' }, 404);
    if (request.method === 'DELETE') {
      this.marks.set(id, null);
      return json({ id, deleted: true });
    }
    for (const one of known) this.marks.set(one, { ...this.marks.get(one), ...marks });
    const images = known.flatMap((one) => this.row(one.replace('i', 'g')).images);
    json(id ? images[0] : { images });
  }

  #page(query: URLSearchParams) {
    const rows = [...this.states.keys()].toReversed().map((id) => this.row(id));
    const from = Number(query.get('cursor') ?? 0);
    const to = from + Number(query.get('limit') ?? 20);
    return { generations: rows.slice(from, to), next_cursor: to < rows.length ? String(to) : null };
  }

  /** As `GET /generations/{id}` answers. */
  row(id: string) {
    const { status, progress, error = null } = this.states.get(id) as State;
    const own = `i${id.slice(1)}`;
    const marks = this.marks.get(own);
    const images =
      status === 'completed' && marks !== null
        ? COMPLETED.images.map((image: object) => ({ ...image, id: own, ...marks }))
        : [];
    return generation(status, progress, {
      id,
      images,
      error,
      queue_position: status === 'queued' ? 1 : null,
      created_at: new Date(0).toISOString(),
    });
  }
}
