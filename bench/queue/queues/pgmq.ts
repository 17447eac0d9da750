import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Client } from '../client.ts';
import { type Missing, payload, type Queue } from '../queue.ts';

const CRATE = 'pgmq-0.33.7';
const NAME = 'images';

/** pgmq by its SQL functions. A claim is `read` with a visibility timeout, completion is `delete`. */
export async function pgmq(): Promise<Queue | Missing> {
  const embedded = await findCrate();
  if (!embedded) {
    return {
      name: 'pgmq',
      missing: `its SQL comes with the crate ${CRATE}, which is not in ~/.cargo; to have it: cargo new --lib /tmp/get-pgmq && cd /tmp/get-pgmq && cargo add pgmq@${CRATE.slice(5)} && cargo fetch`,
    };
  }
  const control = await fs.readFile(path.join(embedded, 'pgmq.control'), 'utf8');
  return {
    name: 'pgmq',
    version: /default_version = '(.+)'/.exec(control)?.[1] ?? CRATE,
    settings: {
      tuned: 'batches of 100',
      fair: 'header x-pgmq-group = user, read_grouped_rr, its FIFO index',
      promise:
        'one message of each user in turn within a read, and the order of each kept: while its oldest is under way a user gets nothing',
    },

    async install(_superuserUrl, url) {
      const client = new Client(url);
      await client.script(await fs.readFile(path.join(embedded, 'sql', 'pgmq.sql'), 'utf8'));
      await client.run('select pgmq.create($1::text)', [NAME]);
      await client.end();
    },

    async open(client, mode) {
      if (mode === 'fair') await client.run('select pgmq.create_fifo_index($1::text)', [NAME]);
      const read = mode === 'fair' ? 'pgmq.read_grouped_rr' : 'pgmq.read';
      const headers = (user: string) => (mode === 'fair' ? { 'x-pgmq-group': user } : {});
      return {
        async enqueue(jobs) {
          const [first] = jobs;
          if (jobs.length === 1 && first && mode !== 'fair') {
            await client.run('select * from pgmq.send($1::text, $2::text::jsonb)', [
              NAME,
              JSON.stringify(payload(first.user)),
            ]);
            return;
          }
          const list = JSON.stringify(
            jobs.map(({ user }) => ({ msg: payload(user), headers: headers(user) })),
          );
          const part = (key: string) =>
            `array(select j -> '${key}' from jsonb_array_elements($2::text::jsonb) as j)`;
          if (mode === 'fair') {
            await client.run(`select * from pgmq.send_batch($1::text, ${part('msg')}, ${part('headers')})`, [
              NAME,
              list,
            ]);
            return;
          }
          await client.run(`select * from pgmq.send_batch($1::text, ${part('msg')}, $3::int)`, [
            NAME,
            list,
            first?.tomorrow ? 86_400 : 0,
          ]);
        },
        async claim(limit) {
          const rows = await client.run<{ msg_id: string; message: { user_id: string } }>(
            `select * from ${read}($1::text, 60, $2::int)`,
            [NAME, limit],
          );
          return rows.map((row) => ({ id: row.msg_id, user: row.message.user_id }));
        },
        async complete(jobs) {
          const [first] = jobs;
          if (jobs.length === 1 && first) {
            await client.run('select pgmq.delete($1::text, $2::bigint)', [NAME, first.id]);
            return;
          }
          await client.run('select * from pgmq.delete($1::text, $2::bigint[])', [
            NAME,
            jobs.map(({ id }) => id),
          ]);
        },
      };
    },
  };
}

async function findCrate(): Promise<string | undefined> {
  const sources = path.join(process.env.CARGO_HOME || path.join(os.homedir(), '.cargo'), 'registry', 'src');
  for (const registry of await fs.readdir(sources).catch(() => [])) {
    const embedded = path.join(sources, registry, CRATE, 'src', 'install', 'embedded');
    if (existsSync(path.join(embedded, 'sql', 'pgmq.sql'))) return embedded;
  }
  return undefined;
}
