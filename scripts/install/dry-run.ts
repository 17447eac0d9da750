/**
 * `--dry-run`: every command that would run, and what can be checked without an account. The commands come from the
 * code that runs them, with tools that show them instead.
 */
import fs from 'node:fs';
import path from 'node:path';
import { say } from '../progress.mjs';
import { UserError } from '../user-error.mjs';
import { Cloudflare, whyBack } from './cloudflare.ts';
import { REQUIRED } from './converse.ts';
import type { Values } from './env-file.ts';
import { addressOf } from './health.ts';
import { complaintsOf } from './migrate.ts';
import type { DeployOptions, Options } from './options.ts';
import { lookAtAll } from './release.ts';
import { envFileOf } from './run.ts';
import { smokeArguments } from './smoke.ts';
import { Supabase } from './supabase.ts';
import { type Answer, type Call, shown, Tools } from './tools.ts';
import { upgrade } from './upgrade.ts';
import { folderOf, nameAll, type Prepared, prepare } from './workers.ts';

const RELEASE = { name: 'RELEASE', of: 3 };

/** Shows what it would run, and answers as if one version, OLD, were deployed. */
class ShowingTools extends Tools {
  readonly #folder: string;

  constructor(values: Values, options: Options) {
    super(values);
    this.#folder = folderOf(options);
  }

