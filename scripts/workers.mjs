import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { longStep } from './progress.mjs';
import { environment, ROOT } from './run.mjs';

/** In the order of deployment: bindings point backwards. */
export const WORKERS = ['process-generation', 'process-jobs', 'start-generation'];

const SOURCES = [
  'Cargo.toml',
  'Cargo.lock',
  'functions',
  'shared/Cargo.toml',
  'shared/src',
  'scripts/tools.mjs',
];

/** Builds the Workers whose sources have changed since they were built. */
export async function ensureWorkers() {
  const fingerprint = hashOf(SOURCES);
  for (const worker of WORKERS) {
    const folder = path.join(ROOT, 'functions', worker);
    const stamp = path.join(folder, 'build/.fingerprint');
    if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === fingerprint) continue;
    fs.rmSync(stamp, { force: true });
    await longStep(`building the Worker ${worker}`, 'worker-build', ['--release'], {
      cwd: folder,
      wayOut: 'If crates could not be downloaded, check the network and run the command again.',
      // Without these worker-build downloads them.
      env: { WASM_BINDGEN_BIN: 'wasm-bindgen', ESBUILD_BIN: 'esbuild', WASM_OPT_BIN: 'wasm-opt' },
    });
    fs.writeFileSync(stamp, fingerprint);
  }
}

function hashOf(entries) {
  const hash = createHash('sha256').update(environment().RUSTFLAGS ?? '');
  for (const entry of entries) addTo(hash, entry);
  return hash.digest('hex');
}

function addTo(hash, entry) {
  const file = path.join(ROOT, entry);
  if (!fs.statSync(file).isDirectory()) {
    hash.update(entry).update('\0').update(fs.readFileSync(file)).update('\0');
    return;
  }
  for (const name of fs.readdirSync(file).sort()) {
    if (name !== 'build') addTo(hash, path.join(entry, name));
  }
}
