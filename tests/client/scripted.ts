import type { ClientOptions, FetchLike, RequestLike } from '../../client/src/index.ts';
import { createClient } from '../../client/src/index.ts';

export interface Sent {
  url: string;
  request: RequestLike;
  /** Date.now() when it was sent. */
  at: number;
}

type Step = Response | Error | 'silence' | ((sent: Sent) => Response);

export interface Script {
  fetch: FetchLike;
  sent: Sent[];
}

/** A `fetch` that plays one step for each request; the last one over and over. */
export function script(...steps: Step[]): Script {
  const sent: Sent[] = [];
  return {
    sent,
    fetch: async (url, request) => {
      const step = steps[Math.min(sent.length, steps.length - 1)];
      const now = { url, request, at: Date.now() };
      sent.push(now);
      if (step === 'silence') return new Promise(() => {});
      if (step instanceof Error) throw step;
      if (typeof step === 'function') return step(now);
      if (!step) throw new Error('the script has no step');
      return step.clone();
    },
  };
}

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });

export const problem = (status: number, code: string, more = {}, headers: Record<string, string> = {}) =>
  json({ status, code, detail: `It is ${code}.`, ...more }, status, { 'x-request-id': 'r-1', ...headers });

export const client = (fetch: FetchLike, more: Partial<ClientOptions> = {}) =>
  createClient({
    url: 'https://pq.example/functions/v1/',
    getToken: () => 'token',
    fetch,
    live: 'polling',
    ...more,
  });

export const STARTED = {
  success: true,
  generation_id: 'g1',
  job_id: 'j1',
  status: 'queued',
  message: 'Generation queued.',
  queue_position: 2,
  estimated_seconds: 9,
  urls: {},
};

export const generation = (status: string, progress: number, more = {}) => ({
  id: 'g1',
  batch_id: null,
  status,
  progress,
  queue_position: null,
  estimated_seconds: null,
  error: null,
  images: [],
  ...more,
});

export const IMAGE = {
  id: 'i1',
  url: 'https://pq.example/i1.webp',
  format: 'webp',
  width: 8,
  height: 8,
  bytes: 9,
};
export const COMPLETED = generation('completed', 100, { images: [IMAGE] });
