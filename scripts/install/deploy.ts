/** `npm run deploy`: upgrades an installation, step by step, and gives the requests back on `--rollback`. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockComplaints } from '../migrations/locks.ts';
import { readFolder } from '../migrations/released.ts';
import { say } from '../progress.mjs';
import { ROOT } from '../run.mjs';
import { setUp } from '../setup.mjs';
import { UserError } from '../user-error.mjs';
import { Cloudflare, newRelease, type Version } from './cloudflare.ts';
import { REQUIRED } from './converse.ts';
import { dryRollback, dryRun } from './dry-run.ts';
import { type Values, writePrivately } from './env-file.ts';
import { healthOf } from './health.ts';
import type { DeployOptions } from './options.ts';
import { envFileOf, type Outcome, readValues, runSteps } from './run.ts';
import { requireAll } from './settings.ts';
import { smoke } from './smoke.ts';
import { Supabase } from './supabase.ts';
import { Tools } from './tools.ts';
import { folderOf, type Prepared, prepare, WORKERS } from './workers.ts';

export async function deploy(options: DeployOptions): Promise<void> {
  const values = readValues(options);
  // A rollback brings no code, so one that is built will do; a fresh checkout has none.
  if (options.build && !(options.rollback && isBuilt())) await setUp();
  if (options.dryRun && options.rollback) return dryRollback(options, values);
  if (options.dryRun) return dryRun(options, values, options);
  const where = envFileOf(options).file;
  requireAll(
    [...REQUIRED, 'PUBLIC_URL', 'START_GENERATION_URL', 'PROCESS_JOBS_URL', 'PROCESS_GENERATION_URL'],
    values,
    where,
  );
  if (!values.SUPABASE_DB_URL) requireAll(['SUPABASE_PROJECT_REF'], values, where);
  const tools = new Tools(values);
  const cloudflare = new Cloudflare(tools, folderOf(options));
  const workers = prepare(options, values);
  const command = `npm run deploy${options.name === 'production' ? '' : ` -- --name ${options.name}`}`;
  if (options.rollback) {
    await rollBack(workers, cloudflare);
    return fs.rmSync(markOf(options), { force: true });
  }
  const supabase = new Supabase(tools, values);
  const release = releaseOf(options);
  let changed = false;
  await runSteps(command, [
    { title: 'database', run: () => migrate(options, supabase) },
    ...workers.map((prepared) => ({
      title: prepared.worker,
      run: async () => {
        const outcome = await upgrade(prepared, { cloudflare, options, values, release });
        changed ||= 'done' in outcome;
        return outcome;
      },
    })),
    {
      title: 'smoke test',
      run: () =>
        smoke(options, values, changed).catch((error) => {
          throw new UserError(`${error.message} To go back: ${backCommand(options)}`);
        }),
    },
  ]);
  fs.rmSync(markOf(options), { force: true });
  say(`\nGo back with ${backCommand(options)}.`);
}

const isBuilt = () =>
  ['web/dist', ...WORKERS.map((worker) => `functions/${worker}/build`)].every((folder) =>
    fs.existsSync(path.join(ROOT, folder)),
  );

const markOf = (options: DeployOptions) => path.join(folderOf(options), 'release.under-way');

/** One that was cut is gone on with under its name: its Workers go back together. */
function releaseOf(options: DeployOptions): string {
  const mark = markOf(options);
  if (fs.existsSync(mark)) return fs.readFileSync(mark, 'utf8').trim();
  const release = newRelease();
  writePrivately(mark, `${release}\n`);
  return release;
}

const backCommand = ({ name }: DeployOptions) =>
  `npm run deploy -- --rollback${name === 'production' ? '' : ` --name ${name}`}`;

