import os from 'node:os';
import { median, percentile } from '../queue/statistics.ts';
import type { ImageCost } from './cost.ts';
import type { Options } from './options.ts';
import { functionShares, processorShares, requestsPerImage } from './profile.ts';
import type { Round } from './round.ts';

export interface Run {
  options: Options;
  rounds: Round[];
  /** Load average before the run; none of it is ours. */
  load: number;
  date: Date;
}

/** What each process is, and whether an installation pays for it. */
const PROCESSES: Record<string, string> = {
  Postgres: 'Postgres with our schema | yes, in the Supabase project',
  workerd: 'the three Workers | yes, on Cloudflare, on as many machines as it takes',
  stack: 'the local stand-in for Supabase (API, storage) | no: Supabase’s own servers do it',
  simulator: 'the stand-in for Replicate | no',
  load: 'this benchmark: the users’ requests | no',
  other: 'the kernel and the rest of the machine | no',
  idle: 'nothing to run: a step waits for the disk, or for the one thread of another process |',
};
const OURS = ['Postgres', 'workerd'];
const STAND_INS = ['stack', 'simulator', 'load', 'other'];

/** Functions that take less of an image's time than this are summed up. */
const SMALL_MS = 0.04;

export function section(run: Run): string {
  return [
    ...head(run),
    ...speed(run),
    ...costs(run),
    ...processor(run),
    ...requests(run),
    ...database(run),
  ].join('\n');
}

function head({ options, rounds, load, date }: Run): string[] {
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const count = `${rounds.length} ${rounds.length === 1 ? 'round' : 'rounds'}`;
  return [
    'Written by `npm run bench:path`; do not edit. Everything `npm run stack` starts runs on one machine: Postgres with fsync, the three Workers in workerd, stand-ins for Supabase’s API and for Replicate, which takes no time for an image. Beside it runs what makes the requests.',
    '',
    `${date.toISOString().slice(0, 10)}, ${os.availableParallelism()} cores, ${memory} GB RAM. Load average before the run: ${load.toFixed(2)}.${options.note ? ` ${options.note}` : ''} ${count}, each on a new stack; medians.`,
    '',
  ];
}

function speed({ options, rounds }: Run): string[] {
  const { images, users } = options;
  const rates = rounds.map(({ crowd }) => images / crowd.seconds);
  const kilobytes = median(rounds.map(({ imageBytes }) => imageBytes / 1000));
  const sum = (of: (round: Round) => number) => rounds.reduce((all, round) => all + of(round), 0);
  const row = (name: string, numbers: (round: Round) => number[]) => {
    const at = (p: number) => median(rounds.map((round) => percentile(numbers(round), p))).toFixed(1);
    return `| ${name} | ${at(0.5)} | ${at(0.99)} |`;
  };
  return [
    `**${median(rates).toFixed(1)} images per second** from the first request to the last image stored, ${images} images of ${kilobytes.toFixed(0)} kB for ${users} users at once (single rounds: ${rates.map((rate) => rate.toFixed(1)).join(', ')}). ${sum(({ crowd }) => crowd.lost)} lost, ${sum(({ paidTwice }) => paidTwice)} paid for twice, ${sum(({ crowd }) => crowd.sweeps)} left to a later sweep.`,
    '',
    '| milliseconds | p50 | p99 |',
    '|---|---:|---:|',
    row('one after another: until the answer', ({ samples }) => samples.map(({ answer }) => answer)),
    row('from the answer to the prediction at Replicate', ({ samples }) =>
      samples.map(({ pickUp }) => pickUp),
    ),
    row('from the request to the image stored', ({ samples }) => samples.map(({ completed }) => completed)),
    row(`${users} users at once: until the answer`, ({ crowd }) => crowd.answers),
    '',
  ];
}

/** In the database, which is all that is paid for there. */
function costs({ options, rounds }: Run): string[] {
  const row = (title: string, costOf: (round: Round) => ImageCost) => {
    const cpu = rounds.flatMap((round) => costOf(round).cpu ?? []);
    const each = (value: (cost: ImageCost) => number) => median(rounds.map((round) => value(costOf(round))));
    const sum = (counts: number[]) => counts.reduce((all, count) => all + count, 0);
    const spent = cpu.length > 0 ? (median(cpu) * 1e6).toFixed(0) : '–';
    return `| ${title} | ${spent} | ${each(({ wal }) => wal / 1024).toFixed(1)} | ${each(({ requests: counts }) => sum(Object.values(counts))).toFixed(1)} |`;
  };
  return [
    '### What an image costs in Supabase',
    '',
    'Time of the Postgres backends on a processor, WAL, and requests, the upload included. *Alone* and *in a batch of ten*: one request after another, each waited for.',
    '',
    '| | CPU of the backends, µs | WAL, kB | requests |',
    '|---|---:|---:|---:|',
    row('alone', ({ alone }) => alone),
    row('in a batch of ten', ({ inBatch }) => inBatch),
    row(`${options.users} users at once`, ({ crowdCost: { cpu, wal }, supabase }) => ({
      cpu: cpu === undefined ? undefined : cpu / options.images,
      wal: wal / options.images,
      requests: Object.fromEntries(
        Object.entries(supabase).map(([name, count]) => [name, count / options.images]),
      ),
    })),
    '',
  ];
}

