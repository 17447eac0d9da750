import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Rate } from './bench.ts';
import { CLIENTS, warmUp } from './bench.ts';
import { type Consumers, consumers } from './consumers.ts';
import { type Claimed, type Mode, type NewJob, newJobs, type Session, USERS } from './queue.ts';
import { median, percentile } from './statistics.ts';

const CLAIMS_TIMED = 20;

export interface Throughput {
  enqueue: Rate;
  drain: Rate;
}

/** `jobs` into the queue and, claimed and completed, out of it, `size` per statement. */
export async function throughput(bench: Bench, mode: Mode, jobs: number, size: number): Promise<Throughput> {
  return bench.with(mode, CLIENTS, async (sessions) => {
    const consuming = await consumers(bench, sessions, size);
    try {
      await bench.settle();
      let next = 0;
      const enqueue = await bench.rate(async () => {
        await each(sessions, async (session) => {
          while (next < jobs) {
            const from = next;
            next = Math.min(jobs, from + size);
            await session.enqueue(newJobs(next - from, from));
          }
        });
        return jobs;
      });
      await bench.settle();
      let done = 0;
      const drain = await bench.rate(async () => {
        done = (await consuming.drain(jobs)).length;
        return done;
      });
      await finish(bench, consuming, sessions, jobs - done);
      return { enqueue, drain };
    } finally {
      await consuming.close();
    }
  });
}

/** Through a queue that holds `waiting` jobs all the time: half of the clients enqueue, half claim and complete. */
export async function steady(
  bench: Bench,
  mode: Mode,
  waiting: number,
  jobs: number,
  size: number,
): Promise<Rate> {
  return bench.with(mode, CLIENTS, async (sessions) => {
    const producers = sessions.slice(CLIENTS / 2);
    const consuming = await consumers(bench, sessions.slice(0, CLIENTS / 2), size);
    try {
      for (let n = 0; n < waiting; n += 100)
        await producers[0]?.enqueue(newJobs(Math.min(100, waiting - n), n));
      await bench.settle();
      let enqueued = 0;
      let handedOut = 0;
      const produce = async (session: Session) => {
        while (enqueued < jobs) {
          if (enqueued - handedOut >= size * producers.length) {
            await sleep(1);
          } else {
            const from = enqueued;
            enqueued += size;
            await session.enqueue(newJobs(size, from));
          }
        }
      };
      let done = 0;
      const rate = await bench.rate(async () => {
        const drained = consuming.drain(jobs, (count) => {
          handedOut += count;
        });
        await each(producers, produce);
        done = (await drained).length;
        return done;
      });
      await finish(bench, consuming, sessions, waiting + enqueued - done);
      return rate;
    } finally {
      await consuming.close();
    }
  });
}

/** Takes out what is left, so that the next one begins with nothing, and nothing is lost unseen. */
async function finish(bench: Bench, consuming: Consumers, sessions: Session[], left: number): Promise<void> {
  const { length } = left > 0 ? await consuming.drain(left) : [];
  if (length !== left) throw new Error(`${bench.queue.name} gave ${length} jobs where ${left} were left`);
  if (bench.queue.runtime) return;
  const over = (await sessions[0]?.claim(1)) ?? [];
  if (over.length > 0) throw new Error(`${bench.queue.name} gave a job twice`);
}

/** Milliseconds from the call that enqueues a job to the answer of the claim that hands it out. */
export async function latency(bench: Bench, times: number): Promise<{ p50: number; p99: number }> {
  return bench.with('plain', 1, async ([session]) => {
    if (!session) throw new Error('no session');
    if (bench.queue.runtime) {
      const runtime = await bench.queue.runtime(bench.url, 1, 1);
      try {
        await runtime.latencies(6);
        await bench.settle();
        return summary(await runtime.latencies(times));
      } finally {
        await runtime.close();
      }
    }
    await warmUp(session, 1);
    await bench.settle();
    const samples: number[] = [];
    for (let n = 0; n < times; n += 1) {
      const [job] = newJobs(1, n);
      const started = performance.now();
      await session.enqueue([job as NewJob]);
      const claimed = await session.claim(1);
      samples.push(performance.now() - started);
      if (claimed.length !== 1) throw new Error(`${bench.queue.name} did not hand out the job just enqueued`);
      await session.complete(claimed);
    }
    return summary(samples);
  });
}