/** Refused before anything runs: a migration that could hold up the queue. */
async function migrate(options: DeployOptions, supabase: Supabase): Promise<Outcome> {
  if (!options.database) return { unchecked: 'left as it is, as you asked' };
  const pending = await supabase.pending();
  if (pending.length === 0) return { unchanged: 'unchanged, it has every migration' };
  const all = [...(await readFolder(path.join(ROOT, 'supabase'))).keys()];
  const isInUse = all.some((file) => !pending.includes(file));
  const wrong = isInUse ? await lockComplaints(pending) : [];
  if (wrong.length > 0)
    throw new UserError(
      `nothing was applied, because the queue could stand still for more than a second:\n    ${wrong.join('\n    ')}\n  docs/operations/deploy.md#migrations-of-a-database-in-use has the ways out.`,
    );
  await supabase.push();
  return { done: `${pending.join(', ')} applied` };
}

interface Means {
  cloudflare: Cloudflare;
  options: DeployOptions;
  values: Values;
  release: string;
}

async function upgrade(
  prepared: Prepared,
  { cloudflare, options, values, release }: Means,
): Promise<Outcome> {
  const before = await cloudflare.deployed(prepared);
  if (!before)
    throw new UserError(`${prepared.name} is not there yet: npm run setup deploys it for the first time.`);
  if (before.fingerprint === prepared.fingerprint && !before.incoming) return { unchanged: 'unchanged' };
  const usual = await healthOf(prepared.worker, values);
  // A deployment that was cut has uploaded it already.
  const again = before.incoming?.fingerprint === prepared.fingerprint ? before.incoming : undefined;
  const version = again?.versionId ?? (await cloudflare.upload(prepared, release, before));
  if (version === undefined) {
    // A new class of Durable Objects: Cloudflare takes it with all the requests only.
    await cloudflare.deploy(prepared, release, before);
    return { done: 'deployed at once, because it brings a Durable Object migration' };
  }
  for (const step of options.steps) {
    await cloudflare.share(
      prepared,
      [
        [version, step],
        [before.versionId, 100 - step],
      ],
      `Release ${release}`,
    );
    say(`  … ${step} % of the requests go to the new version`);
    await sleep(options.pauseMs);
    const now = await healthOf(prepared.worker, values, { name: prepared.name, version });
    if (now.isWell || !usual.isWell) continue;
    await cloudflare.share(prepared, [[before.versionId, 100]], `Rolled back ${release}: ${now.said}`);
    throw new UserError(
      `the new version answered ${now.said} at ${now.url}, so all requests go to the one of before again.`,
    );
  }
  // Before the last share: a run that is cut here finds the version on its way, and comes by again.
  await cloudflare.triggers(prepared);
  await cloudflare.share(prepared, [[version, 100]], `Release ${release}`);
  return { done: `version ${version} in place of ${before.versionId}` };
}

/** The Workers of the last release go back to what they replaced; the one that callers see first goes first. */
async function rollBack(workers: Prepared[], cloudflare: Cloudflare): Promise<void> {
  const found: { prepared: Prepared; from: Version; to: string | undefined }[] = [];
  let takenBack = '';
  for (const prepared of workers.toReversed()) {
    const deployed = await cloudflare.deployed(prepared);
    if (!deployed) continue;
    const { incoming, rolledBackFrom = '' } = deployed;
    found.push({ prepared, from: incoming ?? deployed, to: incoming ? deployed.versionId : deployed.before });
    if (rolledBackFrom > takenBack) takenBack = rolledBackFrom;
  }
  const newest = found
    .map(({ from }) => from.release ?? '')
    .sort()
    .at(-1);
  if (!newest) throw new UserError('nothing that npm run setup or npm run deploy has brought is deployed.');
  // A second call would go back one more, which nobody asked for.
  if (takenBack > newest)
    throw new UserError(
      `release ${takenBack} is rolled back already; ${newest} runs. Further back: npx wrangler versions deploy VERSION_ID --name WORKER`,
    );
  const going = found.filter(({ from }) => from.release === newest);
  const first = going.filter(({ to }) => to === undefined).map(({ prepared }) => prepared.name);
  if (first.length > 0)
    throw new UserError(`nothing was changed: ${first.join(', ')} had no version before release ${newest}.`);
  for (const { prepared, from, to = '' } of going) {
    await cloudflare.share(prepared, [[to, 100]], `Rolled back ${newest} (${from.versionId})`);
    say(`✔ ${prepared.name}: back at ${to}`);
  }
  say('The database stays as it is: the Workers of before go on with it.');
}
