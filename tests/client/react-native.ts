import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { TextEncoder } from 'node:util';
import vm from 'node:vm';
import { loadConfig, mergeConfig, runBuild } from 'metro';
import { WebSocket } from 'ws';
import type { FetchLike, SignalLike } from '../../client/src/platform.ts';
import { ROOT, run } from './installed.ts';

/** An app for React Native: what Metro makes of it, and something to run that in. */

export type MobilePlatform = 'ios' | 'android';
const require = createRequire(import.meta.url);

export interface BundleOptions {
  platform: MobilePlatform;
  /** Whether Metro reads `exports` of a package.json: by default from React Native 0.79 on. */
  packageExports?: boolean;
}

/** The bundle for a release of the app in `app`, with the settings of @react-native/metro-config. */
export async function bundle(app: string, entry: string, { platform, packageExports = true }: BundleOptions) {
  const preset = [require.resolve('@react-native/babel-preset'), { enableBabelRuntime: false }];
  await fs.writeFile(path.join(app, 'babel.config.json'), JSON.stringify({ presets: [preset] }));
  const config = mergeConfig(await loadConfig({ cwd: app }), {
    projectRoot: app,
    // Where Metro's own part of a bundle is.
    watchFolders: [app, path.dirname(require.resolve('metro-runtime/package.json'))],
    reporter: { update: () => {} },
    // All in this process, and nothing kept for other apps: test files run side by side.
    maxWorkers: 1,
    cacheStores: ({ FileStore }) => [new FileStore({ root: path.join(app, '.metro') })],
    fileMapCacheDirectory: app,
    resolver: {
      platforms: ['android', 'ios'],
      resolverMainFields: ['react-native', 'browser', 'main'],
      unstable_conditionNames: ['react-native'],
      unstable_enablePackageExports: packageExports,
      useWatchman: false,
    },
    transformer: {
      asyncRequireModulePath: require.resolve('metro-runtime/src/modules/asyncRequire'),
      getTransformOptions: async () => ({
        transform: { experimentalImportSupport: false, inlineRequires: true },
      }),
    },
  });
  const out = path.join(app, `${platform}.bundle.js`);
  // Not minified: a release leaves that to Hermes' compiler.
  const { code } = await runBuild(config, { entry, platform, dev: false, minify: false, out });
  return { code, file: out };
}

/** Hermes' compiler for this machine, as react-native brings it; there is none for some machines. */
export function hermesCompiler(): string | undefined {
  const folder = { linux: 'linux64-bin', darwin: 'osx-bin', win32: 'win64-bin' }[process.platform as string];
  const file = path.join(ROOT, 'node_modules/hermes-compiler/hermesc', folder ?? '', 'hermesc');
  const runs = process.platform !== 'linux' || process.arch === 'x64';
  return runs && existsSync(file) ? file : undefined;
}

/** Compiles a bundle to Hermes' bytecode, as a release does. */
export async function compileForHermes(compiler: string, file: string): Promise<number> {
  const out = `${file}.hbc`;
  await run(compiler, ['-emit-binary', '-O', '-w', '-out', out, file]);
  return (await fs.stat(out)).size;
}

/** Calls a function that the bundle has put among the globals; gives a copy of what it gives. */
export type Call = (name: string, ...inputs: string[]) => Promise<unknown>;

/** Runs a bundle with no more around it than React Native has. */
export function start(code: string): Call {
  const context = vm.createContext({ ...GLOBALS });
  // As React Native's setUpGlobals.js has it: a window, and no document.
  vm.runInContext('globalThis.window = globalThis.self = globalThis.global = globalThis;', context);
  vm.runInContext(OLDER_HERMES, context);
  vm.runInContext(code, context);
  return async (name, ...inputs) => structuredClone(await context[name]?.(...inputs));
}

/** Hermes before React Native 0.84 has no async iteration. */
const OLDER_HERMES = `(() => {
  const Native = Symbol;
  function Plain(description) { return Native(description); }
  for (const name of Object.getOwnPropertyNames(Native)) {
    if (!['asyncIterator', 'asyncDispose', 'dispose', 'length', 'name'].includes(name)) {
      Object.defineProperty(Plain, name, Object.getOwnPropertyDescriptor(Native, name));
    }
  }
  globalThis.Symbol = Plain;
})();`;

/** A signal as React Native's polyfill made it for years: no reason, and no `timeout()`. */
class PlainSignal implements SignalLike {
  aborted = false;
  readonly #listeners = new Set<() => void>();
  addEventListener(_type: 'abort', listener: () => void) {
    this.#listeners.add(listener);
  }
  removeEventListener(_type: 'abort', listener: () => void) {
    this.#listeners.delete(listener);
  }
  abort() {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of [...this.#listeners]) listener();
  }
}
class PlainController {
  readonly signal = new PlainSignal();
  abort() {
    this.signal.abort();
  }
}

/** What an image picker has put there. */
export const DEVICE_FILE = { uri: 'file:///picture.png', bytes: new Uint8Array([0x89, 0x50, 0x4e, 0x47]) };

/** Answers come whole: React Native's `fetch` gives no `body` to read from. */
const fetchWhole: FetchLike = async (url, { signal, ...request }) => {
  if (url === DEVICE_FILE.uri) {
    const blob = async () => new Blob([DEVICE_FILE.bytes], { type: 'image/png' });
    return { ok: true, status: 200, headers: { get: () => null }, text: async () => '', blob };
  }
  const controller = new AbortController();
  signal?.addEventListener('abort', () => controller.abort());
  try {
    const response = await fetch(url, { ...request, signal: controller.signal });
    const whole = await response.text();
    const { ok, status, headers } = response;
    return { ok, status, headers: { get: (name) => headers.get(name) }, text: async () => whole };
  } catch {
    throw new TypeError('Network request failed');
  }
};

const GLOBALS = {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  clearImmediate,
  queueMicrotask,
  console,
  performance: { now: () => performance.now() },
  navigator: { product: 'ReactNative' },
  TextEncoder,
  AbortController: PlainController,
  AbortSignal: PlainSignal,
  fetch: fetchWhole,
  WebSocket,
};
