import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const run = promisify(execFile);

/** The packed package, installed in an app of its own. */
export interface Installed {
  /** The app's folder. */
  app: string;
  tarball: string;
  /** Writes a file of the app; gives its path. */
  write(name: string, content: string): Promise<string>;
  /** Gives the app other packages by linking ours. */
  link(...names: string[]): Promise<void>;
  /** The same by copying, for bundlers that only see what is in the app's folder. */
  copy(...names: string[]): Promise<void>;
  remove(): Promise<void>;
}

/** Packs the client and installs it without a network. */
export async function install(): Promise<Installed> {
  const dir = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'client-')));
  const tarball = await pack(dir);
  const app = path.join(dir, 'app');
  await fs.mkdir(app);
  await fs.writeFile(path.join(app, 'package.json'), '{"private":true}');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `file:${tarball}`], { cwd: app });
  const place = async (name: string) => {
    const target = path.join(app, 'node_modules', name);
    await fs.mkdir(path.dirname(target), { recursive: true });
    return target;
  };
  return {
    app,
    tarball,
    async write(name, content) {
      const file = path.join(app, name);
      await fs.mkdir(path.dirname(file), { recursive: true });
      await fs.writeFile(file, content);
      return file;
    },
    async link(...names) {
      for (const name of names) await fs.symlink(folderOf(name), await place(name));
    },
    async copy(...names) {
      for (const name of names) await fs.cp(folderOf(name), await place(name), { recursive: true });
    },
    remove: () => fs.rm(dir, { recursive: true, force: true }),
  };
}

/** Packed from a copy, since packing builds `dist`, and test files run side by side. */
async function pack(dir: string): Promise<string> {
  const source = path.join(dir, 'source');
  await fs.cp(path.join(ROOT, 'client'), path.join(source, 'client'), {
    recursive: true,
    filter: (file) => !['dist', 'node_modules'].includes(path.basename(file)),
  });
  await fs.copyFile(path.join(ROOT, 'tsconfig.json'), path.join(source, 'tsconfig.json'));
  await fs.symlink(await fs.realpath(path.join(ROOT, 'node_modules')), path.join(source, 'node_modules'));
  await run('npm', ['pack', '--pack-destination', dir], { cwd: path.join(source, 'client') });
  const filename = (await fs.readdir(dir)).find((name) => name.endsWith('.tgz'));
  if (!filename) throw new Error('npm pack made no tarball');
  return path.join(dir, filename);
}

/** Where a package of ours is; npm may have put it under the one that asked for it. */
function folderOf(name: string): string {
  const require = createRequire(import.meta.url);
  const found = (require.resolve.paths(name) ?? [])
    .map((folder) => path.join(folder, name))
    .find((folder) => existsSync(folder));
  if (!found) throw new Error(`The package ${name} is not installed: npm install`);
  return realpathSync(found);
}
