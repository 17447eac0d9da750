import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const WORKERS = ['start-generation', 'process-generation', 'process-jobs'];

export interface WrappedWorkers {
  wranglerToml: string;
  remove(): Promise<void>;
}

/**
 * The built Workers with a module of the test's in front of them.
 *
 * @param entry that module; it finds the Worker in `./index.js`
 * @param change what becomes of the Worker's own JavaScript
 */
export async function wrappedWorkers(
  entry: string,
  change: (glue: string) => string = (glue) => glue,
): Promise<WrappedWorkers> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'workers-'));
  for (const worker of WORKERS) {
    const [from, to] = [path.join(ROOT, 'functions', worker, 'build'), path.join(folder, worker)];
    await fs.mkdir(to);
    await fs.copyFile(path.join(from, 'index_bg.wasm'), path.join(to, 'index_bg.wasm'));
    await fs.writeFile(
      path.join(to, 'index.js'),
      change(await fs.readFile(path.join(from, 'index.js'), 'utf8')),
    );
    await fs.writeFile(path.join(to, 'wrapped.js'), entry);
  }
  const toml = await fs.readFile(path.join(ROOT, 'wrangler.toml'), 'utf8');
  const wranglerToml = path.join(folder, 'wrangler.toml');
  const changed = toml
    .replaceAll(/main = "functions\/([\w-]+)\/build\/index\.js"/g, 'main = "$1/wrapped.js"')
    .replaceAll('directory = "web/dist"', `directory = "${path.join(ROOT, 'web/dist')}"`);
  await fs.writeFile(wranglerToml, changed);
  return { wranglerToml, remove: () => fs.rm(folder, { recursive: true, force: true }) };
}
