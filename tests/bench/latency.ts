/**
 * `node tests/bench/latency.ts`: how fast the whole system is on this machine, on a stack of its own with a
 * generation time of 0. MAX_PARALLEL_JOBS and MAX_JOBS_PER_INVOCATION are handed on to the workers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TestStack } from '../e2e/support/stack.ts';
import { type Started, TestUser } from '../e2e/support/user.ts';

const SEQUENTIAL = 100;
const WARM_UP = 10;
const CONCURRENT = 300;
const USERS = 8;
/** Without progress for so long, what is left would wait for the cron; the sweep is run and counted. */
const STUCK_MS = 1_000;

/** Milliseconds. */
interface Sample {
  answer: number;
  pickUp: number;
  completed: number;
}

const env = Object.fromEntries(
  ['MAX_PARALLEL_JOBS', 'MAX_JOBS_PER_INVOCATION'].flatMap((name) => {
    const value = process.env[name];
    return value ? [[name, value]] : [];
  }),
);
const stack = await TestStack.start({ env });
try {
  await liftQuotas(stack);
  const user = await TestUser.signUp(stack);
  const samples: Sample[] = [];
  for (let n = 0; n < WARM_UP + SEQUENTIAL; n += 1) {
    const sample = await oneImage(stack, user, n);
    if (n >= WARM_UP) samples.push(sample);
  }
  console.log(`${SEQUENTIAL} images one after another, in ms, ${JSON.stringify(env)}`);
  console.table({
    'answer to the start': row(samples.map(({ answer }) => answer)),
    'pick-up: 202 to prediction created': row(samples.map(({ pickUp }) => pickUp)),
    'start to completed': row(samples.map(({ completed }) => completed)),
  });
  const { seconds, answers, sweeps } = await manyImages(stack);
  console.log(`${CONCURRENT} images for ${USERS} users at once`);
  console.table({
    throughput: {
      'images per second': round(CONCURRENT / seconds),
      'answer p50': row(answers).p50,
      'answer p99': row(answers).p99,
      'sweeps needed': sweeps,
      lost: CONCURRENT - (await countCompleted(stack, 'crowd')),
      'paid twice': (await stack.simulator.stats()).jobs_with_several_predictions,
    },
  });
} finally {
  await stack.stop();
}

async function liftQuotas({ sql }: TestStack): Promise<void> {
  await sql`update private.plans set requests_per_minute = 1000000, images_per_day = 1000000`;
}

async function oneImage({ sql, simulator }: TestStack, user: TestUser, n: number): Promise<Sample> {
  const { started, sentAt, answeredAt } = await timedStart(user, `sequential ${n}`);
  const completedAt = await stack.until('the image to be completed', async () => {
    const [row] = await sql<{ completed_at: Date }[]>`
      select completed_at from public.image_generations
      where id = ${started.generation_id} and status = 'completed'`;
    return row?.completed_at;
  });
  const [prediction] = await simulator.predictions(started.job_id);
  const createdAt = Date.parse(String(prediction?.prediction.created_at));
  return {
    answer: answeredAt - sentAt,
    pickUp: createdAt - answeredAt,
    completed: completedAt.getTime() - sentAt,
  };
}

async function timedStart(user: TestUser, prompt: string) {
  const sentAt = now();
  const started: Started = await user.start({ prompt });
  return { started, sentAt, answeredAt: now() };
}

async function manyImages(stack: TestStack) {
  const users = await Promise.all(Array.from({ length: USERS }, () => TestUser.signUp(stack)));
  const answers: number[] = [];
  let next = 0;
  const begun = now();
  const work = async (user: TestUser) => {
    while (next < CONCURRENT) {
      const { sentAt, answeredAt } = await timedStart(user, `crowd ${next++}`);
      answers.push(answeredAt - sentAt);
    }
  };
  const starting = Promise.all(users.map(work));
  const sweeps = await allCompleted(stack);
  await starting;
  const [end] = await stack.sql<{ at: Date }[]>`
    select max(completed_at) as at from public.image_generations where prompt like 'crowd %'`;
  return { seconds: ((end?.at.getTime() ?? 0) - begun) / 1000, answers, sweeps };
}

/** Answers how many sweeps it took beside the wake-ups. */
async function allCompleted(stack: TestStack): Promise<number> {
  let sweeps = 0;
  let last = -1;
  let lastProgress = now();
  for (let count = 0; count < CONCURRENT; count = await countCompleted(stack, 'crowd')) {
    if (count !== last) [last, lastProgress] = [count, now()];
    if (now() - lastProgress > STUCK_MS) {
      await stack.processJobs();
      sweeps += 1;
      lastProgress = now();
      if (sweeps > 100) throw new Error(`${CONCURRENT - count} images are never completed`);
    }
    await sleep(50);
  }
  return sweeps;
}

async function countCompleted({ sql }: TestStack, prompt: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int from public.image_generations
    where prompt like ${`${prompt} %`} and status = 'completed'`;
  return row?.count ?? 0;
}

/** Wall-clock time, which the simulator and Postgres share, in fractions of a millisecond. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function row(values: number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
