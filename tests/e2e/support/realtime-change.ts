import { client, databaseUrl } from '../../../dev/stack/postgres.ts';
import type { TestStack } from './stack.ts';

/** Supabase changing what is its own: the columns of Realtime's table of subscriptions. */
export interface RealtimeChange {
  rename(column: string, to: string): Promise<void>;
  /** Takes back what was changed. */
  undo(): Promise<void>;
  /** The same, and disconnects. */
  end(): Promise<void>;
}

/** The project's owner may not change the table: Supabase's own role does. */
export async function asSuperuser(stack: TestStack): Promise<RealtimeChange> {
  const url = stack.addresses.databaseUrl;
  const sql = client(databaseUrl(url, new URL(url).pathname.slice(1), 'supabase_admin'));
  const changed: [string, string][] = [];
  const rename = async (from: string, to: string) => {
    await sql`alter table realtime.subscription rename column ${sql(from)} to ${sql(to)}`;
  };
  const undo = async () => {
    for (const [from, to] of changed.splice(0).reverse()) await rename(to, from);
  };
  return {
    rename: async (from, to) => {
      await rename(from, to);
      changed.push([from, to]);
    },
    undo,
    end: async () => {
      await undo();
      await sql.end();
    },
  };
}
