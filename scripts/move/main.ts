/** `npm run move`: moves a project of the original in its own database; `--help` tells the options. */
import path from 'node:path';
import { UserError } from '../user-error.mjs';
import { move } from './move.ts';
import { HELP, parseOptions } from './options.ts';

try {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options) {
    const report = path.resolve(process.env.INIT_CWD ?? '.', options.report);
    await move({ ...options, report }, (line) => process.stdout.write(`${line}\n`));
  } else process.stdout.write(HELP);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`✖ ${error.message}\n`);
  process.exitCode = 1;
}
