import { setTimeout as sleep } from 'node:timers/promises';
import { TestStack } from '../../tests/e2e/support/stack.ts';
import { type Clock, startClock } from './clock.ts';
import { collect } from './evidence.ts';
import { faultKinds, rulesFor } from './faults.ts';
import { check } from './invariants.ts';
import { type Load, runLoad } from './load.ts';
import type { SoakOptions } from './options.ts';
import { type Planned, plan, realTime, tag } from './plan.ts';
import { numbersOf, offendersOf, type Report } from './report.ts';
import { lengthOf, startWeather } from './weather.ts';

const POLL_MS = 500;
/** More than the longest lease, whatever was shortened. */
const STUCK_MS = 150_000;
/** How long the simulator takes for an image: some are always under way when a worker dies. */
const GENERATION_MS = 150;
/** The simulator's first pause before it repeats a final webhook; on Replicate's own clock. */
const WEBHOOK_RETRY_MS = 500;

export interface SoakContext {
  /** Gets a line now and then. */
  say: (line: string) => void;
  /** No waiting after this time, in milliseconds since the epoch. */
  deadline: number;
  /** Told of the stack as soon as it runs. */
  onStack?: (stack: TestStack) => void;
}

/** One whole run on a stack of its own. @throws when the stack or a start breaks, not for a broken invariant */
export async function runSoak(options: SoakOptions, context: SoakContext): Promise<Report> {
  const { say } = context;
  const planned = plan(options);
  say('starting the stack');
  const env = { SIMULATOR_GENERATION_MS: String(GENERATION_MS) };
  const stack = await TestStack.start({ env, args: ['--rate-limit', '1000000'] });
  context.onStack?.(stack);
  try {
    await liftQuotas(stack);
    const playedFaults = await arm(stack, planned, options);
    const clock = startClock(stack, options.clock);
    const kills = killer(stack, options, clock, say);
    const weather = startWeather(stack, options, say);
    const load = await runLoad(
      stack,
      planned,
      { seed: options.seed, spreadMs: lengthOf(options) },
      (started) => {
        if (started % 100 === 0) say(`${started} started`);
        kills.at(started);
      },
    );
    await kills.done();
    await weather.done();
    const stopped = await allEnded(stack, context, load);
    const sweeps = clock.sweeps;
    await clock.stop();
    say('reading database, storage and records');
    const evidence = await collect(stack);
    const invariants = check(evidence, load);
    const ends: Record<string, number> = {};
    for (const { row } of evidence.cases.values()) ends[row.status] = (ends[row.status] ?? 0) + 1;
    const more = { sweeps, 'workers killed': kills.count, 'outages and restarts': weather.past.length };
    return {
      options,
      stopped,
      numbers: numbersOf(evidence, load, more),
      ends,
      faults: await playedFaults(),
      invariants,
      offenders: offendersOf(invariants, evidence, load),
    };
  } finally {
    await stack.stop();
  }
}

/** The users of a soak ask for more than a plan allows. */
async function liftQuotas({ sql }: TestStack): Promise<void> {
  await sql`update private.plans set requests_per_minute = 1000000, images_per_day = 1000000`;
}

/** Sets the simulator's rules; the answer tells, later, what they did. */
async function arm(stack: TestStack, planned: Planned[], { clock, clockSkew }: SoakOptions) {
  await stack.simulator.configure({
    webhook_retry_ms: WEBHOOK_RETRY_MS / clock,
    clock_offset_ms: clockSkew * 1000,
  });
  const faulty = planned.flatMap(({ number, fault }) => (fault ? [{ number, fault }] : []));
  const rules = faulty.flatMap(({ number, fault }) =>
    rulesFor(fault, tag(number)).map((rule) => ({ name: fault.name, rule })),
  );
  await stack.simulator.faults(rules.map(({ rule }) => rule));
  return async (): Promise<Report['faults']> => {
    const applied = await stack.simulator.played();
    const kinds = faultKinds(realTime(clock)).map(({ name }) => {
      const planned = faulty.filter(({ fault }) => fault.name === name).length;
      const played = rules.map((rule, index) => (rule.name === name ? (applied[index]?.applied ?? 0) : 0));
      return [name, { planned, played: played.reduce((sum, times) => sum + times, 0) }] as const;
    });
    return Object.fromEntries(kinds);
  };
}

/** Kills the workers at even distances of the load. */
function killer(stack: TestStack, { count, kills }: SoakOptions, clock: Clock, say: SoakContext['say']) {
  const points = Array.from({ length: kills }, (_, n) => Math.ceil((count * (n + 1)) / (kills + 1)));
  let last = Promise.resolve();
  let done = 0;
  return {
    at: (started: number) => {
      if (!points.includes(started)) return;
      last = last.then(async () => {
        say(`killing the workers after ${started} starts`);
        await stack.killWorkers(clock.afterKill);
        done += 1;
      });
      last.catch(() => {}); // told by done()
    },
    done: () => last,
    get count() {
      return done;
    },
  };
}

/** Waits until nothing is left to do; answers why it stopped waiting before. */
async function allEnded(
  stack: TestStack,
  { deadline, say }: SoakContext,
  load: Load,
): Promise<string | null> {
  let last = '';
  let since = Date.now();
  for (let polls = 0; Date.now() < deadline; polls += 1, await sleep(POLL_MS)) {
    const [left] = await stack.sql<{ generations: number; jobs: number }[]>`select
      (select count(*)::int from public.image_generations
        where status not in ('completed', 'failed', 'cancelled')) as generations,
      (select count(*)::int from public.job_queue where status in ('pending', 'processing')) as jobs`;
    // They are put off until an upload that was under way must have ended: here it has by now.
    if (left?.generations === 0)
      await stack.sql`update private.removed_objects set due_at = now()
        where due_at > now() and due_at < now() + interval '10 minutes' - interval '10 seconds'`;
    if (left?.generations === 0 && left.jobs === 0 && (await webhooksCame(stack, load))) return null;
    const now = JSON.stringify(left);
    if (now !== last) [last, since] = [now, Date.now()];
    if (polls % 10 === 0) say(`left: ${left?.generations} generations, ${left?.jobs} jobs`);
    if (Date.now() - since > STUCK_MS) return `nothing has moved for ${STUCK_MS / 1000} s: ${now}`;
  }
  return 'the time was over';
}

/** Whether the late and repeated webhooks are in: they must find everything done and change nothing. */
async function webhooksCame(stack: TestStack, { started }: Load): Promise<boolean> {
  const late = [...started.values()].filter(({ fault }) => fault?.fault.webhook?.delay_ms !== undefined);
  if (late.length === 0) return true;
  const all = await stack.simulator.predictions();
  return all.every(({ fault, deliveries }) => {
    const { delay_ms: delay, repeat = 1 } = fault.webhook ?? {};
    const ends = deliveries.filter(({ event }) => event === 'completed');
    return delay === undefined || ends.length >= repeat;
  });
}
