import { expect, test } from 'vitest';
import { ensurePostgres15, type Machine, POSTGRES_15 } from '../../scripts/postgres15.mjs';

/** A machine with or without it; what apt is asked to do is kept. */
function machine(has: boolean, more: Partial<Machine> = {}) {
  const asked: string[] = [];
  const fake: Machine = {
    platform: 'linux',
    isRoot: true,
    osRelease: () => 'ID=debian\nVERSION_ID="12"\n',
    has: () => has,
    aptKnows: async () => true,
    apt: async (_title, args) => {
      asked.push(args.join(' '));
      if (args[0] === 'install') has = true;
    },
    withoutServer: async (work) => {
      asked.push('no server');
      await work();
      asked.push('servers again');
    },
    ...more,
  };
  return { fake, asked };
}

const INSTALL =
  'install -y --no-install-recommends postgresql-15 postgresql-15-cron postgresql-15-plpgsql-check';
const HERE = { bin: `${POSTGRES_15}/bin` };

test('what is there is used', async () => {
  const { fake, asked } = machine(true, { isRoot: false, platform: 'darwin' });
  expect(await ensurePostgres15(fake)).toEqual(HERE);
  expect(asked).toEqual([]);
});

test("root of a Debian machine gets Debian's, and no server on the usual port", async () => {
  const { fake, asked } = machine(false);
  expect(await ensurePostgres15(fake)).toEqual(HERE);
  expect(asked).toEqual(['no server', INSTALL, 'servers again']);
});

test('after the lists, where apt has none', async () => {
  let knows = false;
  const { fake, asked } = machine(false, { aptKnows: async () => knows });
  const { apt } = fake;
  fake.apt = async (title, args) => {
    knows = true;
    await apt(title, args);
  };
  expect(await ensurePostgres15(fake)).toEqual(HERE);
  expect(asked).toEqual(['update', 'no server', INSTALL, 'servers again']);
});

test.each<[string, Partial<Machine>, string]>([
  ['macOS', { platform: 'darwin' }, 'it needs the packages of Debian 12'],
  ['Ubuntu', { osRelease: () => 'ID=ubuntu\nID_LIKE=debian\n' }, 'it needs the packages of Debian 12'],
  ['a user', { isRoot: false }, 'they are not installed: sudo apt-get install postgresql-15 '],
  ['a newer Debian', { aptKnows: async () => false }, 'this version of Debian has no package postgresql-15'],
])('%s is told why not', async (_, more, sentence) => {
  const { fake, asked } = machine(false, more);
  expect((await ensurePostgres15(fake)) as { missing: string }).toEqual({
    missing: expect.stringContaining(sentence),
  });
  expect(asked).not.toContain(INSTALL);
});
