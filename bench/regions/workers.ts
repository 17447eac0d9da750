import fs from 'node:fs/promises';
import { type WrappedWorkers, wrappedWorkers } from '../../tests/e2e/support/wrapped.ts';

/** Where the Workers run that the database hears most of. */
export type Placement = 'near the database' | 'near the user';

/** What is different for one Worker at the place where it runs. */
interface Place {
  /** Undefined: it is beside Supabase. */
  SUPABASE_URL?: string;
  /** Milliseconds one way, by binding. */
  away: Record<string, number>;
}

/**
 * In front of each Worker: bindings whose other end is elsewhere answer as late as the way there and back takes. The
 * object is made once for an environment, because the Worker reads its configuration once for each.
 */
const ENTRY = `import { WorkerEntrypoint } from 'cloudflare:workers';
import Worker from './index.js';
export * from './index.js';
const places = new WeakMap();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const far = (stub, ms) => ({
  fetch: async (...given) => {
    await sleep(ms);
    const answer = await stub.fetch(...given);
    await sleep(ms);
    return answer;
  },
});
function placed(env) {
  const known = places.get(env);
  if (known) return known;
  const { PLACE, ...rest } = env;
  const { away, ...variables } = JSON.parse(PLACE);
  const made = { ...rest, ...variables };
  for (const [name, ms] of Object.entries(away)) {
    const binding = env[name];
    if (binding === undefined || ms === 0) continue;
    // A service answers to every name of a method: only its own name tells a namespace of objects.
    made[name] = name === 'LIVE_CHANNEL' ? { getByName: (id) => far(binding.getByName(id), ms) } : far(binding, ms);
  }
  places.set(env, made);
  return made;
}
export default class extends WorkerEntrypoint {
  fetch(request) {
    return new Worker(this.ctx, placed(this.env)).fetch(request);
  }
  scheduled(controller) {
    return new Worker(this.ctx, placed(this.env)).scheduled(controller);
  }
}
`;

/**
 * The built Workers, each at its place. start-generation and the live channel are near the user; the other two where
 * `placement` says.
 *
 * @param farSupabase the address of Supabase with the distance between edge and database
 * @param roundTrip milliseconds between edge and database
 */
export async function workersAt(
  placement: Placement,
  farSupabase: string,
  roundTrip: number,
): Promise<WrappedWorkers> {
  const oneWay = roundTrip / 2;
  const placed = placement === 'near the database';
  const start = { SUPABASE_URL: farSupabase, away: { PROCESS_JOBS: placed ? oneWay : 0 } };
  const others: Place = placed ? { away: { LIVE_CHANNEL: oneWay } } : { SUPABASE_URL: farSupabase, away: {} };
  const places: Record<string, Place> = {
    'start-generation': start,
    'process-jobs': others,
    'process-generation': others,
  };
  const workers = await wrappedWorkers(ENTRY);
  const toml = await fs.readFile(workers.wranglerToml, 'utf8');
  const changed = Object.entries(places).reduce(
    (text, [name, place]) =>
      text.replace(`[env.${name}.vars]\n`, `[env.${name}.vars]\nPLACE = '${JSON.stringify(place)}'\n`),
    toml,
  );
  await fs.writeFile(workers.wranglerToml, changed);
  return workers;
}
