/** The migrations of a database in use. */
import path from 'node:path';
import { lockComplaints } from '../migrations/locks.ts';
import { readFolder } from '../migrations/released.ts';
import { ROOT } from '../run.mjs';
import { UserError } from '../user-error.mjs';
import type { Options } from './options.ts';
import type { Outcome } from './run.ts';
import type { Supabase } from './supabase.ts';

/** Refused before anything runs: a migration that could hold up the queue. */
export async function migrate(options: Options, supabase: Supabase): Promise<Outcome> {
  if (!options.database) return { unchecked: 'left as it is, as you asked' };
  const pending = await supabase.pending();
  if (pending.length === 0) return { unchanged: 'unchanged, it has every migration' };
  const wrong = await complaintsOf(pending);
  if (wrong.length > 0)
    throw new UserError(
      `nothing was applied, because the queue could stand still for more than a second:\n    ${wrong.join('\n    ')}\n  docs/operations/deploy.md#migrations-of-a-database-in-use has the ways out.`,
    );
  await supabase.push();
  return { done: `${pending.join(', ')} applied` };
}

/** What of these pending migrations could hold up the queue; the first set, of an empty database, is not asked. */
export async function complaintsOf(pending: string[]): Promise<string[]> {
  const all = [...(await readFolder(path.join(ROOT, 'supabase'))).keys()];
  return all.some((file) => !pending.includes(file)) ? lockComplaints(pending) : [];
}
