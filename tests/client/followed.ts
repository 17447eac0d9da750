import type { SupabaseLike } from '../../client/src/compat/index.ts';

/** Realtime, as supabase-js has it, and a table, each told when to do what. */
export function scripted(row: Record<string, unknown>) {
  let reads = 0;
  let message = () => {};
  let tellStatus = (_: string) => {};
  const removed: unknown[] = [];
  const asked: unknown[] = [];
  const channel = {
    on: (...on: unknown[]) => {
      asked.push(on.slice(0, 2));
      message = on[2] as () => void;
      return channel;
    },
    subscribe: (callback: (status: string) => void) => {
      tellStatus = callback;
      return channel;
    },
  };
  const builder = (table: string) => {
    const chain = {
      select: () => chain,
      eq: () => chain,
      limit: () => chain,
      maybeSingle: async () => {
        if (table === 'images') return { data: { public_url: 'https://x.example/1.webp' }, error: null };
        reads += 1;
        if (played.isGone) return { data: null, error: null };
        if (played.isDown) throw new TypeError('fetch failed');
        return { data: { ...row }, error: null };
      },
    };
    return chain;
  };
  const supabase = {
    channel: () => channel,
    removeChannel: (gone: unknown) => removed.push(gone),
    from: builder,
  } as unknown as SupabaseLike;
  const played = {
    isGone: false,
    isDown: false,
    supabase,
    row,
    removed,
    channel,
    asked,
    reads: () => reads,
    status: (status: string) => tellStatus(status),
    message: () => message(),
  };
  return played;
}

/** One that waits, as the table has it. */
export const ROW = { id: 'g1', job_id: 'j1', status: 'pending', progress: 0, error_message: null };
