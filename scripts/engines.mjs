// The engines beside Chromium in which the studio's main stories run: WebKitGTK with its driver, and Firefox.
import fs from 'node:fs';
import path from 'node:path';
import { aptOf, INSTALL, installDebians, isDebian } from './debian.mjs';
import { output } from './run.mjs';
import { UserError } from './user-error.mjs';

const AGAIN = 'Check the network connection and run the command again.';
/** WebKit's driver brings the browser that it leads; it needs a screen. */
const WEBKIT = ['webkit2gtk-driver', 'xvfb'];
const FIREFOX = 'firefox-esr';
const FIREFOX_COMMANDS = ['firefox', FIREFOX];
const FIREFOX_ON_MAC = '/Applications/Firefox.app/Contents/MacOS/firefox';

/** What is asked of the machine, so that the tests can stand in for one. */
export const thisMachine = {
  platform: process.platform,
  env: process.env,
  has: (file) => fs.existsSync(file),
  /** Whether a program starts and says its version: Ubuntu's /usr/bin/firefox may be a stub. */
  starts: async (file) => fs.existsSync(file) && (await output(file, ['--version'])) !== undefined,
  ...aptOf(AGAIN),
};

/** Paths of WebKitGTK's driver and of a screen without a monitor; undefined where there is none. */
export function findWebKit(machine = thisMachine) {
  const [driver, xvfb] = ['WebKitWebDriver', 'Xvfb'].map((name) =>
    places(machine, name).find((file) => machine.has(file)),
  );
  return driver && xvfb ? { driver, xvfb } : undefined;
}

/**
 * The same; a Debian machine that we are root of gets Debian's own if there is none.
 *
 * @returns undefined, or a sentence that says why it cannot be had
 */
export async function ensureWebKit(machine = thisMachine) {
  if (findWebKit(machine)) return undefined;
  if (!isDebian(machine)) return `it needs ${WEBKIT.join(' and ')}, or what is like them on this system`;
  if (!machine.isRoot) return `it is not installed: sudo apt-get install ${WEBKIT.join(' ')}`;
  await installDebians(machine, 'installing WebKitGTK and its driver (60 MB)', WEBKIT);
  return findWebKit(machine) ? undefined : `Debian's packages left out one of ${WEBKIT.join(', ')}`;
}

/** Path of Firefox: FIREFOX_PATH, or a usual place; a Debian machine that we are root of gets Debian's own. */
export async function ensureFirefox(machine = thisMachine) {
  const { env, platform, starts } = machine;
  if (env.FIREFOX_PATH) {
    if (await starts(env.FIREFOX_PATH)) return env.FIREFOX_PATH;
    throw new UserError(`FIREFOX_PATH is ${env.FIREFOX_PATH}, and no browser starts there.`);
  }
  const usual =
    platform === 'darwin' ? [FIREFOX_ON_MAC] : FIREFOX_COMMANDS.flatMap((name) => places(machine, name));
  const find = async () => {
    for (const file of usual) if (await starts(file)) return file;
  };
  const found = await find();
  if (found) return found;
  const debians = `apt-get ${[...INSTALL, FIREFOX].join(' ')}`;
  if (!isDebian(machine)) {
    throw new UserError('There is no Firefox. Install it from https://www.firefox.com, or set FIREFOX_PATH.');
  }
  if (!machine.isRoot) throw new UserError(`There is no Firefox. Run: sudo ${debians}, or set FIREFOX_PATH.`);
  await installDebians(machine, 'installing Firefox (80 MB)', [FIREFOX]);
  const installed = await find();
  if (!installed) throw new UserError(`Debian's firefox-esr is installed and does not start. ${AGAIN}`);
  return installed;
}

function places({ env }, name) {
  const folders = new Set(['/usr/bin', ...(env.PATH ?? '').split(path.delimiter).filter(path.isAbsolute)]);
  return [...folders].map((folder) => path.join(folder, name));
}
