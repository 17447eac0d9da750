import fs from 'node:fs/promises';
import { Client } from '../client.ts';
import { PAYLOAD_SQL, payload, type Queue } from '../queue.ts';

/** The queue that this project replaces. It knows single jobs only: ten are ten calls in one statement. */
export const original: Queue = {
  name: 'original',
  version: 'October 2025, written anew',
  settings: {
    tuned: 'ten calls in one statement; a hundred are slower',
    size: 10,
    promise: 'nothing between users: the oldest first',
  },

  async install(_superuserUrl, url) {
    const client = new Client(url);
    await client.script(await fs.readFile(new URL('original.sql', import.meta.url), 'utf8'));
    await client.end();
  },

  open: async (client) => ({
    async enqueue(jobs) {
      await client.run(
        "select enqueue_job('generate-image', p) from jsonb_array_elements($1::text::jsonb) as p",
        [JSON.stringify(jobs.map(({ user }) => payload(user)))],
      );
    },
    async claim(limit) {
      const text =
        limit === 1
          ? 'select * from claim_next_job()'
          : 'select job.* from generate_series(1, $1::int) as n cross join lateral claim_next_job(case when n > 0 then null::text[] end) as job';
      const rows = await client.run<{ id: string; payload: { user_id: string } }>(
        text,
        limit === 1 ? [] : [limit],
      );
      return rows.map((row) => ({ id: row.id, user: row.payload.user_id }));
    },
    async complete(jobs) {
      await client.run('select complete_job(id) from unnest($1::uuid[]) as id', [jobs.map(({ id }) => id)]);
    },
  }),

  async fill(client, waiting, tomorrow) {
    await client.script(`
      insert into job_queue (job_type, payload, priority, scheduled_at)
      select 'generate-image', ${PAYLOAD_SQL}, 10, now() + interval '1 day' from generate_series(1, ${tomorrow}) as n;
      insert into job_queue (job_type, payload)
      select 'generate-image', ${PAYLOAD_SQL} from generate_series(1, ${waiting}) as n;`);
  },
};
