import { createClient, type SupabaseClient } from '@supabase/supabase-js';

/** The official supabase-js on a scripted project: what a function of ours calls is what went over the wire. */

export interface Sent {
  method: string;
  /** Path and query, decoded: `/rest/v1/job_queue?select=*`. */
  path: string;
  body: unknown;
}

/** An answer; undefined stands for a list without rows. */
export type Answer = { status?: number; body: unknown } | undefined;

export interface Wire {
  supabase: SupabaseClient;
  sent: Sent[];
  /** What was sent, in a line each: `GET /rest/v1/…`. */
  lines(): string[];
}

/**
 * @param answer to a request; called with what was sent
 * @param channel in place of Realtime; without it there is none, as in Node before 22
 */
export function wire(answer: (sent: Sent) => Answer | Promise<Answer>, channel?: () => unknown): Wire {
  const sent: Sent[] = [];
  const supabase = createClient('https://project.example', 'key', {
    // A key of its own: supabase-js warns of two clients with one.
    auth: { persistSession: false, autoRefreshToken: false, storageKey: crypto.randomUUID() },
    global: {
      fetch: async (input, init) => {
        const { pathname, search } = new URL(String(input));
        const body = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined;
        const one = { method: init?.method ?? 'GET', path: decodeURIComponent(pathname + search), body };
        sent.push(one);
        const { status = 200, body: answered = [] } = (await answer(one)) ?? {};
        return Response.json(answered, { status });
      },
    },
  });
  supabase.channel = (channel ??
    (() => {
      throw new Error('no WebSocket');
    })) as SupabaseClient['channel'];
  return { supabase, sent, lines: () => sent.map(({ method, path }) => `${method} ${path}`) };
}

/** A row as `image_generations` has it, with what a test is about. */
export const row = (more: Record<string, unknown> = {}) => ({
  id: 'g1',
  status: 'queued',
  progress: 0,
  error_message: null,
  ...more,
});

/** What start-generation answers. */
export const STARTED = { success: true, generation_id: 'g1', job_id: 'j1', status: 'queued', message: '' };
