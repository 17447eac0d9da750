/** `--dry-run`: every command that would run, and what can be checked without an account. */
import { say } from '../progress.mjs';
import { Cloudflare } from './cloudflare.ts';
import { REQUIRED } from './converse.ts';
import type { Values } from './env-file.ts';
import type { DeployOptions, Options } from './options.ts';
import { envFileOf } from './run.ts';
import { smokeArguments } from './smoke.ts';
import { Supabase } from './supabase.ts';
import { shown, Tools } from './tools.ts';
import { folderOf, prepare, secretsFileOf } from './workers.ts';

/** @param deploy the options of `npm run deploy`; absent: it is `npm run setup` */
export async function dryRun(options: Options, values: Values, deploy?: DeployOptions): Promise<void> {
  const tools = new Tools(values);
  const folder = folderOf(options);
  const cloudflare = new Cloudflare(tools, folder);
  const supabase = new Supabase(tools, values);
  const workers = prepare(options, values);
  const unchecked: string[] = [];

  const missing = REQUIRED.filter((name) => values[name] === undefined);
  say(`▸ settings in ${envFileOf(options).file}`);
  if (missing.length > 0)
    unchecked.push(`${missing.join(', ')}: not set yet; npm run setup asks or reads them`);
  if (!values.PUBLIC_URL) unchecked.push('PUBLIC_URL: known once process-generation is deployed');
  say('  $ npx wrangler whoami --json');
  if (!deploy) {
    say('  $ npx supabase projects list --output-format json');
    say('  $ npx supabase projects api-keys --remote=REF --reveal --output-format json');
    say('  GET https://api.replicate.com/v1/account, and /v1/webhooks/default/secret');
  }
  unchecked.push('the logins at Cloudflare and Supabase, and the token of Replicate');

  if (options.database) {
    say('▸ database');
    say(`  $ ${shown('supabase', supabase.pushArguments('--dry-run'))}`);
    say(`  $ ${shown('supabase', supabase.pushArguments())}`);
    unchecked.push('which migrations the database has, and whether it takes ours');
  }

  for (const worker of workers) {
    say(`▸ ${worker.name}`);
    const own = ['--config', worker.config];
    const upload = [...own, '--secrets-file', secretsFileOf(folder, worker.worker), '--tag', 'RELEASE'];
    say(`  $ ${shown('wrangler', ['deployments', 'status', ...own, '--json'])}`);
    if (deploy) {
      say(`  $ ${shown('wrangler', ['versions', 'upload', ...upload])}`);
      for (const step of [...deploy.steps, 100])
        say(`  $ ${shown('wrangler', ['versions', 'deploy', `NEW@${step}%`, ...own, '--yes'])}`);
      say(`  $ ${shown('wrangler', ['triggers', 'deploy', ...own])}`);
    } else say(`  $ ${shown('wrangler', ['deploy', ...upload])}`);
    await cloudflare.tryBundle(worker);
    say(`  ✔ wrangler bundles it; it would get ${names(worker.secrets) || 'no secrets'} as secrets`);
  }
  unchecked.push('what is deployed now, and the addresses of the Workers');

  if (options.smoke) {
    say('▸ smoke test');
    say(`  $ npm run smoke -- ${smokeArguments(options.image).join(' ')}`.trimEnd());
    unchecked.push('the running system');
  }
  say('\nNothing was changed. Not checked, because it needs your accounts:');
  for (const one of unchecked) say(`  – ${one}`);
}

/** What `npm run deploy -- --rollback` would ask and run. */
export function dryRollback(options: Options, values: Values): void {
  for (const { name, config } of prepare(options, values).toReversed()) {
    const own = ['--config', config];
    say(`▸ ${name}`);
    say(`  $ ${shown('wrangler', ['deployments', 'status', ...own, '--json'])}`);
    say(`  $ ${shown('wrangler', ['versions', 'deploy', 'BEFORE@100%', ...own, '--yes'])}`);
  }
  say('\nNothing was changed. Not checked, because it needs your accounts:');
  say('  – which versions the last release has replaced: a Worker that it left alone is left alone again');
}

const names = (values: Values) => Object.keys(values).join(', ');
