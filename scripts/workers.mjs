import fs from 'node:fs';
import path from 'node:path';
import { fingerprint } from './fingerprint.mjs';
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
  const current = fingerprint(SOURCES, ['build'], environment().RUSTFLAGS);
  for (const worker of WORKERS) {
    const folder = path.join(ROOT, 'functions', worker);
    const stamp = path.join(folder, 'build/.fingerprint');
    if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === current) continue;
    fs.rmSync(stamp, { force: true });
    await longStep(`building the Worker ${worker}`, 'worker-build', ['--release'], {
      cwd: folder,
      wayOut: 'If crates could not be downloaded, check the network and run the command again.',
      // Without these worker-build downloads them.
      env: { WASM_BINDGEN_BIN: 'wasm-bindgen', ESBUILD_BIN: 'esbuild', WASM_OPT_BIN: 'wasm-opt' },
    });
    fs.writeFileSync(stamp, current);
  }
}
