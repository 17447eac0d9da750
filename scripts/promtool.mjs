// promtool of Debian's package prometheus, for the checks of our rules and dashboard.
import fs from 'node:fs';
import path from 'node:path';
import { aptOf, isDebian, updateLists } from './debian.mjs';
import { longStep } from './progress.mjs';
import { environment, output, ROOT } from './run.mjs';

const FOLDER = path.join(ROOT, '.tools/prometheus');
const UNPACKED = path.join(FOLDER, 'usr/bin/promtool');
const WAY_OUT = 'Check the network connection and run the command again, or put promtool into your PATH.';

export const thisMachine = {
  platform: process.platform,
  ...aptOf(WAY_OUT),
  has: (file) => fs.existsSync(file),
  /** The one in PATH, where there is one. */
  installed: async () =>
    (await output('promtool', ['--version'], { env: environment() })) === undefined ? undefined : 'promtool',
  /** Unpacks the package: installed, it would start a server of its own. */
  unpack: async () => {
    fs.mkdirSync(FOLDER, { recursive: true });
    await longStep('downloading promtool', 'apt-get', ['download', 'prometheus'], {
      cwd: FOLDER,
      wayOut: WAY_OUT,
    });
    const [file] = fs.globSync('prometheus_*.deb', { cwd: FOLDER });
    await longStep('unpacking promtool', 'dpkg-deb', ['--extract', file, '.'], {
      cwd: FOLDER,
      wayOut: WAY_OUT,
    });
    fs.rmSync(path.join(FOLDER, file));
  },
};

/**
 * @returns `{ bin }`, the program, or `{ missing }`: a sentence that says why it cannot be had
 */
export async function ensurePromtool(machine = thisMachine) {
  const bin = await machine.installed();
  if (bin !== undefined) return { bin };
  if (machine.has(UNPACKED)) return { bin: UNPACKED };
  if (!isDebian(machine))
    return { missing: 'promtool is not in the PATH, and this is no Debian to take it from' };
  if (!(await machine.aptKnows('prometheus'))) {
    if (!machine.isRoot)
      return { missing: 'apt does not know of the package prometheus: sudo apt-get update' };
    await updateLists(machine);
  }
  await machine.unpack();
  return machine.has(UNPACKED)
    ? { bin: UNPACKED }
    : { missing: "Debian's package prometheus has no promtool" };
}
