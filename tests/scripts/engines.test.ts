import { describe, expect, test } from 'vitest';
import { ensureFirefox, ensureWebKit, findWebKit, type Machine } from '../../scripts/engines.mjs';

/** A machine with these programs; what apt is asked to do is kept, and brings what it is asked for. */
function machine(programs: string[], more: Partial<Machine> = {}) {
  const asked: string[] = [];
  const brings: Record<string, string> = {
    'webkit2gtk-driver': '/usr/bin/WebKitWebDriver',
    xvfb: '/usr/bin/Xvfb',
    'firefox-esr': '/usr/bin/firefox-esr',
  };
  const fake: Machine = {
    platform: 'linux',
    env: { PATH: '/opt/bin:/usr/bin' },
    isRoot: true,
    osRelease: () => 'ID=debian\n',
    has: (file) => programs.includes(file),
    starts: async (file) => programs.includes(file),
    aptKnows: async () => true,
    apt: async (_title, args) => {
      asked.push(args.join(' '));
      programs.push(...args.flatMap((name) => brings[name] ?? []));
    },
    ...more,
  };
  return { fake, asked };
}

const UBUNTU = 'ID=ubuntu\nID_LIKE=debian\n';

describe('WebKitGTK', () => {
  const INSTALL = 'install -y --no-install-recommends webkit2gtk-driver xvfb';
  const HERE = ['/opt/bin/WebKitWebDriver', '/usr/bin/Xvfb'];

  test('is where its driver and a screen are', () => {
    expect(findWebKit(machine(HERE).fake)).toEqual({ driver: HERE[0], xvfb: HERE[1] });
    expect(findWebKit(machine(HERE.slice(1)).fake)).toBeUndefined();
  });

  test('that is there is left as it is', async () => {
    const { fake, asked } = machine([...HERE], { isRoot: false, osRelease: () => UBUNTU });
    expect(await ensureWebKit(fake)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test("root of a Debian machine gets Debian's", async () => {
    const { fake, asked } = machine([]);
    expect(await ensureWebKit(fake)).toBeUndefined();
    expect(asked).toEqual([INSTALL]);
  });

  test.each<[string, Partial<Machine>, string]>([
    ['macOS', { platform: 'darwin', osRelease: () => '' }, 'it needs webkit2gtk-driver and xvfb'],
    ['Ubuntu', { osRelease: () => UBUNTU }, 'it needs webkit2gtk-driver and xvfb'],
    ['a user', { isRoot: false }, 'it is not installed: sudo apt-get install webkit2gtk-driver xvfb'],
    ['packages that have changed', { apt: async () => {} }, "Debian's packages left out one of"],
  ])('%s is told why not', async (_, more, sentence) => {
    const { fake, asked } = machine([], more);
    expect(await ensureWebKit(fake)).toContain(sentence);
    expect(asked).toEqual([]);
  });
});

describe('Firefox', () => {
  const INSTALL = 'install -y --no-install-recommends firefox-esr';

  test.each<[string, Partial<Machine>]>([
    ['/usr/bin/firefox', {}],
    ['/opt/bin/firefox-esr', {}],
    ['/Applications/Firefox.app/Contents/MacOS/firefox', { platform: 'darwin' }],
    ['/opt/nightly/firefox', { env: { FIREFOX_PATH: '/opt/nightly/firefox' } }],
  ])('is found: %s', async (file, more) => {
    const { fake, asked } = machine([file], { isRoot: false, ...more });
    expect(await ensureFirefox(fake)).toBe(file);
    expect(asked).toEqual([]);
  });

  test("root of a Debian machine gets Debian's", async () => {
    const { fake, asked } = machine([]);
    expect(await ensureFirefox(fake)).toBe('/usr/bin/firefox-esr');
    expect(asked).toEqual([INSTALL]);
  });

  test.each<[string, Partial<Machine>, string]>([
    ['Ubuntu, with a stub', { osRelease: () => UBUNTU }, 'Install it from https://www.firefox.com'],
    ['macOS', { platform: 'darwin', osRelease: () => '' }, 'or set FIREFOX_PATH'],
    ['a user', { isRoot: false }, `Run: sudo apt-get ${INSTALL}, or set FIREFOX_PATH.`],
    ['a wrong FIREFOX_PATH', { env: { FIREFOX_PATH: '/opt/gone' } }, 'FIREFOX_PATH is /opt/gone, and no'],
  ])('%s is told what to do', async (_, more, sentence) => {
    const { fake, asked } = machine([], more);
    await expect(ensureFirefox(fake)).rejects.toThrow(sentence);
    expect(asked).toEqual([]);
  });
});
