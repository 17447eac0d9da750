import type postgres from 'postgres';
import { type Common, DEFAULT_LIMIT, PLAIN_TYPES } from './common.ts';
import type { Player } from './player.ts';
import type { Dice } from './random.ts';

/** What the cron and whoever runs the installation do. */

export async function sweep(player: Player): Promise<void> {
  await player.call('record_sweep', { p_stats: {} });
  if (player.dice.chance(0.3)) await player.call('sweep_storage', {});
}

export async function prune(player: Player): Promise<void> {
  if (player.common.deletions === 'alone') return;
  await pruneNow(player);
}

export async function pruneNow(player: Player): Promise<void> {
  await player.call('prune_jobs', {
    p_completed_days: 0,
    p_failed_days: player.dice.any([0, 30]),
    p_limit: 1000,
  });
}

export async function operate(player: Player): Promise<void> {
  const { dice, common } = player;
  const what = dice.weighted({ requeue: 6, plan: 3, 'delete user': 0.4, insert: 2, edit: 3 });
  if (what === 'requeue') {
    const made = common.known[dice.below(common.known.length)];
    const [failed] = dice.chance(0.7)
      ? await common.calls
          .sql`select id from public.job_queue where status = 'failed' order by completed_at desc limit 1`
      : [made];
    if (failed) await player.call('requeue_job', { p_job_id: failed.id });
  } else if (what === 'plan') await changePlan(player);
  else if (what === 'delete user') {
    if (common.deletions === 'together') await deleteUser(common, dice);
  } else if (what === 'insert') {
    // Whose virtual time and slot it uses is only read from the payload by the functions: it is nobody's.
    const type = dice.any(PLAIN_TYPES);
    await common.calls.byHand(
      'insert',
      { type },
      (sql) => sql`insert into public.job_queue (job_type) values (${type}) returning id, payload`,
    );
  } else await edit(player);
}

/** With everything that is theirs; another comes in their place. */
export async function deleteUser(common: Common, dice: Dice): Promise<void> {
  const user = dice.any(common.users);
  if (user.deleted) return;
  user.deleted = true;
  // Jobs that are nobody's generation stay, and come under the default plan.
  if (user.bound !== null) user.bound = Math.max(user.bound, DEFAULT_LIMIT);
  user.runningJobs = DEFAULT_LIMIT;
  await common.addUser(dice.any([1, 2, 5]));
  await common.calls.byHand(
    'delete user',
    { user: user.id },
    (sql) => sql`delete from auth.users where id = ${user.id}`,
  );
}

async function changePlan(player: Player): Promise<void> {
  const { dice, common } = player;
  const user = dice.any(common.users.slice(-12));
  const most = dice.any([1, 2, 3, 8]);
  // Both may hold for a while: calls that read the plan before it are under way.
  if (user.bound !== null) user.bound = Math.max(user.bound, most);
  await common.calls.byHand(
    'change plan',
    { user: user.id, most },
    (sql) => sql`
    update private.plans set running_jobs = ${most} where name = ${user.id}`,
  );
}

/** A row of a plain job, written by hand. */
async function edit(player: Player): Promise<void> {
  const { dice, common } = player;
  const rows = common.known.filter(({ job_type }) => PLAIN_TYPES.includes(job_type));
  const id = rows[dice.below(rows.length)]?.id;
  if (!id) return;
  const what = dice.any(['delete', 'due now', 'cancelled', 'priority'] as const);
  const write = (sql: postgres.Sql) => {
    switch (what) {
      case 'delete':
        return sql`delete from public.job_queue where id = ${id}`;
      case 'due now':
        return sql`update public.job_queue set scheduled_at = now() where id = ${id} and status = 'pending'`;
      case 'cancelled':
        return sql`update public.job_queue set status = 'cancelled', lease_expires_at = null, completed_at = now()
          where id = ${id}`;
      default:
        return sql`update public.job_queue set priority = priority + 1 where id = ${id}`;
    }
  };
  await common.calls.byHand('edit', { what, job: id }, async (sql) => ({
    written: (await write(sql)).count,
  }));
}
