import fs from 'node:fs';
import path from 'node:path';
import { longStep } from './progress.mjs';
import { output, TOOLS } from './run.mjs';

/**
 * A package from PyPI in a folder of its own, installed at its first use. Undefined where there is no Python to install
 * it with: nothing that an installation of this project needs is written in it.
 *
 * @returns the environment in which `python3` finds it
 */
export async function ensurePythonPackage(name, version) {
  const folder = path.join(TOOLS, `${name}-${version}`);
  const environment = { PYTHONPATH: folder };
  if (fs.existsSync(path.join(folder, '.installed'))) return environment;
  if ((await output('python3', ['-m', 'pip', '--version'])) === undefined) return undefined;
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder];
  await longStep(`installing ${name} ${version}`, 'python3', [...args, '--upgrade', `${name}==${version}`], {
    wayOut: 'Check the network connection and run the command again.',
  });
  fs.writeFileSync(path.join(folder, '.installed'), '');
  return environment;
}
