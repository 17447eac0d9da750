import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { parseOptions } from '../../dev/stack/options.ts';
import { client, startPostgres } from '../../dev/stack/postgres.ts';

// `--postgres-bin`: another PostgreSQL than the one that npm installed.

const DEBIANS = '/usr/lib/postgresql/15/bin';

let dir: string;

beforeEach(async () => {
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'postgres-bin-'));
  await fs.chmod(dir, 0o755); // as root Postgres runs as another user
  return () => fs.rm(dir, { recursive: true, force: true });
});

/** A folder with programs that say this version. */
async function programs(version: string): Promise<string> {
  for (const name of ['postgres', 'initdb']) {
    await fs.writeFile(path.join(dir, name), `#!/bin/sh\necho "${name} (PostgreSQL) ${version}"\n`, {
      mode: 0o755,
    });
  }
  return dir;
}

test('the option is a folder, as seen from where npm was called', () => {
  expect(parseOptions([])?.postgresBin).toBeUndefined();
  expect(parseOptions(['--postgres-bin', DEBIANS])?.postgresBin).toBe(DEBIANS);
  expect(parseOptions(['--postgres-bin', 'pg/bin'])?.postgresBin).toBe(
    path.resolve(process.env.INIT_CWD ?? '.', 'pg/bin'),
  );
});

test('a folder without the programs is refused', async () => {
  await expect(startPostgres({ dir: path.join(dir, 'data'), binDir: dir })).rejects.toThrow(
    `--postgres-bin takes the folder of a PostgreSQL's programs, for example /usr/lib/postgresql/15/bin; ${dir}/postgres is no program.`,
  );
});

test('an old version is refused', async () => {
  const binDir = await programs('14.22 (Debian 14.22-1)');
  await expect(startPostgres({ dir: path.join(dir, 'data'), binDir })).rejects.toThrow(
    `${dir}/postgres is postgres (PostgreSQL) 14.22 (Debian 14.22-1): PostgreSQL 15 or newer is needed.`,
  );
});

test('data of another version is left alone, with the ways out', async () => {
  const binDir = await programs('16.4');
  const data = path.join(dir, 'data');
  await fs.mkdir(data);
  await fs.writeFile(path.join(data, 'PG_VERSION'), '17\n');
  await expect(startPostgres({ dir: data, binDir })).rejects.toThrow(
    `The data in ${data} was made by PostgreSQL 17 and this is 16: use the 17 of before (--postgres-bin), another folder (--dir), or start with --fresh.`,
  );
  expect(await fs.readdir(data)).toEqual(['PG_VERSION']);
});

test.runIf(existsSync(`${DEBIANS}/postgres`))(
  'Debian’s PostgreSQL 15 runs, sorts by code point and knows letters',
  async () => {
    const server = await startPostgres({ dir: path.join(dir, 'data'), binDir: DEBIANS, durable: false });
    try {
      const sql = client(server.superuserUrl);
      expect(
        await sql`select current_setting('server_version_num')::int / 10000 as major,
      (select string_agg(t, '' order by t) from unnest('{b,É,a,B}'::text[]) as t) as sorted, lower('É') as lower`,
      ).toEqual([{ major: 15, sorted: 'BabÉ', lower: 'é' }]);
      await sql.end();
    } finally {
      await server.stop();
    }
  },
);
