import { setTimeout as sleep } from 'node:timers/promises';
import type { TestStack } from '../../tests/e2e/support/stack.ts';
import { type Answer, type Started, TestUser } from '../../tests/e2e/support/user.ts';
import type { Planned } from './plan.ts';

const AGAIN_AFTER_MS = 250;
/** A client gives up then: killed workers are back within a second or two. */
const PATIENCE_MS = 60_000;

/** What was asked for, and what the answers said. */
export interface Load {
  /** By the generation's id. */
  started: Map<string, Planned>;
  /** Ids whose cancel was answered 200. */
  cancelled: Set<string>;
  /** Requests sent once more because no answer came, with the same key. */
  repeats: number;
  /** Milliseconds from sending a start to its answer, without the repeated ones. */
  answers: number[];
}

export interface LoadOptions {
  /** Part of the idempotency keys. */
  seed: number;
  /** The starts are spread over so many milliseconds; 0: as fast as they are answered. */
  spreadMs: number;
}

/** Each user asks for one image after the other; all users at once. */
export async function runLoad(
  stack: TestStack,
  plan: Planned[],
  { seed, spreadMs }: LoadOptions,
  onStart: (started: number) => void,
): Promise<Load> {
  const load: Load = { started: new Map(), cancelled: new Set(), repeats: 0, answers: [] };
  const count = 1 + Math.max(...plan.map(({ user }) => user));
  const users = await Promise.all(Array.from({ length: count }, () => TestUser.signUp(stack)));
  const cancels: Promise<void>[] = [];
  const begun = performance.now();
  await Promise.all(
    users.map(async (user, index) => {
      const own = plan.filter((each) => each.user === index);
      for (const [nth, one] of own.entries()) {
        await sleep(Math.max(0, begun + (spreadMs * nth) / own.length - performance.now()));
        const id = await start(user, one, `soak-${seed}-${one.number}`, load);
        load.started.set(id, one);
        if (one.cancelAfterMs !== undefined) cancels.push(cancel(user, id, one.cancelAfterMs, load));
        onStart(load.started.size);
      }
    }),
  );
  await Promise.all(cancels);
  return load;
}

async function start(user: TestUser, one: Planned, key: string, load: Load): Promise<string> {
  const begun = performance.now();
  const before = load.repeats;
  const headers = { 'idempotency-key': key };
  const answer = await insist(load, () =>
    user.call<Started>('POST', '/start-generation', one.request, headers),
  );
  if (answer.status !== 202) {
    throw new Error(`start-generation answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  if (load.repeats === before) load.answers.push(performance.now() - begun);
  return answer.body.generation_id;
}

async function cancel(user: TestUser, id: string, afterMs: number, load: Load): Promise<void> {
  await sleep(afterMs);
  const answer = await insist(load, () => user.call('POST', `/generations/${id}/cancel`));
  if (answer.status === 200) load.cancelled.add(id);
  // 409: it had ended, or an earlier try did get through.
  else if (answer.status !== 409) throw new Error(`a cancel answered ${answer.status}`);
}

/** As an app does: no answer, or one of 500 and more, and it asks again. */
async function insist<T>(load: Load, ask: () => Promise<Answer<T>>): Promise<Answer<T>> {
  for (const deadline = Date.now() + PATIENCE_MS; ; load.repeats += 1, await sleep(AGAIN_AFTER_MS)) {
    const answer = await ask().catch((error: Error) => error);
    const isDone = !(answer instanceof Error) && answer.status < 500;
    if (isDone) return answer;
    if (Date.now() < deadline) continue;
    if (answer instanceof Error) throw answer;
    throw new Error(`answered ${answer.status} for a minute: ${JSON.stringify(answer.body)}`);
  }
}
