/** `node bench/queue/main.ts`: the queue beside other queues on Postgres; see --help. */
import os from 'node:os';
import { writeSection } from '../section.ts';
import { findQueues, NAMES } from './all.ts';
import { HELP, MEASURES, type Options, parseOptions } from './options.ts';
import type { Missing, Queue } from './queue.ts';
import { progress, section, standing } from './report.ts';
import { table, walTable } from './results.ts';
import { run } from './run.ts';
import { startServer } from './server.ts';

const started = performance.now();
const say = (line: string) =>
  console.log(`${String(Math.round((performance.now() - started) / 1000)).padStart(4)} s  ${line}`);

try {
  const options = parseOptions(process.argv.slice(2), NAMES);
  if (options) await benchmark(options);
  else process.stdout.write(HELP);
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}

async function benchmark(options: Options): Promise<void> {
  const load = os.loadavg()[0] ?? 0;
  const found = await findQueues(options.engines);
  const missing = found.filter((one): one is Missing => 'missing' in one);
  for (const { name, missing: why } of missing) say(`${name} is left out: ${why}`);
  const here = found.filter((one): one is Queue => !('missing' in one));
  const queues = chosen(here, ({ name }) => name, options.only);
  const measures = chosen(MEASURES, (name) => name, options.only);

  const server = await startServer();
  process.once('SIGINT', () => void server.stop().finally(() => process.exit(130)));
  try {
    say(
      `Postgres ${server.settings.server_version}; ${queues.map(({ name, version }) => `${name} ${version}`).join(', ')}`,
    );
    const results = await run(queues, measures, options, server, say);
    const seconds = (performance.now() - started) / 1000;
    const all = { options, queues, missing, results, settings: server.settings, load, seconds };
    const names = queues.map(({ name }) => name);
    console.log(
      [
        '',
        ...table(results, names, options),
        '',
        ...walTable(results, names, options),
        '',
        ...progress(all),
        '',
        ...standing(all),
        '',
      ].join('\n'),
    );
    if (options.quick || options.only.length > 0) {
      console.log('Not a run of everything: docs/operations/benchmarks.md stays as it is.');
    } else {
      await writeSection('queue', section(all));
      console.log('Written: docs/operations/benchmarks.md');
    }
  } finally {
    await server.stop();
  }
}

/** Those that --only names, or all when it names none of this kind. */
function chosen<T>(list: T[], nameOf: (one: T) => string, only: string[]): T[] {
  const named = list.filter((one) => only.includes(nameOf(one)));
  return named.length > 0 ? named : list;
}
