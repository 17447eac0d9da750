import { setTimeout as sleep } from 'node:timers/promises';
import type { TestStack } from '../../tests/e2e/support/stack.ts';
import { type Started, TestUser } from '../../tests/e2e/support/user.ts';

/** Milliseconds. */
export interface Sample {
  answer: number;
  /** From the answer to the prediction's creation at Replicate. */
  pickUp: number;
  completed: number;
}

export interface Crowd {
  seconds: number;
  answers: number[];
  /** How often process-jobs had to be called beside the wake-ups. */
  sweeps: number;
  lost: number;
}

/** Without progress for so long, what is left would wait for the cron; process-jobs is called and counted. */
const STUCK_MS = 1_000;

export async function liftQuotas({ sql }: TestStack): Promise<void> {
  await sql`update private.plans set requests_per_minute = 1000000, images_per_day = 1000000`;
}

/** One image after another, each awaited. */
export async function oneByOne(stack: TestStack, user: TestUser, images: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let n = 0; n < images; n += 1) samples.push(await oneImage(stack, user, n));
  return samples;
}

async function oneImage(stack: TestStack, user: TestUser, n: number): Promise<Sample> {
  const { started, sentAt, answeredAt } = await timedStart(user, `sequential ${n}`);
  const { sql, simulator } = stack;
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

export function signUpAll(stack: TestStack, users: number): Promise<TestUser[]> {
  return Promise.all(Array.from({ length: users }, () => TestUser.signUp(stack)));
}

/** All users start images as fast as they are answered, until there are enough, and all are awaited. */
export async function crowd(
  stack: TestStack,
  users: TestUser[],
  images: number,
  name: string,
): Promise<Crowd> {
  const answers: number[] = [];
  let next = 0;
  const begun = now();
  const work = async (user: TestUser) => {
    while (next < images) {
      const { sentAt, answeredAt } = await timedStart(user, `${name} ${next++}`);
      answers.push(answeredAt - sentAt);
    }
  };
  const [sweeps] = await Promise.all([allCompleted(stack, name, images), ...users.map(work)]);
  const { count, last } = await completions(stack, name);
  return { seconds: ((last?.getTime() ?? 0) - begun) / 1000, answers, sweeps, lost: images - count };
}

/** Answers how many sweeps it took. */
async function allCompleted(stack: TestStack, name: string, images: number): Promise<number> {
  let sweeps = 0;
  let last = -1;
  let lastProgress = now();
  for (let count = 0; count < images; { count } = await completions(stack, name)) {
    if (count !== last) [last, lastProgress] = [count, now()];
    if (now() - lastProgress > STUCK_MS) {
      await stack.processJobs();
      sweeps += 1;
      lastProgress = now();
      if (sweeps > 100) throw new Error(`${images - count} images are never completed`);
    }
    await sleep(50);
  }
  return sweeps;
}

async function completions({ sql }: TestStack, name: string) {
  const [row] = await sql<{ count: number; last: Date | null }[]>`
    select count(*)::int, max(completed_at) as last from public.image_generations
    where prompt like ${`${name} %`} and status = 'completed'`;
  return row ?? { count: 0, last: null };
}

async function timedStart(user: TestUser, prompt: string) {
  const sentAt = now();
  const started: Started = await user.start({ prompt });
  return { started, sentAt, answeredAt: now() };
}

/** Wall-clock time, which the simulator and Postgres share, in fractions of a millisecond. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
