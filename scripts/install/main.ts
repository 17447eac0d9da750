/** `npm run setup` and `npm run deploy`; `--help` tells the options. */
import { main } from '../user-error.mjs';
import { deploy } from './deploy.ts';
import { DEPLOY_HELP, parseDeploy, parseSetup, SETUP_HELP } from './options.ts';
import { setup } from './setup.ts';

await main(async () => {
  const [command, ...args] = process.argv.slice(2);
  if (command === 'setup') {
    const options = parseSetup(args, process.stdin.isTTY === true && process.stderr.isTTY === true);
    if (options) return setup(options);
    process.stdout.write(SETUP_HELP);
    return undefined;
  }
  const options = parseDeploy(args);
  if (options) return deploy(options);
  process.stdout.write(DEPLOY_HELP);
  return undefined;
});
