import { execFileSync } from 'node:child_process';
import { createRoles, prepareDatabase } from '../../../stack/supabase/index.ts';
import { MIGRATIONS } from '../../../stack/test-server.ts';
import { Client } from '../client.ts';
import { PAYLOAD_SQL, payload, type Queue, USERS, userSql } from '../queue.ts';

/** Picture Queue: all migrations of this project on a bare Supabase, as they are deployed. */
export const ours: Queue = {
  name: 'picture-queue',
  version: revision(),
  settings: { tuned: 'claims of 100' },

  async install(superuserUrl, url) {
    await createRoles(superuserUrl);
    const database = new URL(url).pathname.slice(1);
    await prepareDatabase({ superuserUrl, database, migrationsDir: MIGRATIONS });
    const client = new Client(url);
    await client.run(
      "insert into auth.users (id, email) select u, u || '@example.com' from unnest($1::uuid[]) as u",
      [USERS],
    );
    await client.end();
  },

  open: async (client) => ({
    async enqueue(jobs) {
      const [first] = jobs;
      if (jobs.length === 1 && first) {
        await client.run("select public.enqueue_job('generate-image', $1::text::jsonb)", [
          JSON.stringify(payload(first.user)),
        ]);
        return;
      }
      await client.run(
        "select public.enqueue_job('generate-image', p) from jsonb_array_elements($1::text::jsonb) as p",
        [JSON.stringify(jobs.map(({ user }) => payload(user)))],
      );
    },
    async claim(limit) {
      const rows = await client.run('select * from public.claim_jobs($1::int, 60)', [limit]);
      return rows.map((row) => ({ id: row.id, lease: row.lease, user: String(row.fair_key) }));
    },
    async complete(jobs) {
      const [first] = jobs;
      if (jobs.length === 1 && first) {
        await client.run('select public.complete_job($1::uuid, $2::bigint)', [first.id, first.lease]);
        return;
      }
      await client.run(
        'select public.complete_job(id, lease) from unnest($1::uuid[], $2::bigint[]) as done (id, lease)',
        [jobs.map(({ id }) => id), jobs.map(({ lease }) => lease)],
      );
    },
  }),

  // As enqueue_job leaves them: users in turns, created_by and fair_key the user; tomorrow's without a turn.
  async fill(client, waiting, tomorrow) {
    const columns = 'job_type, payload, created_by, fair_key';
    const values = `'generate-image', ${PAYLOAD_SQL}, ${userSql()}::uuid, ${userSql()}::uuid`;
    await client.script(`
      insert into public.job_queue (${columns}, priority, scheduled_at)
      select ${values}, 10, now() + interval '1 day' from generate_series(1, ${tomorrow}) as n;
      insert into public.job_queue (${columns}, turn)
      select ${values}, extract(epoch from now()) * 1000000 + n / ${USERS.length} from generate_series(1, ${waiting}) as n;`);
  },
};

function revision(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'this folder';
  }
}