function summary(samples: number[]): { p50: number; p99: number } {
  return { p50: median(samples), p99: percentile(samples, 0.99) };
}

export async function fill(bench: Bench, waiting: number, tomorrow: number): Promise<void> {
  await bench.with('plain', 1, async ([session], [client]) => {
    if (!session || !client) throw new Error('no session');
    if (bench.queue.fill) await bench.queue.fill(client, waiting, tomorrow);
    else {
      const step = 5_000;
      // Tomorrow's first: where there is no priority, the older ones are those that are in the way.
      for (let n = 0; n < tomorrow; n += step) {
        const jobs = newJobs(Math.min(step, tomorrow - n), n);
        await session.enqueue(jobs.map((job) => ({ ...job, tomorrow: true })));
      }
      for (let n = 0; n < waiting; n += step) await session.enqueue(newJobs(Math.min(step, waiting - n), n));
    }
  });
  await bench.settle();
}

/** One claim of ten, taken back again each time, so that the backlog stays what it is. */
export async function claimCost(bench: Bench, times: number): Promise<{ ms: number; buffers: number }> {
  return bench.with('plain', 1, async ([session], [client]) => {
    if (!session || !client) throw new Error('no session');
    const samples: number[] = [];
    const takenBack = async <T>(work: () => Promise<T>): Promise<T> => {
      await client.run('begin');
      try {
        return await work();
      } finally {
        await client.run('rollback');
      }
    };
    for (let n = -8; n < times; n += 1) {
      await takenBack(async () => {
        const started = performance.now();
        const claimed = await session.claim(10);
        if (n >= 0) samples.push(performance.now() - started);
        if (claimed.length !== 10) throw new Error(`${bench.queue.name} claimed ${claimed.length} of 10`);
      });
    }
    const plans = await takenBack(() => client.explain(() => session.claim(10)));
    return { ms: median(samples), buffers: plans.reduce((sum, plan) => sum + plan.buffers, 0) };
  });
}

export interface Turn {
  /** Jobs of the busy user handed out before the other user's first, in claims of ten. */
  before: number;
  /** Milliseconds for such a claim, in the middle; undefined where only the queue's own workers claim. */
  claimMs: number | undefined;
}

export async function fairness(bench: Bench, mode: Mode, backlog: number): Promise<Turn> {
  const [busy, other] = USERS as [string, string];
  return bench.with(mode, 1, async ([session]) => {
    if (!session) throw new Error('no session');
    for (let n = 0; n < backlog; n += 100)
      await session.enqueue(Array.from({ length: 100 }, () => ({ user: busy })));
    if (bench.queue.runtime) {
      const runtime = await bench.queue.runtime(bench.url, 2, 10);
      try {
        const { length } = await runtime.drain(10);
        await session.enqueue([{ user: other }]);
        const before = (await runtime.drain(backlog + 1 - length)).findIndex(({ user }) => user === other);
        if (before < 0) throw new Error(`${bench.queue.name} lost the other user's job`);
        return { before, claimMs: undefined };
      } finally {
        await runtime.close();
      }
    }
    // A claim has been made before the other user comes.
    await session.complete(await session.claim(10));
    await session.enqueue([{ user: other }]);
    await bench.settle();
    const samples: number[] = [];
    let running: Claimed[] = [];
    let handedOut = 0;
    let before: number | undefined;
    while (before === undefined || samples.length < CLAIMS_TIMED) {
      const started = performance.now();
      const claimed = await session.claim(10);
      samples.push(performance.now() - started);
      const place = claimed.findIndex(({ user }) => user === other);
      if (place >= 0) before = handedOut + place;
      if (claimed.length === 0 && running.length === 0) throw new Error(`${bench.queue.name} ran dry`);
      handedOut += claimed.length;
      // Two claims are under way at any time, as with two workers: limits on what runs at once can act.
      if (running.length > 0) await session.complete(running);
      running = claimed;
    }
    return { before, claimMs: median(samples) };
  });
}

function each(sessions: Session[], work: (session: Session) => Promise<void>): Promise<unknown> {
  return Promise.all(sessions.map(work));
}
