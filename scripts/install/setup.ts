/** `npm run setup`: from nothing to a running installation. */
import { say } from '../progress.mjs';
import { setUp } from '../setup.mjs';
import { UserError } from '../user-error.mjs';
import { Cloudflare, type Release } from './cloudflare.ts';
import { converse } from './converse.ts';
import { dryRun } from './dry-run.ts';
import type { Values } from './env-file.ts';
import { nextSteps } from './next-steps.ts';
import type { Options } from './options.ts';
import { isSame, lookAtAll, releaseOf } from './release.ts';
import { commandOf, envFileOf, type Outcome, readValues, runSteps, type Step } from './run.ts';
import type { Worker } from './settings.ts';
import { smoke } from './smoke.ts';
import { Supabase } from './supabase.ts';
import { Tools } from './tools.ts';
import { folderOf, prepare, WORKERS } from './workers.ts';

const ADDRESS = {
  'process-generation': 'PROCESS_GENERATION_URL',
  'process-jobs': 'PROCESS_JOBS_URL',
  'start-generation': 'START_GENERATION_URL',
} as const satisfies Record<Worker, string>;

export async function setup(options: Options): Promise<void> {
  const values = readValues(options);
  if (options.build) await setUp();
  if (options.dryRun) return dryRun(options, values);
  const tools = new Tools(values);
  const file = envFileOf(options);
  const learn = (learnt: Values) => {
    Object.assign(values, learnt);
    file.write(learnt);
  };
  const supabase = new Supabase(tools, values);
  const cloudflare = new Cloudflare(tools, folderOf(options));
  let release: Release | undefined;
  const steps: Step[] = [
    { title: 'settings and logins', run: () => converse(options, values, { supabase, cloudflare, learn }) },
    { title: 'database', run: () => migrate(options, supabase) },
    ...WORKERS.map((worker) => ({
      title: worker,
      run: () => deployWorker(worker),
    })),
    { title: 'smoke test', run: () => smoke(options, values, prepare(options, values)) },
  ];
  await runSteps(commandOf('setup', options.name), steps);
  say(nextSteps(options, values));

  /** The first deployment tells the address, which the Worker itself needs: then it is deployed once more. */
  async function deployWorker(worker: Worker): Promise<Outcome> {
    const before = { PUBLIC_URL: values.PUBLIC_URL };
    const outcome = await deployOnce(worker);
    if (worker !== 'process-generation' || values.PUBLIC_URL === before.PUBLIC_URL) return outcome;
    await deployOnce(worker);
    return { done: `deployed at ${values.PUBLIC_URL}, which Replicate calls` };
  }

  async function deployOnce(worker: Worker): Promise<Outcome> {
    const workers = prepare(options, values);
    const prepared = workers.find((each) => each.worker === worker);
    if (!prepared) throw new UserError(`there is no Worker ${worker}.`);
    const cut = workers.filter((each) => cloudflare.wasCut(each)).map((each) => each.worker);
    release ??= releaseOf(workers, await lookAtAll(workers, cloudflare), cut);
    const deployed = await cloudflare.deployed(prepared);
    const address = ADDRESS[worker];
    if (isSame(prepared, deployed) && values[address] && !cloudflare.wasCut(prepared))
      return { unchanged: `unchanged, at ${values[address]}` };
    learnAddress(worker, await cloudflare.deploy(prepared, release, deployed));
    return { done: `deployed at ${values[address] ?? 'no address'}` };
  }

  /** What was set by hand stays. */
  function learnAddress(worker: Worker, targets: string[]): void {
    const origins = targets.map(originOf).filter((origin) => origin !== undefined);
    const learnt = origins.find((origin) => !origin.endsWith('.workers.dev')) ?? origins[0];
    if (!learnt) {
      if (values[ADDRESS[worker]]) return;
      throw new UserError(
        `wrangler named no address of ${worker}. Choose a workers.dev subdomain (dashboard, Workers & Pages), or set ${ADDRESS[worker]}.`,
      );
    }
    if (!values[ADDRESS[worker]]) learn({ [ADDRESS[worker]]: learnt });
    if (worker === 'process-generation' && !values.PUBLIC_URL)
      learn({ PUBLIC_URL: values.PROCESS_GENERATION_URL ?? learnt });
  }
}

/** Targets are addresses, hosts of custom domains, routes and `schedule: …`. */
function originOf(target: string): string | undefined {
  const [text = ''] = target.split(' ');
  if (/[*]/.test(text) || /^schedule/.test(target)) return undefined;
  const address = text.startsWith('https://') ? text : `https://${text}`;
  return URL.canParse(address) && address.includes('.') ? new URL(address).origin : undefined;
}

async function migrate(options: Options, supabase: Supabase): Promise<Outcome> {
  if (!options.database) return { unchecked: 'left as it is, as you asked' };
  const pending = await supabase.pending();
  if (pending.length === 0) return { unchanged: 'unchanged, it has every migration' };
  say(`  … applying ${pending.length} migrations, ${pending[0]} to ${pending.at(-1)}`);
  await supabase.push();
  const left = await supabase.pending();
  if (left.length > 0)
    throw new UserError(`${left.join(', ')} ${left.length === 1 ? 'is' : 'are'} still pending.`);
  return { done: `${pending.length} migrations applied` };
}
