/** `npm run export-user`: what is kept of a user; see --help. */
import { main } from '../user-error.mjs';
import { exportUser } from './export.ts';
import { HELP, parseOptions } from './options.ts';

await main(async () => {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (!options) {
    process.stdout.write(HELP);
    return 0;
  }
  await exportUser(options, (line) => process.stdout.write(`${line}\n`));
  process.stdout.write(`written: ${options.out}\n`);
  return 0;
});