  /** Where what a call leaves behind is kept, so that it meets nothing of a run that was cut. */
  get folder(): string {
    return path.join(this.#folder, 'dry-run');
  }

  override async wrangler(args: string[], { env }: Call = {}): Promise<Answer> {
    say(`  $ ${shown('wrangler', args).replaceAll(this.folder, this.#folder)}`);
    const type = args[0] === 'deploy' ? 'deploy' : 'version-upload';
    if (env?.WRANGLER_OUTPUT_FILE_PATH)
      fs.writeFileSync(env.WRANGLER_OUTPUT_FILE_PATH, JSON.stringify({ type, version_id: 'NEW' }));
    return { code: 0, stdout: JSON.stringify({ versions: [{ version_id: 'OLD' }] }), stderr: '' };
  }

  override async supabase(args: string[]): Promise<Answer> {
    say(`  $ ${shown('supabase', args)}`);
    return { code: 0, stdout: JSON.stringify({ projects: [], keys: [] }), stderr: '' };
  }
}

/** @param deploy the options of `npm run deploy`; absent: it is `npm run setup` */
export async function dryRun(options: Options, values: Values, deploy?: DeployOptions): Promise<void> {
  const tools = new Tools(values);
  const showing = new ShowingTools(values, options);
  const cloudflare = new Cloudflare(showing, showing.folder);
  const supabase = new Supabase(showing, values);
  const workers = prepare(options, values);
  const unchecked: string[] = [];

  const missing = REQUIRED.filter((name) => values[name] === undefined);
  say(`▸ settings in ${envFileOf(options).file}`);
  if (missing.length > 0)
    unchecked.push(`${missing.join(', ')}: not set yet; npm run setup asks or reads them`);
  if (!values.PUBLIC_URL) unchecked.push('PUBLIC_URL: known once process-generation is deployed');
  if (!deploy) {
    await cloudflare.whoami();
    const ref = values.SUPABASE_PROJECT_REF ?? 'REF';
    if (!values.SUPABASE_DB_URL || !values.SUPABASE_ANON_KEY || !values.SUPABASE_SERVICE_ROLE_KEY) {
      await supabase.projects();
      if (!values.SUPABASE_ANON_KEY || !values.SUPABASE_SERVICE_ROLE_KEY) await supabase.keys(ref);
    }
    say('  GET https://api.replicate.com/v1/account, and /v1/webhooks/default/secret');
  }
  unchecked.push('the logins at Cloudflare and Supabase, and the token of Replicate');

  let refused: string[] = [];
  if (options.database) {
    say('▸ database');
    await supabase.pending();
    await supabase.push();
    if (!deploy) await supabase.pending();
    const pending = await pendingOf(values, new Supabase(tools, values));
    if (pending === undefined)
      unchecked.push(
        'which migrations the database has, and whether it takes ours: with SUPABASE_DB_URL or SUPABASE_DB_PASSWORD a dry run asks it',
      );
    else say(`  ✔ the database lacks ${pending.join(', ') || 'no migration'}`);
    if (deploy) refused = await complaintsOf(pending ?? []);
    for (const one of refused) say(`  ✖ ${one}`);
  }

  await lookAtAll(workers, cloudflare);
  for (const worker of workers) {
    say(`▸ ${worker.name}`);
    await (deploy ? showUpgrade(worker, deploy, values, cloudflare) : showDeploy(worker, values, cloudflare));
    await new Cloudflare(tools, folderOf(options)).tryBundle(worker);
    const names = Object.keys(worker.secrets).join(', ');
    say(`  ✔ wrangler bundles it; it would get ${names || 'no secrets'} as secrets`);
  }
  fs.rmSync(showing.folder, { recursive: true, force: true });
  unchecked.push('what is deployed now (what is the same is left alone), and the addresses of the Workers');

  if (options.smoke) {
    say('▸ smoke test');
    say(`  $ npm run smoke -- --name ${[options.name, ...smokeArguments(options.image)].join(' ')}`);
    unchecked.push('the running system');
  }
  say('\nNothing was changed. Not checked, because it needs your accounts:');
  for (const one of unchecked) say(`  – ${one}`);
  if (refused.length > 0)
    throw new UserError(
      'npm run deploy would refuse the migrations above. The ways out: docs/operations/deploy.md#migrations-of-a-database-in-use',
    );
}

/** The file with them is there for the time of a call; here it holds none. */
const bare = (worker: Prepared): Prepared => ({ ...worker, secrets: {} });

async function showDeploy(worker: Prepared, values: Values, cloudflare: Cloudflare): Promise<void> {
  const again = worker.worker === 'process-generation' && !values.PUBLIC_URL;
  await cloudflare.deploy(bare(worker), RELEASE, await cloudflare.deployed(worker));
  if (!again) return;
  say('  … and once more, with PUBLIC_URL, which it has told:');
  await cloudflare.deploy(bare(worker), RELEASE, await cloudflare.deployed(worker));
}

async function showUpgrade(
  worker: Prepared,
  { steps, pauseMs }: DeployOptions,
  values: Values,
  cloudflare: Cloudflare,
): Promise<void> {
  await upgrade(bare(worker), await cloudflare.deployed(worker), RELEASE, {
    cloudflare,
    steps,
    health: async (_prepared, version) => {
      const url = addressOf(worker.worker, values);
      say(`  GET ${url}${version ? `, answered by ${version}` : ''}`);
      return { isWell: true, url, said: '200' };
    },
    pause: async () => say(`  … ${pauseMs / 1000} seconds`),
  });
}

/** @returns undefined where that cannot be asked without leaving anything behind, such as a role for the time */
async function pendingOf(values: Values, supabase: Supabase): Promise<string[] | undefined> {
  const { SUPABASE_DB_URL: address, SUPABASE_DB_PASSWORD: password, SUPABASE_PROJECT_REF: ref } = values;
  return address || (password && ref) ? supabase.pending() : undefined;
}

/** What `npm run deploy -- --rollback` would ask and run. */
export async function dryRollback(options: Options, values: Values): Promise<void> {
  const workers = nameAll(options);
  const showing = new ShowingTools(values, options);
  const cloudflare = new Cloudflare(showing, showing.folder);
  await lookAtAll(workers, cloudflare);
  for (const worker of workers.toReversed()) {
    say(`▸ ${worker.name}`);
    await cloudflare.share(worker, [['BEFORE', 100]], whyBack(RELEASE.name, 'NEW'));
  }
  say('\nNothing was changed. Not checked, because it needs your accounts:');
  say('  – which versions the last release has replaced: a Worker that it left alone is left alone again');
}
