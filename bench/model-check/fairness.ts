import { randomUUID } from 'node:crypto';
import type { Row } from './attempts.ts';
import type { Common } from './common.ts';
import type { Dice } from './random.ts';

/** Who is next, asked one claim after the other on a type of its own, so that nobody else interferes. */
export async function orderWrong(common: Common, dice: Dice): Promise<string[]> {
  const type = `fairness-${randomUUID()}`;
  const users: string[] = Array.from({ length: 2 + dice.below(4) }, () => randomUUID());
  const { calls } = common;
  // With many queues of a type a claim looks across them.
  if (dice.chance(0.5)) {
    await calls.sql`insert into private.ready_queues (job_type, priority)
      select ${type}, 100 + n from generate_series(1, 20) as n`;
  }
  const jobs: { id: string; user: string; priority: number; old: boolean }[] = [];
  const enqueue = async (user: string, count: number, priority: number, old = false) => {
    const at = old ? { scheduled_at: new Date(Date.now() - 3_600_000).toISOString() } : {};
    const p_jobs = Array.from({ length: count }, () => ({
      job_type: type,
      priority,
      payload: { user_id: user },
      ...at,
    }));
    const { answer } = await calls.call('enqueue_jobs', { p_jobs });
    for (const id of answer as string[]) jobs.push({ id, user, priority, old });
  };
  // One with a backlog, the others with a few each; then what has waited for long, and what is urgent.
  await enqueue(users[0] as string, 9, 0);
  for (const user of users.slice(1)) await enqueue(user, 1 + dice.below(3), 0);
  await enqueue(randomUUID(), 2, 10);
  await enqueue(randomUUID(), 2, -10, true);
  await enqueue(randomUUID(), 2, -10);

  const order: typeof jobs = [];
  for (let round = 0; round < 200 && order.length < jobs.length; round++) {
    const { answer } = await calls.call('claim_jobs', {
      p_limit: dice.any([1, 2, 3]),
      p_lease_seconds: 60,
      p_job_types: [type],
    });
    const rows = answer as Row[];
    // An answer names the higher priority first; what counts is which jobs it holds.
    const handed = rows.map((row) => jobs.find(({ id }) => id === row.id) as (typeof jobs)[0]);
    order.push(...handed.sort((a, b) => Number(b.old) - Number(a.old)));
    await calls.call('complete_jobs', {
      p_job_ids: rows.map(({ id }) => id),
      p_leases: rows.map(({ lease }) => lease),
    });
  }
  calls.made.length = 0;
  const shown = order
    .map(({ user, priority, old }) => `${users.indexOf(user)}:${priority}${old ? ' old' : ''}`)
    .join(', ');
  const wrong: string[] = [];
  const must = (holds: boolean, what: string) => {
    if (!holds) wrong.push(`fairness: ${what}: ${shown}`);
  };
  must(order.length === jobs.length, `${jobs.length - order.length} jobs are lost`);
  must(
    order.slice(0, 2).every(({ old }) => old),
    'what has waited for an hour is first, whatever its priority',
  );
  must(
    order.slice(2, 4).every(({ priority }) => priority === 10),
    'then the higher priority',
  );
  must(
    order.slice(-2).every(({ priority }) => priority === -10),
    'the lower priority is last',
  );
  for (const user of new Set(jobs.map((job) => job.user))) {
    const asked = jobs.filter((job) => job.user === user).map(({ id }) => id);
    const got = order.filter((job) => job.user === user).map(({ id }) => id);
    must(`${asked}` === `${got}`, 'the jobs of one request stay in their order');
  }
  const normal = order.filter(({ priority, old }) => priority === 0 && !old).map(({ user }) => user);
  must(
    new Set(normal.slice(0, users.length)).size === users.length,
    'each user has had a turn before one has two',
  );
  return wrong;
}
