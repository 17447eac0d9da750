// Deno and Bun, in which the packed client is tried. Each is a program of some 100 MB, so that it is no dependency: it
// comes from the npm registry at its first use, into a folder that git ignores.
import fs from 'node:fs';
import path from 'node:path';
import { longStep } from './progress.mjs';
import { TOOLS } from './run.mjs';

const { platform, arch } = process;
const RUNTIMES = {
  deno: {
    version: '2.9.6',
    package: `@deno/${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}`,
    program: platform === 'win32' ? 'deno.exe' : 'deno',
  },
  bun: {
    version: '1.4.5',
    package: `@oven/bun-${platform === 'win32' ? 'windows' : platform}-${arch === 'arm64' ? 'aarch64' : arch}`,
    program: platform === 'win32' ? 'bin/bun.exe' : 'bin/bun',
  },
};

const folderOf = (name) => path.join(TOOLS, `${name}-${RUNTIMES[name].version}`);

/** Path of its program; undefined where it has not been installed. */
export function findRuntime(name) {
  const file = path.join(folderOf(name), 'node_modules', RUNTIMES[name].package, RUNTIMES[name].program);
  return fs.existsSync(file) ? file : undefined;
}

/** The same; installs it if need be. */
export async function ensureRuntime(name) {
  const found = findRuntime(name);
  if (found) return found;
  const folder = folderOf(name);
  const { version, package: own } = RUNTIMES[name];
  fs.mkdirSync(folder, { recursive: true });
  // With one of its own npm does not take the project's package.json for this folder's.
  fs.writeFileSync(path.join(folder, 'package.json'), '{"private":true}\n');
  const args = ['install', `${own}@${version}`, '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  await longStep(`installing ${name} ${version} (40 MB)`, 'npm', [...args, '--prefix', folder], {
    wayOut: 'Check the network connection and run the command again.',
  });
  return findRuntime(name);
}
