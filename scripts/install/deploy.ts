/** `npm run deploy`: upgrades an installation, step by step, and gives the requests back on `--rollback`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from '../progress.mjs';
import { setUp } from '../setup.mjs';
import { UserError } from '../user-error.mjs';
import { Cloudflare } from './cloudflare.ts';
import { REQUIRED } from './converse.ts';
import { dryRollback, dryRun } from './dry-run.ts';
import { healthOf } from './health.ts';
import { migrate } from './migrate.ts';
import type { DeployOptions } from './options.ts';
import { isSame, lookAtAll, releaseOf } from './release.ts';
import { rollBack } from './rollback.ts';
import { commandOf, envFileOf, readValues, runSteps } from './run.ts';
import { requireAll } from './settings.ts';
import { smoke } from './smoke.ts';
import { Supabase } from './supabase.ts';
import { Tools } from './tools.ts';
import { type Means, upgrade } from './upgrade.ts';
import { folderOf, nameAll, prepare } from './workers.ts';

export async function deploy(options: DeployOptions): Promise<void> {
  const values = readValues(options);
  const tools = new Tools(values);
  const cloudflare = new Cloudflare(tools, folderOf(options));
  if (options.rollback)
    return options.dryRun
      ? dryRollback(options, values)
      : rollBack(nameAll(options), cloudflare, options.release);
  if (options.build) await setUp();
  if (options.dryRun) return dryRun(options, values, options);
  const where = envFileOf(options).file;
  requireAll(
    [...REQUIRED, 'PUBLIC_URL', 'START_GENERATION_URL', 'PROCESS_JOBS_URL', 'PROCESS_GENERATION_URL'],
    values,
    where,
  );
  if (!values.SUPABASE_DB_URL) requireAll(['SUPABASE_PROJECT_REF'], values, where);
  const workers = prepare(options, values);
  /** The release, once a Worker of it is brought: before that, going back would take the one before it away. */
  const brought = new Set<string>();
  const back = () => [...brought].map((release) => commandOf('deploy', options.name, '--rollback', release));
  const supabase = new Supabase(tools, values);
  const means: Means = {
    cloudflare,
    steps: options.steps,
    health: ({ worker, name }, version) => healthOf(worker, values, version ? { name, version } : undefined),
    pause: async (percent) => {
      say(`  … ${percent} % of the requests go to the new version`);
      await sleep(options.pauseMs);
    },
  };
  const plan = once(async () => {
    const found = await lookAtAll(workers, cloudflare);
    return { found, release: releaseOf(workers, found) };
  });
  await runSteps(commandOf('deploy', options.name), [
    { title: 'database', run: () => migrate(options, supabase) },
    ...workers.map((prepared) => ({
      title: prepared.worker,
      run: async () => {
        const { found, release } = await plan();
        const seen = found.get(prepared.worker);
        // The Workers before it have taken minutes.
        const before = isSame(prepared, seen) ? seen : await cloudflare.deployed(prepared);
        // Said before anything is brought, so that a run that is cut has said it.
        if (!isSame(prepared, before)) say(`  … ${prepared.name} comes with release ${release.name}`);
        const outcome = await upgrade(prepared, before, release, means);
        if ('done' in outcome) brought.add(release.name);
        return outcome;
      },
    })),
    {
      title: 'smoke test',
      run: () =>
        smoke(options, values, workers).catch((error) => {
          throw new UserError([error.message, ...back().map((one) => `To go back: ${one}`)].join(' '));
        }),
    },
  ]);
  for (const one of back()) say(`\nGo back with ${one}.`);
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= work();
    return made;
  };
}
