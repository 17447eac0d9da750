import fs from 'node:fs';
import path from 'node:path';
import { longStep } from './progress.mjs';
import { output, TOOLS } from './run.mjs';

const VERSION = '4.5.0';
const FOLDER = path.join(TOOLS, `sqlfluff-${VERSION}`);

/**
 * sqlfluff, the SQL formatter's check: it comes from PyPI. Undefined where there is no Python to install
 * it with; nothing else of the project needs Python.
 * @returns the environment in which `python3 -m sqlfluff` runs
 */
export async function ensureSqlfluff() {
  const environment = { PYTHONPATH: FOLDER };
  if (fs.existsSync(path.join(FOLDER, '.installed'))) return environment;
  if ((await output('python3', ['-m', 'pip', '--version'])) === undefined) return undefined;
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', FOLDER];
  await longStep(
    `installing sqlfluff ${VERSION}`,
    'python3',
    [...args, '--upgrade', `sqlfluff==${VERSION}`],
    {
      wayOut: 'Check the network connection and run the command again.',
    },
  );
  fs.writeFileSync(path.join(FOLDER, '.installed'), '');
  return environment;
}
