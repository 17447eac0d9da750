import type { Watched } from './apps/queue.ts';
import { fill, type Replay } from './replay.ts';

type Row = Record<string, unknown>;

/**
 * Subscribes by Supabase's own realtime-js, as the apps do.
 *
 * @returns waits until the row was told of with these values; from now on nothing is missed
 */
export async function subscribe(
  { user, values }: Replay,
  { table, event, filter }: Watched,
): Promise<(row: Row) => Promise<void>> {
  const told: Row[] = [];
  let wake = () => {};
  // A join that is sent before the token is known never gets it (2.119.1).
  await user.supabase.realtime.setAuth();
  const wanted = { schema: 'public', table, event, ...(filter && { filter: fill(filter, values) }) };
  const channel = user.supabase.channel(`${table}-${event}`);
  await new Promise<void>((resolve, reject) => {
    channel
      .on('system', {}, ({ status, message }) => (status === 'ok' ? resolve() : reject(new Error(message))))
      .on('postgres_changes', wanted as never, (change: { new: Row }) => {
        told.push(change.new);
        wake();
      })
      .subscribe();
  });
  return async (row) => {
    const isIt = (one: Row) => Object.entries(row).every(([name, value]) => one[name] === value);
    while (!told.some(isIt)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
}
