// PostgreSQL 15 with pg_cron and plpgsql_check, for the database tests: hosted projects on it exist.
import fs from 'node:fs';
import path from 'node:path';
import { aptOf, installDebians, isDebian, updateLists } from './debian.mjs';

/** Where Debian puts it. */
export const POSTGRES_15 = '/usr/lib/postgresql/15';
const PACKAGES = ['postgresql-15', 'postgresql-15-cron', 'postgresql-15-plpgsql-check'];
const FILES = ['bin/postgres', 'bin/initdb', 'bin/pg_config', 'lib/pg_cron.so', 'lib/plpgsql_check.so'];
/** Debian's package would make a server of its own, on the usual port. */
const NO_SERVER = '/etc/postgresql-common/createcluster.d/picture-queue.conf';

export const thisMachine = {
  platform: process.platform,
  ...aptOf(
    'Check the network connection and run the command again; npm test -- PART … runs other parts alone.',
  ),
  has: (file) => fs.existsSync(file),
  /** Does it with no server being made by a package of PostgreSQL that is installed meanwhile. */
  withoutServer: async (work) => {
    fs.mkdirSync(path.dirname(NO_SERVER), { recursive: true });
    fs.writeFileSync(NO_SERVER, 'create_main_cluster = false\n');
    try {
      await work();
    } finally {
      fs.rmSync(NO_SERVER, { force: true });
    }
  },
};

/**
 * The folder of its programs; a Debian machine that we are root of gets it if there is none.
 *
 * @returns `{ bin }`, or `{ missing }`: a sentence that says why it cannot be had
 */
export async function ensurePostgres15(machine = thisMachine) {
  const found = () => FILES.every((file) => machine.has(path.join(POSTGRES_15, file)));
  const bin = path.join(POSTGRES_15, 'bin');
  if (found()) return { bin };
  if (!isDebian(machine)) return { missing: 'it needs the packages of Debian 12' };
  if (!machine.isRoot)
    return { missing: `they are not installed: sudo apt-get install ${PACKAGES.join(' ')}` };
  if (!(await machine.aptKnows(PACKAGES[0]))) {
    await updateLists(machine);
    if (!(await machine.aptKnows(PACKAGES[0]))) {
      return { missing: 'this version of Debian has no package postgresql-15' };
    }
  }
  await machine.withoutServer(() => installDebians(machine, 'installing PostgreSQL 15', PACKAGES));
  return found() ? { bin } : { missing: `Debian's packages left out one of ${FILES.join(', ')}` };
}
