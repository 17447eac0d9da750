import { either } from './configure.ts';
import { follow, uncaught } from './follow.ts';
import { hasEnded, type JobUpdateCallback, versionOf } from './jobs.ts';
import type { JobQueueRow } from './rows.ts';
import { query, type SupabaseLike } from './supabase.ts';

/** How many of the newest jobs each poll reads; an index of the database serves no other order. */
const NEWEST = 50;

/** How many ids a URL can hold. */
const IDS = 100;

/** Follows a user's jobs, those to come as well, until it is unsubscribed from. What had ended before is not told. */
export const subscribeToUserJobs = /* @__PURE__ */ either(
  (supabase, userId: string, callback: JobUpdateCallback): (() => void) => {
    const forward = uncaught(callback);
    const seen = new Map<string, string>();
    let since: string | undefined;
    return follow(supabase, {
      table: 'job_queue',
      filter: `created_by=eq.${userId}`,
      event: '*',
      read: reader(supabase, userId),
      emit: (jobs) => {
        for (const job of jobs) {
          const before = seen.get(job.id);
          const now = versionOf(job);
          seen.set(job.id, now);
          const isOld = !before && hasEnded(job) && (since === undefined || job.created_at <= since);
          if (before !== now && !isOld) forward(job);
        }
        since ??= jobs.at(-1)?.created_at ?? '';
        return false;
      },
    });
  },
);

/** Reads the newest jobs, the open ones, and those that were open at the last poll: the oldest first. */
function reader(supabase: SupabaseLike, userId: string): () => Promise<JobQueueRow[]> {
  let open: string[] = [];
  const own = () =>
    supabase.from('job_queue').select('*').eq('created_by', userId).order('created_at', { ascending: false });
  return async () => {
    const found = new Map<string, JobQueueRow>();
    const add = async (asked: PromiseLike<{ data: unknown; error: unknown }>) => {
      for (const job of await query<JobQueueRow[]>(asked)) found.set(job.id, job);
    };
    await add(own().limit(NEWEST));
    let missing: string[] = [];
    if (found.size === NEWEST) {
      await add(own().in('status', ['pending', 'processing']));
      missing = open.filter((id) => !found.has(id));
      if (missing.length > 0) await add(own().in('id', missing.slice(0, IDS)));
    }
    const jobs = [...found.values()].sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
    open = [...jobs.filter((job) => !hasEnded(job)).map(({ id }) => id), ...missing.slice(IDS)];
    return jobs;
  };
}
