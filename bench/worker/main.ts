/** `npm run bench:worker`: what our Workers cost beside the same Workers in JavaScript; see --help. */
import os from 'node:os';
import { hasProc } from '../processes.ts';
import { median } from '../queue/statistics.ts';
import { writeSection } from '../section.ts';
import { measureInvocations } from './invocations.ts';
import { compare, measureFloor } from './measure.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { profileSides } from './profile.ts';
import { comparison, invocations, limits, onIdleCores, profiles, type Run } from './report.ts';
import { rowsOf } from './rows.ts';
import { checkout, isReleaseBuild, javascript, ours } from './sides.ts';
import type { Upstream } from './upstream.ts';
import { startUpstreamThread } from './upstream-thread.ts';

const PAGE = 'worker-costs.md';
const started = performance.now();

try {
  const options = parseOptions(process.argv.slice(2));
  if (options) await benchmark(options);
  else process.stdout.write(HELP);
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}

async function benchmark(options: Options): Promise<void> {
  if (!hasProc) throw new Error('This system has no /proc, which tells the processor time of each thread.');
  const { rounds, note } = options;
  const load = os.loadavg()[0] ?? 0;
  const run: Run = { rounds, note, load, isRelease: await isReleaseBuild(), date: new Date() };
  const say = (line: string) => {
    const seconds = String(Math.round((performance.now() - started) / 1000)).padStart(4);
    const print = options.json ? console.error : console.log;
    print(`${seconds} s  ${line}`);
  };
  if (!run.isRelease) say('These are builds for development: slower than what is deployed.');
  const upstream = await startUpstreamThread();
  try {
    const measure = options.table ? table : options.profile ? profile : beside;
    const measured = await measure(options, run, upstream, say);
    if (options.json) console.log(JSON.stringify({ ...run, ...measured.found }));
    else await publish(options, run, measured);
  } finally {
    await upstream.stop();
  }
}

interface Measured {
  section: string;
  text: string;
  found: Record<string, unknown>;
}

async function beside(
  options: Options,
  run: Run,
  upstream: Upstream,
  say: (line: string) => void,
): Promise<Measured> {
  const other = options.against === undefined ? javascript : checkout(options.against);
  const found = await compare([ours, other], upstream, options, say);
  const rows = rowsOf(found, options.against !== undefined);
  return {
    section: 'comparison',
    text: comparison(run, rows, other.name, median(found.floor)),
    found: { rows, rounds: found },
  };
}

async function table(
  options: Options,
  run: Run,
  upstream: Upstream,
  say: (line: string) => void,
): Promise<Measured> {
  const floor = await measureFloor(upstream, options.quick);
  const found = await measureInvocations(upstream, options, say);
  const told = { invocations: found, limits: limits(onIdleCores(found, floor)), floor };
  return { section: 'invocations', text: invocations(run, found, floor), found: told };
}

async function profile({ quick }: Options, run: Run, upstream: Upstream): Promise<Measured> {
  const found = await profileSides(upstream, quick);
  return { section: 'profile', text: profiles(run, found), found: { profiles: found } };
}

async function publish({ write }: Options, { isRelease }: Run, { section, text }: Measured): Promise<void> {
  console.log(`\n${text}\n`);
  if (write && isRelease) {
    await writeSection(section, text, PAGE);
    console.log(`Written: docs/operations/${PAGE}`);
  } else {
    console.log(`Not written: docs/operations/${PAGE} stays as it is.`);
  }
}
