/** `npm run rehearse:restore`: a dump, more work, a new database, and what the ledger knows; see --help. */
import { main } from '../../scripts/user-error.mjs';
import { writeSection } from '../section.ts';
import { HELP, parseOptions } from './options.ts';
import { postgresPrograms } from './programs.ts';
import { rehearse } from './rehearsal.ts';
import { section } from './report.ts';

await main(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (!options) {
    process.stdout.write(HELP);
    return 0;
  }
  const bin = await postgresPrograms(options.postgresBin);
  const started = performance.now();
  const say = (line: string) =>
    process.stderr.write(`${Math.round((performance.now() - started) / 1000)} s  ${line.trim()}\n`);
  const result = await rehearse({ bin, batch: options.batch, say });
  process.stdout.write(
    options.json ? `${JSON.stringify(result, null, 2)}\n` : `\n${section(result, new Date())}\n`,
  );
  for (const sentence of result.wrong) process.stderr.write(`✖ ${sentence}\n`);
  if (result.wrong.length > 0) return 1;
  if (options.write) await writeSection('restore', section(result, new Date()), 'runbook/backup.md');
  return 0;
});
