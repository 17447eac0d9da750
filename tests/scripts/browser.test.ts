import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ensureBrowser,
  findBrowser,
  type Machine,
  requireBrowser,
  thisMachine,
} from '../../scripts/browser.mjs';

/** A machine on which these programs start; what apt is asked to do is kept. */
function machine(programs: string[], more: Partial<Machine> = {}) {
  const asked: string[] = [];
  const fake: Machine = {
    platform: 'linux',
    env: { PATH: '/usr/local/bin:/usr/bin', HOME: '/home/me' },
    isRoot: false,
    osRelease: () => 'NAME="Debian GNU/Linux"\nID=debian\n',
    starts: async (file) => programs.includes(file),
    playwrights: async () => '/home/me/.cache/ms-playwright/chromium-1/chrome',
    aptKnows: async () => true,
    apt: async (_title, args) => {
      asked.push(args.join(' '));
      if (args[0] === 'install') programs.push('/usr/bin/chromium');
    },
    ...more,
  };
  return { fake, asked };
}

const INSTALL = 'install -y --no-install-recommends chromium';

describe('finding a browser', () => {
  test.each([
    ['/usr/bin/chromium'],
    ['/usr/bin/chromium-browser'],
    ['/usr/local/bin/google-chrome'],
    ['/home/me/.cache/ms-playwright/chromium-1/chrome'],
  ])('on Linux: %s', async (file) => {
    expect(await findBrowser(machine([file]).fake)).toBe(file);
  });

  test.each([
    ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
    ['/home/me/Applications/Chromium.app/Contents/MacOS/Chromium'],
  ])('on macOS: %s', async (file) => {
    expect(await findBrowser(machine([file], { platform: 'darwin' }).fake)).toBe(file);
  });

  test('/usr/bin is looked at whatever PATH is', async () => {
    const { fake } = machine(['/usr/bin/chromium'], { env: {} });
    expect(await findBrowser(fake)).toBe('/usr/bin/chromium');
  });

  test('CHROMIUM_PATH goes before all others', async () => {
    const env = { CHROMIUM_PATH: '/opt/chrome' };
    const { fake } = machine(['/usr/bin/chromium', '/opt/chrome'], { env });
    expect(await findBrowser(fake)).toBe('/opt/chrome');
  });

  test('a CHROMIUM_PATH that is wrong is told, not passed over', async () => {
    const { fake } = machine(['/usr/bin/chromium'], { env: { CHROMIUM_PATH: '/opt/gone' } });
    await expect(findBrowser(fake)).rejects.toThrow('CHROMIUM_PATH is /opt/gone');
  });

  test('without one there is none', async () => {
    const { fake } = machine([], { playwrights: async () => undefined });
    expect(await findBrowser(fake)).toBeUndefined();
  });
});

describe('bringing one about', () => {
  test('one that is there is left as it is', async () => {
    const { fake, asked } = machine(['/usr/bin/google-chrome'], { isRoot: true });
    expect(await ensureBrowser(fake)).toBe('/usr/bin/google-chrome');
    expect(asked).toEqual([]);
  });

  test("root of a Debian machine gets Debian's", async () => {
    const { fake, asked } = machine([], { isRoot: true });
    expect(await ensureBrowser(fake)).toBe('/usr/bin/chromium');
    expect(asked).toEqual([INSTALL]);
  });

  test('after the lists, where apt has none', async () => {
    const { fake, asked } = machine([], { isRoot: true, aptKnows: async () => false });
    await ensureBrowser(fake);
    expect(asked).toEqual(['update', INSTALL]);
  });

  test('with new lists, where the old ones name files that are gone', async () => {
    const { fake, asked } = machine([], { isRoot: true });
    const { apt } = fake;
    fake.apt = async (title, args) => {
      if (asked.length > 0) return apt(title, args);
      asked.push('404');
      throw new Error('404 Not Found');
    };
    expect(await ensureBrowser(fake)).toBe('/usr/bin/chromium');
    expect(asked).toEqual(['404', 'update', INSTALL]);
  });

  test('an installation that brought no browser is a fault', async () => {
    const { fake } = machine([], { isRoot: true, apt: async () => {} });
    await expect(ensureBrowser(fake)).rejects.toThrow('does not start');
  });

  const UBUNTU = 'ID=ubuntu\nID_LIKE=debian\n';
  const MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\n';
  test.each<[string, Partial<Machine>, string]>([
    ['Debian, not root', {}, `Run: sudo apt-get ${INSTALL}`],
    [
      'Ubuntu',
      { osRelease: () => UBUNTU, isRoot: true },
      'Run: npx playwright-core install --with-deps chromium',
    ],
    [
      'Mint',
      { osRelease: () => MINT, isRoot: true },
      'Run: npx playwright-core install --with-deps chromium',
    ],
    ['macOS', { platform: 'darwin' }, 'Run: npx playwright-core install chromium'],
  ])('elsewhere it is said what to run: %s', async (_name, more, sentence) => {
    const { fake, asked } = machine([], more);
    await expect(ensureBrowser(fake)).rejects.toThrow(sentence);
    expect(asked).toEqual([]);
  });

  test('a test that needs one says the same, and installs nothing', async () => {
    const { fake, asked } = machine([], { isRoot: true });
    await expect(requireBrowser(fake)).rejects.toThrow(`Run: apt-get ${INSTALL}`);
    expect(asked).toEqual([]);
  });
});

describe('on this machine', () => {
  let dir = '';
  afterEach(() => fs.rm(dir, { recursive: true, force: true }));

  test('a browser is a program that says its version', async () => {
    dir = await fs.mkdtemp(path.join(os.tmpdir(), 'browser-'));
    const program = async (name: string, code: number) => {
      const file = path.join(dir, name);
      await fs.writeFile(file, `#!/bin/sh\n[ "$1" = --version ] && exit ${code}\n`, { mode: 0o755 });
      return file;
    };
    expect(await thisMachine.starts(await program('works', 0))).toBe(true);
    expect(await thisMachine.starts(await program('stub', 1))).toBe(false);
    expect(await thisMachine.starts(path.join(dir, 'missing'))).toBe(false);
  });

  test("Playwright's own place is known", async () => {
    expect(await thisMachine.playwrights()).toMatch(/chrom/i);
  });
});
