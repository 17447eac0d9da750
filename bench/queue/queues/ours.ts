import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createRoles, prepareDatabase } from '../../../dev/stack/supabase/index.ts';
import { MIGRATIONS } from '../../../dev/stack/test-server.ts';
import { Client } from '../client.ts';
import { newJobs, PAYLOAD_SQL, payload, type Queue, type Session, USERS, userSql } from '../queue.ts';

/** Jobs in one call of a backlog, the most that one takes. */
const STEP = 1_000;
const DAY_MS = 86_400_000;

interface Schema {
  name: string;
  version: string;
  /** Folder of its migrations. */
  migrations: string;
  fill: NonNullable<Queue['fill']>;
}

/** Picture Queue by its functions, all migrations of a folder on a bare Supabase, as they are deployed. */
function pictureQueue({ name, version, migrations, fill }: Schema): Queue {
  return {
    name,
    version,
    alwaysFair: true,
    settings: {
      tuned: 'a plan without a limit on running jobs, calls of 100',
      promise: 'users in turns, at most five running jobs of each at any time, exactly',
    },

    async install(superuserUrl, url) {
      await createRoles(superuserUrl);
      const database = new URL(url).pathname.slice(1);
      await prepareDatabase({ superuserUrl, database, migrationsDir: migrations });
      const client = new Client(url);
      await client.run(
        "insert into auth.users (id, email) select u, u || '@example.com' from unnest($1::uuid[]) as u",
        [USERS],
      );
      await client.end();
    },

    async open(client, mode) {
      await limitRunningJobs(client, mode === 'tuned' ? null : 5); // five is the default
      return session(client);
    },
    fill,
    sweep: "select public.record_sweep('{}')",
  };
}

/** The present one. */
export const ours: Queue = pictureQueue({
  name: 'picture-queue',
  version: revision(),
  migrations: MIGRATIONS,
  async fill(client, waiting, tomorrow) {
    await limitRunningJobs(client, null);
    const { enqueue } = session(client);
    for (let n = 0; n < tomorrow; n += STEP) {
      const jobs = newJobs(Math.min(STEP, tomorrow - n), n);
      await enqueue(jobs.map((job) => ({ ...job, tomorrow: true })));
    }
    for (let n = 0; n < waiting; n += STEP) await enqueue(newJobs(Math.min(STEP, waiting - n), n));
  },
});

/** The one before its engine was written anew; see ../before. */
export const before: Queue = pictureQueue({
  name: 'before',
  version: '9425c03',
  migrations: fileURLToPath(new URL('../before', import.meta.url)),
  // As its enqueue_jobs leaves them where nothing limits what runs: users in turns, tomorrow's not ready.
  async fill(client, waiting, tomorrow) {
    const columns = 'job_type, payload, created_by, fair_key';
    const values = `'generate-image', ${PAYLOAD_SQL}, ${userSql()}::uuid, ${userSql()}::uuid`;
    await client.script(`
      insert into private.lanes (fair_key, job_type, active, granted)
      select id, 'generate-image', ${waiting / USERS.length}, 0 from auth.users;
      insert into public.job_queue (${columns}, priority, scheduled_at)
      select ${values}, 10, now() + interval '1 day' from generate_series(1, ${tomorrow}) as n;
      insert into public.job_queue (${columns}, ready_at, slot, turn)
      select ${values}, now(), true, extract(epoch from now()) * 1000000 + n / ${USERS.length} * 10000000::bigint
      from generate_series(1, ${waiting}) as n;`);
  },
});

async function limitRunningJobs(client: Client, limit: number | null): Promise<void> {
  await client.run("update private.plans set running_jobs = $1::int where name = 'default'", [limit]);
}

function session(client: Client): Session {
  return {
    async enqueue(jobs) {
      const [first] = jobs;
      if (jobs.length === 1 && first && !first.tomorrow) {
        await client.run("select public.enqueue_job('generate-image', $1::text::jsonb)", [
          JSON.stringify(payload(first.user)),
        ]);
        return;
      }
      const list = jobs.map(({ user, tomorrow }) => ({
        job_type: 'generate-image',
        payload: payload(user),
        ...(tomorrow ? { priority: 10, scheduled_at: new Date(Date.now() + DAY_MS) } : {}),
      }));
      await client.run('select public.enqueue_jobs($1::text::jsonb)', [JSON.stringify(list)]);
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
      await client.run('select public.complete_jobs($1::uuid[], $2::bigint[])', [
        jobs.map(({ id }) => id),
        jobs.map(({ lease }) => lease),
      ]);
    },
  };
}

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
