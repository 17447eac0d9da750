import fs from 'node:fs';
import path from 'node:path';
import { fingerprint } from './fingerprint.mjs';
import { longStep } from './progress.mjs';
import { environment, ROOT } from './run.mjs';

/** In the order of deployment: bindings point backwards. */
export const WORKERS = ['process-generation', 'process-jobs', 'start-generation'];

/** What each of them is built from, beside its own folder. */
const SHARED_SOURCES = [
  'Cargo.toml',
  'Cargo.lock',
  'functions/edge',
  'shared/Cargo.toml',
  'shared/src',
  'shared/build.rs',
  'scripts/tools.mjs',
];

/**
 * Builds the Workers whose sources have changed since they were built. `WORKER_BUILD=dev` in the environment
 * builds them without optimisation: in seconds, and several times larger than what is deployed.
 *
 * @returns the names of those that were built
 */
export async function ensureWorkers() {
  const { RUSTFLAGS = '', WORKER_BUILD } = environment();
  // Not `--dev`: that has wasm-bindgen assert types which workerd's setTimeout() does not have.
  const mode = WORKER_BUILD === 'dev' ? ['--profile', 'dev', '--no-opt'] : ['--release'];
  if (WORKER_BUILD === 'dev') linkDevProfile();
  const built = [];
  for (const worker of WORKERS) {
    const folder = path.join(ROOT, 'functions', worker);
    const current = fingerprint(sourcesOf(worker), ['build'], [RUSTFLAGS, ...mode].join(' '));
    const stamp = path.join(folder, 'build/.fingerprint');
    if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === current) continue;
    fs.rmSync(stamp, { force: true });
    // worker-build fills this folder and moves what is whole into place. One that a failed build has left holds up
    // the next build for 5 seconds: it might belong to a build that runs.
    fs.rmSync(path.join(folder, 'build/.tmp'), { recursive: true, force: true });
    await longStep(`building the Worker ${worker}`, 'worker-build', mode, {
      cwd: folder,
      wayOut: 'If crates could not be downloaded, check the network and run the command again.',
      // Without these worker-build downloads them.
      env: {
        WASM_BINDGEN_BIN: 'wasm-bindgen',
        ESBUILD_BIN: 'esbuild',
        WASM_OPT_BIN: 'wasm-opt',
        // Nothing here reads it, and it is most of what is linked and loaded.
        CARGO_PROFILE_DEV_DEBUG: '0',
      },
    });
    fs.writeFileSync(stamp, current);
    built.push(worker);
  }
  return built;
}

/** Files and folders: a change in one of them makes a new Worker. */
export const sourcesOf = (worker) => [...SHARED_SOURCES, `functions/${worker}`];

/** Cargo puts what it builds with the profile `dev` into `debug`; worker-build looks under the profile's name. */
function linkDevProfile() {
  const folder = path.join(ROOT, 'target/wasm32-unknown-unknown');
  fs.mkdirSync(folder, { recursive: true });
  // Of the link itself: what it leads to may be gone.
  if (!fs.lstatSync(path.join(folder, 'dev'), { throwIfNoEntry: false })) {
    fs.symlinkSync('debug', path.join(folder, 'dev'));
  }
}
