/** `npm run bench:regions`: what distance costs, between user, edge and database; see --help. */
import os from 'node:os';
import { writeSection } from '../section.ts';
import { type Cell, measureDistance } from './measure.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { section } from './report.ts';

const started = performance.now();
const say = (line: string) =>
  console.log(`${String(Math.round((performance.now() - started) / 1000)).padStart(4)} s  ${line}`);

try {
  const options = parseOptions(process.argv.slice(2));
  if (options) await benchmark(options);
  else process.stdout.write(HELP);
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}

async function benchmark(options: Options): Promise<void> {
  const load = os.loadavg()[0] ?? 0;
  const cells: Cell[] = [];
  for (const placement of ['near the database', 'near the user'] as const) {
    for (const database of options.databases) {
      cells.push(...(await measureDistance(placement, database, options.users, options.images, say)));
    }
  }
  const text = section({ options, cells, load, date: new Date() });
  console.log(`\n${text}\n`);
  if (!options.write) return console.log('Not written: docs/operations/regions.md stays as it is.');
  await writeSection('regions', text, 'regions.md');
  console.log('Written: docs/operations/regions.md');
}
