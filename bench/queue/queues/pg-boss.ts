import { PgBoss } from 'pg-boss';
import { Client } from '../client.ts';
import { installedVersion } from '../installed.ts';
import { type Mode, payload, type Queue } from '../queue.ts';

const NAMES: Record<Mode, string> = { plain: 'images', tuned: 'images-apart', fair: 'images' };
const PER_USER = 5;

/** pg-boss by its own methods; only the connection is ours, so that its statements are prepared too. */
export const pgBoss: Queue = {
  name: 'pg-boss',
  version: installedVersion('pg-boss'),
  settings: {
    tuned: 'a table of its own for the queue (partition), batches of 100',
    fair: `group per user, groupConcurrency ${PER_USER}`,
    promise: `at most ${PER_USER} running jobs of a user as each fetch counts them, so that two at the same moment may pass it; no turns: the oldest first`,
  },

  async install(_superuserUrl, url) {
    const client = new Client(url);
    const boss = await start(client);
    await boss.createQueue(NAMES.plain);
    await boss.createQueue(NAMES.tuned, { partition: true });
    await boss.stop({ graceful: false });
    await client.end();
  },

  async open(client, mode) {
    const boss = await start(client);
    const name = NAMES[mode];
    const group = (user: string) => (mode === 'fair' ? { group: { id: user } } : {});
    return {
      close: () => boss.stop({ graceful: false }),
      async enqueue(jobs) {
        const [first] = jobs;
        if (jobs.length === 1 && first && !first.tomorrow) {
          await boss.send(name, payload(first.user), group(first.user));
          return;
        }
        await boss.insert(
          name,
          jobs.map(({ user, tomorrow }) => ({
            data: payload(user),
            ...group(user),
            ...(tomorrow ? { priority: 10, startAfter: new Date(Date.now() + 86_400_000) } : {}),
          })),
        );
      },
      async claim(limit) {
        const rows = await boss.fetch<{ user_id: string }>(name, {
          batchSize: limit,
          ...(mode === 'fair' ? { groupConcurrency: PER_USER } : {}),
        });
        return rows.map((row) => ({ id: row.id, user: row.data.user_id }));
      },
      async complete(jobs) {
        await boss.complete(
          name,
          jobs.map(({ id }) => String(id)),
        );
      },
    };
  },
};

async function start(client: Client): Promise<PgBoss> {
  const db = {
    async executeSql(text: string, values: unknown[] = []) {
      const rows = await client.run(text, values);
      // A script answers one result per statement.
      return 'command' in rows ? { rows } : (rows.map((one) => ({ rows: one })) as never);
    },
  };
  const boss = new PgBoss({ db, supervise: false, schedule: false });
  boss.on('error', (error) => {
    throw error;
  });
  await boss.start();
  return boss;
}
