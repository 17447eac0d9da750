// npm run deploy: builds the three Workers and deploys them in the order that their bindings need.
// Arguments go to wrangler: npm run deploy -- --dry-run
import { say } from './progress.mjs';
import { foreground, output } from './run.mjs';
import { asksForHelp, setUp } from './setup.mjs';
import { main, UserError } from './user-error.mjs';
import { WORKERS } from './workers.mjs';

const HELP = `npm run deploy [-- options]

Sets up what is missing, builds the three Workers and the studio, and deploys process-generation, process-jobs and
start-generation, in this order. The steps before it, and how to check the result: docs/operations/deploy.md.

  --dry-run            build and bundle all three, upload nothing; needs no account and no variables
  --help               this text

All other options go to wrangler for each Worker: npx wrangler deploy --help
`;

await main(async () => {
  const args = process.argv.slice(2);
  if (asksForHelp(args)) {
    process.stdout.write(HELP);
    return 0;
  }
  await setUp();
  const dryRun = args.includes('--dry-run');
  for (const worker of WORKERS) {
    if (!dryRun) await checkVariables(worker);
    say(`\n▸ ${dryRun ? 'trying the deployment of' : 'deploying'} ${worker}`);
    const code = await foreground('wrangler', ['deploy', '--env', worker, ...args]);
    if (code !== 0)
      throw new UserError(
        `${worker} was not deployed. docs/operations/deploy.md lists the steps before this one.`,
      );
  }
  return 0;
});

async function checkVariables(worker) {
  const program = `import { unstable_readConfig as read } from 'wrangler';
    console.log(read({ config: 'wrangler.toml', env: process.argv[1] }).vars.SUPABASE_URL ?? '');`;
  const url = await output('node', ['--input-type=module', '-e', program, worker]);
  if (!url)
    throw new UserError(
      `Set SUPABASE_URL of env.${worker} in wrangler.toml first (docs/operations/deploy.md).`,
    );
}