function processor({ options, rounds }: Run): string[] {
  const shares = processorShares(rounds, options);
  const title = ['### Where the time goes', ''];
  if (shares.length === 0) {
    return [...title, 'This system has no /proc, which would tell the processor time of each process.', ''];
  }
  const ms = (names: string[]) =>
    shares.filter(({ name }) => names.includes(name)).reduce((sum, share) => sum + share.ms, 0);
  const part = (names: string[]) =>
    `${((ms(names) / ms(shares.map(({ name }) => name))) * 100).toFixed(0)} %`;
  const cores = os.availableParallelism();
  const ours = ms(OURS);
  const perSecond = (names: string[]) => ((1000 * cores) / ms(names)).toFixed(0);
  return [
    ...title,
    'Processor time while the crowd is served:',
    '',
    '| process | ms per image | share | what it is | in a hosted installation |',
    '|---|---:|---:|---|---|',
    ...shares
      .filter(({ ms }) => ms >= 0.005)
      .map(
        ({ name, ms, share }) =>
          `| ${name} | ${ms.toFixed(2)} | ${(share * 100).toFixed(0)} % | ${PROCESSES[name] ?? '|'} |`,
      ),
    '',
    `A hosted installation has Postgres and the Workers too: ${ours.toFixed(1)} ms of each image (${part(OURS)}). The stand-ins, this benchmark and the rest of the machine take ${ms(STAND_INS).toFixed(1)} ms (${part(STAND_INS)}), ${part(['idle'])} is idle. So what is measured is this machine with everything on it, not a limit of the design: by calculation, ${cores} such cores with only Postgres on them would do for ${perSecond(['Postgres'])} images per second, with Postgres and the Workers for ${perSecond(OURS)}. The three Workers share one thread here.`,
    '',
  ];
}

function requests({ options, rounds }: Run): string[] {
  const rows = [
    ...requestsPerImage(rounds, options, ({ supabase }) => supabase).map(
      ([name, count]) => ['Supabase', name, count] as const,
    ),
    ...requestsPerImage(rounds, options, ({ replicate }) => replicate).map(
      ([name, count]) => ['Replicate', name, count] as const,
    ),
  ].filter(([, , count]) => count >= 0.005);
  const to = (where: string) =>
    rows.reduce((sum, [at, , count]) => sum + (at === where ? count : 0), 0).toFixed(1);
  return [
    '### Requests',
    '',
    `${to('Supabase')} with Supabase and ${to('Replicate')} with Replicate for each image; webhooks are those that Replicate sends.`,
    '',
    '| | request | per image |',
    '|---|---|---:|',
    ...rows.map(([where, name, count]) => `| ${where} | \`${name}\` | ${count.toFixed(2)} |`),
    '',
  ];
}

function database({ options, rounds }: Run): string[] {
  const per = (of: (round: Round) => number) => median(rounds.map((round) => of(round) / options.images));
  const shares = functionShares(rounds, options);
  const small = shares.filter(({ self }) => self < SMALL_MS);
  const sum = (list: typeof shares) => list.reduce((all, { self }) => all + self, 0).toFixed(2);
  return [
    '### In Postgres',
    '',
    `For each image: ${per(({ database }) => database.commits).toFixed(1)} transactions (one for each request, one that reads the bucket of an upload, and the benchmark’s own looks), ${(per(({ database }) => database.walBytes) / 1024).toFixed(1)} kB of WAL, ${per(({ database }) => database.walFlushes).toFixed(1)} flushes of it to the disk, which several transactions may share.`,
    '',
    `Functions take ${sum(shares)} ms of an image, measured on a second crowd, since timing them costs a little itself. *Own* is without what a function calls. Functions that Postgres writes into the calling statement do not show.`,
    '',
    '| function | calls per image | own ms per image | ms per call with what it calls |',
    '|---|---:|---:|---:|',
    ...shares
      .filter(({ self }) => self >= SMALL_MS)
      .map(
        ({ name, calls, total, self }) =>
          `| ${name} | ${calls.toFixed(2)} | ${self.toFixed(2)} | ${(total / calls).toFixed(2)} |`,
      ),
    `| ${small.length} others | | ${sum(small)} | |`,
  ];
}
