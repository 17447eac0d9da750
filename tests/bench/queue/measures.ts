import type { Bench } from './bench.ts';
import { CLIENTS, newJobs, warmUp } from './bench.ts';
import type { Claimed, Mode, NewJob, Session } from './queue.ts';
import { USERS } from './queue.ts';
import { median, percentile } from './statistics.ts';

const CLAIMS_TIMED = 20;

export interface Throughput {
  enqueue: number;
  drain: number;
}

/** Jobs per second into the queue and, claimed and completed, out of it, `size` per statement. */
export async function throughput(bench: Bench, mode: Mode, jobs: number, size: number): Promise<Throughput> {
  return bench.with(mode, CLIENTS, async (sessions) => {
    await Promise.all(sessions.map((session) => warmUp(session, size)));
    await finishRest(sessions);
    await bench.settle();
    let next = 0;
    const enqueueUpTo = (count: number, step: number) =>
      each(sessions, async (session) => {
        while (next < count) {
          const from = next;
          next = Math.min(count, from + step);
          await session.enqueue(newJobs(next - from, from));
        }
      });
    // A quarter is enough for a rate when each job is a commit.
    const timed = size === 1 ? jobs / 4 : jobs;
    const enqueue = await perSecond(timed, () => enqueueUpTo(timed, size));
    await enqueueUpTo(jobs, 100);
    await bench.settle();
    let done = 0;
    const drain = await perSecond(jobs, () =>
      each(sessions, async (session) => {
        for (;;) {
          const claimed = await session.claim(size);
          if (claimed.length === 0) return;
          await session.complete(claimed);
          done += claimed.length;
        }
      }),
    );
    if (done !== jobs) throw new Error(`${bench.queue.name} gave ${done} jobs of ${jobs}`);
    return { enqueue, drain };
  });
}

/** Milliseconds from the call that enqueues a job to the answer of the claim that hands it out. */
export async function latency(bench: Bench, times: number): Promise<{ p50: number; p99: number }> {
  return bench.with('plain', 1, async ([session]) => {
    if (!session) throw new Error('no session');
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
    return { p50: median(samples), p99: percentile(samples, 0.99) };
  });
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
  /** Milliseconds for such a claim, in the middle. */
  claimMs: number;
}

export async function fairness(bench: Bench, mode: Mode, backlog: number): Promise<Turn> {
  const [busy, other] = USERS as [string, string];
  return bench.with(mode, 1, async ([session]) => {
    if (!session) throw new Error('no session');
    for (let n = 0; n < backlog; n += 100)
      await session.enqueue(Array.from({ length: 100 }, () => ({ user: busy })));
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

async function finishRest([session]: Session[]): Promise<void> {
  for (;;) {
    const claimed = (await session?.claim(100)) ?? [];
    if (claimed.length === 0) return;
    await session?.complete(claimed);
  }
}

async function perSecond(jobs: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return jobs / ((performance.now() - started) / 1000);
}

function each(sessions: Session[], work: (session: Session) => Promise<void>): Promise<unknown> {
  return Promise.all(sessions.map(work));
}
