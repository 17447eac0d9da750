import { type WrappedWorkers, wrappedWorkers } from './wrapped.ts';

/** Builds of the Workers that count how often a call goes from JavaScript into wasm or back. */

/** Calls from wasm into JavaScript, and from there into wasm. */
export interface Crossings {
  imports: number;
  exports: number;
}

/** Put before the glue that wasm-bindgen writes: one count for the isolate. */
const COUNTER = `const __counts = (globalThis.__counts = { imports: 0, exports: 0 });
const __counting = (all, which) => Object.fromEntries(Object.entries(all).map(([name, one]) =>
  [name, typeof one !== 'function' ? one : (...given) => { __counts[which] += 1; return one(...given); }]));
const __imports = (all) =>
  Object.fromEntries(Object.entries(all).map(([name, one]) => [name, __counting(one, 'imports')]));
`;

/** In front of the Worker: tells the count, and begins a new one. */
const ENTRY = `import { WorkerEntrypoint } from 'cloudflare:workers';
import Worker from './index.js';
export * from './index.js';
export default class extends WorkerEntrypoint {
  fetch(request) {
    if (new URL(request.url).pathname !== '/crossings') return new Worker(this.ctx, this.env).fetch(request);
    const counts = { ...globalThis.__counts };
    Object.assign(globalThis.__counts, { imports: 0, exports: 0 });
    return Response.json(counts);
  }
  scheduled(controller) {
    return new Worker(this.ctx, this.env).scheduled(controller);
  }
}
`;

/** @returns a wrangler.toml with Workers that count, and what removes them */
export const countingWorkers = (): Promise<WrappedWorkers> => wrappedWorkers(ENTRY, counted);

function counted(glue: string): string {
  const instance = /new WebAssembly\.Instance\(([\w$]+),\s*([\w$]+)\(\)\)/g;
  const exports = /([\w$]+)\s*=\s*([\w$]+)\.exports\b/g;
  if (!instance.test(glue) || !exports.test(glue))
    throw new Error('the glue of wasm-bindgen looks otherwise');
  return (
    COUNTER +
    glue
      .replaceAll(instance, 'new WebAssembly.Instance($1,__imports($2()))')
      .replaceAll(exports, "$1=__counting($2.exports,'exports')")
  );
}

/** What a Worker has counted since the last time it was asked. */
export async function crossings(workerUrl: string): Promise<Crossings> {
  const answer = await fetch(`${workerUrl}/crossings`);
  return (await answer.json()) as Crossings;
}
