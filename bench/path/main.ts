/** `node bench/path/main.ts`: how fast the whole system is on this machine, and where the time goes; see --help. */
import os from 'node:os';
import { writeSection } from '../section.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { section } from './report.ts';
import { measureRound, type Round } from './round.ts';

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
  const env = workerSettings();
  const rounds: Round[] = [];
  while (rounds.length < options.rounds) {
    const round = await measureRound(options, env);
    rounds.push(round);
    say(
      `round ${rounds.length} of ${options.rounds}: ${(options.images / round.crowd.seconds).toFixed(1)} images a second`,
    );
  }
  const text = section({ options, rounds, load, date: new Date() });
  console.log(`\n${text}\n`);
  const changed = [
    ...Object.keys(env),
    ...(options.migrations ? ['--migrations'] : []),
    ...(options.imageBytes ? ['--image-bytes'] : []),
  ];
  if (!options.write || changed.length > 0) {
    const why = changed.length > 0 ? ` ${changed.join(' and ')} given:` : '';
    console.log(`Not written:${why} docs/operations/benchmarks.md stays as it is.`);
  } else {
    await writeSection('path', text);
    console.log('Written: docs/operations/benchmarks.md');
  }
}

/** Settings of the Workers that this run tries instead of their own. */
function workerSettings(): Record<string, string> {
  return Object.fromEntries(
    ['MAX_PARALLEL_JOBS', 'MAX_JOBS_PER_INVOCATION'].flatMap((name) => {
      const value = process.env[name];
      return value ? [[name, value]] : [];
    }),
  );
}
