/** The requests that are measured, one function each. */
import { randomUUID } from 'node:crypto';
import { fileUrl } from './answers.ts';
import { type Reply, send } from './client.ts';
import { webhookHeaders } from './identities.ts';
import { imageFile } from './image-file.ts';
import { generateJob, prediction, START } from './samples.ts';
import { DOOR, type RunningSide } from './sides.ts';
import type { Upstream } from './upstream.ts';

export const SMALL = 21_000;
export const MB = 1_000_000;
export const SEVERAL_MB = 5;

/** The largest upload. */
export const LARGEST_UPLOAD = 10 * 1024 * 1024;

function expect(reply: Reply, status: number, what: string): void {
  if (reply.status !== status) throw new Error(`${what} was answered ${reply.status}: ${reply.text}`);
}

/** One side's requests. */
export class Load {
  readonly side: RunningSide;
  readonly upstream: Upstream;

  constructor(side: RunningSide, upstream: Upstream) {
    this.side = side;
    this.upstream = upstream;
  }

  #send(
    index: number,
    method: string,
    url: string,
    headers: Record<string, string> = {},
    body?: string | Buffer,
  ): Promise<Reply> {
    const { users, agent } = this.side;
    const authorization = `Bearer ${users[index % users.length]?.token}`;
    return send(agent, method, url, { authorization, ...headers }, body);
  }

  #start(index: number, worker: string): Promise<Reply> {
    const headers = { 'content-type': 'application/json' };
    return this.#send(index, 'POST', `${this.side.urls[worker]}/start-generation`, headers, START);
  }

  /** `POST /start-generation`, without what follows from it. */
  async start(index: number): Promise<Reply> {
    const reply = await this.#start(index, DOOR);
    expect(reply, 202, 'a start');
    return reply;
  }

  /** `GET /generations/{id}`. */
  async read(index: number): Promise<Reply> {
    const reply = await this.#send(index, 'GET', `${this.side.urls[DOOR]}/generations/${randomUUID()}`);
    expect(reply, 200, 'a read');
    return reply;
  }

  /** An image, from its start until it is stored; the stub decides on its size. */
  async image(index: number): Promise<Reply> {
    const reply = await this.#start(index, 'start-generation');
    expect(reply, 202, 'a start');
    const { job_id: jobId } = JSON.parse(reply.text) as { job_id: string };
    await this.upstream.stored(jobId);
    return reply;
  }

  /** The webhook at the end of an image of so many bytes, until it is stored. */
  async webhook(bytes: number): Promise<Reply> {
    const jobId = randomUUID();
    const url = `${this.side.urls['process-generation']}/webhooks/replicate?job=${jobId}&lease=1&attempts=0`;
    const { origin } = this.upstream;
    const body = JSON.stringify(prediction(origin, url, fileUrl(origin, bytes)));
    const reply = await send(this.side.agent, 'POST', url, webhookHeaders(body), body);
    expect(reply, 200, 'a webhook');
    await this.upstream.stored(jobId);
    return reply;
  }

  /** `POST /sources` with a file of so many bytes. */
  async upload(index: number, bytes: number): Promise<Reply> {
    const headers = { 'content-type': 'image/png' };
    const reply = await this.#send(
      index,
      'POST',
      `${this.side.urls[DOOR]}/sources`,
      headers,
      imageFile(bytes),
    );
    expect(reply, 201, 'an upload');
    return reply;
  }

  /** A wake-up that hands so many jobs over. */
  async wakeUp(jobs: number, more: boolean): Promise<Reply> {
    const body = JSON.stringify({ jobs: Array.from({ length: jobs }, () => generateJob()), more });
    const headers = { 'content-type': 'application/json' };
    const reply = await this.#send(0, 'POST', `${this.side.urls.caller}/process-jobs`, headers, body);
    expect(reply, 200, 'a wake-up');
    return reply;
  }

  /** A run of the cron trigger. */
  async sweep(): Promise<void> {
    const query = new URLSearchParams({ cron: '* * * * *', time: String(Date.now()) });
    const reply = await this.#send(0, 'POST', `${this.side.cronUrl}/process-jobs?${query}`);
    expect(reply, 200, 'a scheduled event');
    if (!reply.text.includes('"ok"')) throw new Error(`the scheduled event ended with ${reply.text}`);
  }
}
