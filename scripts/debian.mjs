// Packages of Debian's own, where we are root of such a machine.
import fs from 'node:fs';
import { longStep } from './progress.mjs';
import { environment, output } from './run.mjs';

export const INSTALL = ['install', '-y', '--no-install-recommends'];

/**
 * What is asked of this machine, so that the tests can stand in for one.
 *
 * @param wayOut what to do where apt fails
 */
export const aptOf = (wayOut) => ({
  isRoot: process.getuid?.() === 0,
  osRelease: () => {
    try {
      return fs.readFileSync('/etc/os-release', 'utf8');
    } catch {
      return ''; // there is none outside Linux
    }
  },
  /** Whether apt knows of a package; its lists are missing on a fresh machine and in most images. */
  aptKnows: async (name) => {
    const said = await output('apt-cache', ['policy', name], { env: environment({ LC_ALL: 'C' }) });
    return /Candidate: [^(\s]/.test(said ?? '');
  },
  apt: (title, args) =>
    longStep(title, 'apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
      wayOut,
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    }),
});

/** Ubuntu is not meant: its package of Chromium only points at a snap. */
export function isDebian({ platform, osRelease }) {
  if (platform !== 'linux') return false;
  const ids = [...osRelease().matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].flatMap(([, value = '']) =>
    value.replaceAll('"', '').split(/\s+/),
  );
  return ids.includes('debian') && !ids.includes('ubuntu');
}

/** Installs packages, of which apt may have to hear first. */
export async function installDebians(machine, title, packages) {
  const update = () => updateLists(machine);
  const install = () => machine.apt(title, [...INSTALL, ...packages]);
  if (!(await machine.aptKnows(packages[0]))) {
    await update();
    return install();
  }
  try {
    await install();
  } catch {
    // Lists of last month name files that the archive has replaced since.
    await update();
    await install();
  }
}

export const updateLists = ({ apt }) => apt('reading the lists of Debian packages', ['update']);
