import { Bench, type Rate } from './bench.ts';
import { claimCost, fairness, fill, latency, steady, throughput } from './measures.ts';
import { jobsAt, type Options } from './options.ts';
import type { Mode, Queue } from './queue.ts';
import { Results } from './results.ts';
import type { Server } from './server.ts';

const SIZES: { size: number; mode: Mode }[] = [
  { size: 1, mode: 'plain' },
  { size: 10, mode: 'plain' },
  { size: 100, mode: 'tuned' },
];
const LATENCY_SAMPLES = 300;
const CLAIMS = 20;

/** All measures of all queues, round by round; within a round the queues take turns at each measure. */
export async function run(
  queues: Queue[],
  measures: string[],
  options: Options,
  server: Server,
  say: (line: string) => void,
): Promise<Results> {
  const results = new Results();
  const wanted = (name: string) => measures.includes(name);
  const install = (purpose: string, those = queues) =>
    inTurn(those, (queue) => Bench.install(queue, purpose, server));
  const main = wanted('throughput') ? await install('main') : [];
  const fair = wanted('fair-throughput') ? await install('fair_main', queues.filter(canBeFair)) : [];
  const passing = wanted('steady') ? await install('steady') : [];
  const quiet = wanted('latency') ? await install('quiet') : [];
  const small = wanted('claim-cost') ? await install('small') : [];
  const big = wanted('claim-cost') ? await install('big') : [];
  say('databases made');
  for (const bench of small) await fill(bench, 1_000, 0);
  await Promise.all(
    big.map(async (bench) => {
      await fill(bench, options.waiting, options.tomorrow);
      say(`${bench.queue.name}: backlog filled`);
    }),
  );

  const began = performance.now();
  for (let round = 0; round < options.rounds; round += 1) {
    say(`round ${round + 1} of ${options.rounds}${toGo(began, round, options.rounds)}`);
    const add = (row: string, { queue }: Bench, value: number) => {
      results.add(row, queue.name, value);
      say(`  ${row.padEnd(17)} ${queue.name.padEnd(16)} ${value.toPrecision(4)}`);
    };
    const addRate = (row: string, { queue }: Bench, { perSecond, ...cost }: Rate) => {
      results.add(row, queue.name, perSecond, cost);
      const cpu = cost.cpu === undefined ? '' : ` ${cost.cpu.toPrecision(3)} us`;
      say(
        `  ${row.padEnd(17)} ${queue.name.padEnd(16)} ${perSecond.toPrecision(4)}/s${cpu} ${cost.wal.toFixed(0)} B`,
      );
    };
    /** Each queue in turn. What a peer does not get through is told and left out; of ours it ends the run. */
    const turns = async (what: string, benches: Bench[], measure: (bench: Bench) => Promise<void>) => {
      for (const bench of rotate(benches, round)) {
        await measure(bench).catch((error: Error) => {
          if (bench.queue.alwaysFair) throw error;
          const [message] = error.message.split('\n');
          results.failures.push(`${bench.queue.name}, ${what}, round ${round + 1}: ${message}`);
          say(`  ${what}: ${bench.queue.name} broke off: ${message}`);
        });
      }
    };
    for (const { size, mode } of SIZES) {
      await turns(`throughput ${size}`, main, async (bench) => {
        const calls = mode === 'tuned' ? (bench.queue.settings.size ?? size) : size;
        const jobs = share(bench, jobsAt(size, options.jobs));
        const { enqueue, drain } = await throughput(bench, mode, jobs, calls);
        addRate(`enqueue ${size}`, bench, enqueue);
        addRate(`drain ${size}`, bench, drain);
      });
    }
    await turns('steady', passing, async (bench) => {
      const size = bench.queue.settings.size ?? 100;
      addRate('steady 100', bench, await steady(bench, 'tuned', options.jobs, options.jobs * 2, size));
    });
    for (const { size } of SIZES) {
      await turns(`fair throughput ${size}`, fair, async (bench) => {
        const jobs = share(bench, jobsAt(size, options.fairJobs));
        const { enqueue, drain } = await throughput(bench, 'fair', jobs, size);
        addRate(`fair enqueue ${size}`, bench, enqueue);
        addRate(`fair drain ${size}`, bench, drain);
      });
    }
    await turns('latency', quiet, async (bench) => {
      const { p50, p99 } = await latency(bench, LATENCY_SAMPLES);
      add('latency p50', bench, p50);
      add('latency p99', bench, p99);
    });
    await turns('claims', small, async (bench) => {
      const few = await claimCost(bench, CLAIMS);
      const twin = big.find(({ queue }) => queue === bench.queue);
      if (!twin) return;
      const many = await claimCost(twin, CLAIMS);
      add('claim small', bench, few.ms);
      add('claim big', bench, many.ms);
      add('claim ratio', bench, many.ms / few.ms);
      add('buffers small', bench, few.buffers);
      add('buffers big', bench, many.buffers);
      add('buffers ratio', bench, many.buffers / few.buffers);
    });
  }

  if (wanted('fairness')) {
    // Places in a queue are counted, not timed: once is enough.
    for (const queue of queues) {
      const plain = await fairness(await Bench.install(queue, 'fair', server), 'plain', options.fairness);
      results.add('turn plain', queue.name, plain.before);
      const set = queue.settings.fair
        ? await fairness(await Bench.install(queue, 'fair_set', server), 'fair', options.fairness)
        : plain;
      results.add('turn set', queue.name, set.before);
      if (set.claimMs !== undefined) results.add('turn set ms', queue.name, set.claimMs);
      say(`  fairness          ${queue.name.padEnd(16)} ${plain.before}, with settings ${set.before}`);
    }
  }
  return results;
}

function canBeFair({ alwaysFair, settings }: Queue): boolean {
  return alwaysFair === true || settings.fair !== undefined;
}

function share({ queue }: Bench, jobs: number): number {
  return Math.round(jobs * (queue.share ?? 1));
}

function toGo(began: number, done: number, rounds: number): string {
  if (done === 0) return '';
  const minutes = ((performance.now() - began) / done / 60_000) * (rounds - done);
  return `; about ${Math.max(1, Math.round(minutes))} min to go`;
}

async function inTurn<A, B>(list: A[], work: (one: A) => Promise<B>): Promise<B[]> {
  const done: B[] = [];
  for (const one of list) done.push(await work(one));
  return done;
}

/** Another one begins in each round. */
function rotate<T>(list: T[], by: number): T[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
