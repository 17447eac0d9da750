// A Chromium for the tests that look at a page.
import fs from 'node:fs';
import path from 'node:path';
import { aptOf, INSTALL, installDebians, isDebian } from './debian.mjs';
import { output } from './run.mjs';
import { UserError } from './user-error.mjs';

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const MAC_APPS = ['Google Chrome', 'Chromium'];
const AGAIN = 'Check the network connection and run the command again, or set CHROMIUM_PATH to a browser.';

/** What is asked of the machine, so that the tests can stand in for one. */
export const thisMachine = {
  platform: process.platform,
  env: process.env,
  /** Whether a program starts and says its version: Ubuntu's /usr/bin/chromium-browser may be a stub. */
  starts: async (file) => fs.existsSync(file) && (await output(file, ['--version'])) !== undefined,
  /** Where Playwright puts the browser that it downloads, whether it has done so or not. */
  playwrights: async () => {
    const { chromium } = await import('playwright-core').catch(() => ({ chromium: undefined }));
    return chromium?.executablePath();
  },
  ...aptOf(AGAIN),
};

/** Path of a Chromium or Chrome on this machine; undefined where there is none. */
export async function findBrowser(machine = thisMachine) {
  const { env, starts } = machine;
  if (env.CHROMIUM_PATH) {
    if (await starts(env.CHROMIUM_PATH)) return env.CHROMIUM_PATH;
    throw new UserError(
      `CHROMIUM_PATH is ${env.CHROMIUM_PATH}, and no browser starts there. Set it to Chromium or Chrome, or unset it.`,
    );
  }
  for (const file of usualPlaces(machine)) if (await starts(file)) return file;
  const downloaded = await machine.playwrights();
  return downloaded && (await starts(downloaded)) ? downloaded : undefined;
}

function usualPlaces({ platform, env }) {
  if (platform === 'darwin') {
    const folders = ['/Applications', path.join(env.HOME ?? '', 'Applications')];
    return folders.flatMap((folder) => MAC_APPS.map((app) => `${folder}/${app}.app/Contents/MacOS/${app}`));
  }
  const folders = new Set(['/usr/bin', ...(env.PATH ?? '').split(path.delimiter).filter(path.isAbsolute)]);
  return COMMANDS.flatMap((command) => [...folders].map((folder) => path.join(folder, command)));
}

/** The same; a Debian machine that we are root of gets Debian's own if there is none. */
export async function ensureBrowser(machine = thisMachine) {
  const found = await findBrowser(machine);
  if (found) return found;
  if (!isDebian(machine) || !machine.isRoot) throw new UserError(howToInstall(machine));
  await installDebians(machine, 'installing Chromium (110 MB)', ['chromium']);
  const installed = await findBrowser(machine);
  if (!installed) throw new UserError(`Debian's chromium is installed and does not start. ${AGAIN}`);
  return installed;
}

/** Path of the browser for one test; the sentence of its absence says what to run. */
export async function requireBrowser(machine = thisMachine) {
  const found = await findBrowser(machine);
  if (!found) throw new UserError(howToInstall(machine));
  return found;
}

function howToInstall(machine) {
  const debians = `apt-get ${[...INSTALL, 'chromium'].join(' ')}`;
  const command = isDebian(machine)
    ? `${machine.isRoot ? '' : 'sudo '}${debians}`
    : `npx playwright-core install ${machine.platform === 'linux' ? '--with-deps ' : ''}chromium`;
  return `The tests of pages need Chromium or Chrome, and there is none. Run: ${command}, or set CHROMIUM_PATH to one.`;
}
