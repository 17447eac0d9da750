import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { longStep, say } from './progress.mjs';
import { output, ROOT, TOOLS } from './run.mjs';
import { UserError } from './user-error.mjs';

/** workers-rs' build tool, equal to the crate `worker`; and the glue maker, equal to the crate `wasm-bindgen`. */
const CARGO_TOOLS = [
  { crate: 'worker-build', binary: 'worker-build', version: '0.8.7', locked: true },
  // Not --locked: its lock file holds yanked versions.
  { crate: 'wasm-bindgen-cli', binary: 'wasm-bindgen', version: '0.2.130', locked: false },
];
const WASM_TARGET = 'wasm32-unknown-unknown';
const OLDEST_RUST = [1, 91];
const AGAIN = 'Check the network connection and run the command again: it goes on where it stopped.';

/** Rust by rustup, a linker and the wasm target. */
export async function ensureRust() {
  const version = await output('rustc', ['--version']);
  if (version === undefined) {
    throw new UserError('Rust is not installed. Install it from https://rustup.rs and run this again.');
  }
  const [major, minor] = (/(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
  if (major < OLDEST_RUST[0] || (major === OLDEST_RUST[0] && minor < OLDEST_RUST[1])) {
    throw new UserError(
      `${version} is too old: ${OLDEST_RUST.join('.')} is needed. Run: rustup update stable`,
    );
  }
  if ((await output('cc', ['--version'])) === undefined) {
    throw new UserError(
      'A C compiler is missing: Rust links with it. Debian and Ubuntu: apt install build-essential; macOS: xcode-select --install',
    );
  }
  const library = await output('rustc', ['--print', 'target-libdir', '--target', WASM_TARGET]);
  if (library !== undefined && fs.existsSync(library)) return;
  if ((await output('rustup', ['--version'])) === undefined) {
    throw new UserError(
      `The Rust target ${WASM_TARGET} is missing and there is no rustup to add it. Install Rust from https://rustup.rs.`,
    );
  }
  await longStep(`adding the Rust target ${WASM_TARGET}`, 'rustup', ['target', 'add', WASM_TARGET], {
    wayOut: AGAIN,
  });
}

/** The npm packages of package-lock.json, Node 22 among them. */
export async function ensurePackages() {
  const stamp = path.join(ROOT, 'node_modules/.installed');
  const lock = createHash('sha256')
    .update(fs.readFileSync(path.join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock) return;
  // Not `npm ci`: it refuses a lock file without the entries for other platforms, and npm leaves them out
  // where they are not on offer. The versions are the lock file's all the same.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  await longStep('installing the npm packages', 'npm', args, { wayOut: AGAIN });
  const node = await output(path.join(ROOT, 'node_modules/.bin/node'), ['--version']);
  if (node === undefined) {
    // npm 11 runs install scripts only of packages that package.json allows; an older npm knows other switches.
    throw new UserError(
      'The npm package "node" did not install its program. Run: npm rebuild node --ignore-scripts=false',
    );
  }
  fs.writeFileSync(stamp, lock);
}

/** The command line tools that turn Rust into a Worker, built from source once. */
export async function ensureCargoTools() {
  const missing = [];
  for (const tool of CARGO_TOOLS) {
    const version = await output(path.join(TOOLS, 'bin', tool.binary), ['--version']);
    if (!version?.split(/\s+/).includes(tool.version)) missing.push(tool);
  }
  if (missing.length === 0) return;
  const prebuilt = (await output('cargo', ['binstall', '-V'])) !== undefined;
  say(`Building ${missing.length} tools from source, once; this takes a few minutes.`);
  // Kept until both are there, so that an interrupted build goes on where it stopped.
  const target = path.join(TOOLS, 'target');
  for (const tool of missing) {
    const { crate, version, locked } = tool;
    if (prebuilt && (await fetchPrebuilt(crate, version))) continue;
    const args = ['install', crate, '--version', version, '--root', TOOLS, '--bin', tool.binary, '--force'];
    if (locked) args.push('--locked');
    await longStep(`building ${crate} ${version}`, 'cargo', args, {
      wayOut: AGAIN,
      // They run for seconds and take minutes to optimise.
      env: {
        CARGO_TARGET_DIR: target,
        CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
        CARGO_PROFILE_RELEASE_LTO: 'off',
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
      },
    });
  }
  fs.rmSync(target, { recursive: true, force: true });
}

/** cargo-binstall downloads a release where there is one; without it we build. */
async function fetchPrebuilt(crate, version) {
  const args = [
    'binstall',
    `${crate}@${version}`,
    '--root',
    TOOLS,
    '--no-confirm',
    '--disable-strategies',
    'compile',
  ];
  return (await output('cargo', args)) !== undefined;
}
