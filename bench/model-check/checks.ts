import type { Row } from './attempts.ts';
import type { Calls } from './calls.ts';
import type { Common } from './common.ts';
import { micro } from './order.ts';
import { counted, type Family, isLimited, reservedNow } from './state.ts';

/** What must hold whenever nothing is under way; each gives sentences about what is wrong. */

export interface Snapshot {
  jobs: Row[];
  generations: Row[];
  batches: Row[];
  counts: Row[];
  health: Row[];
  status: Row;
  metrics: Row;
  tenants: Row[];
  plans: Row[];
  /** How each prediction ended, by its id: the ledger. */
  ledger: Map<string, string | null>;
}

/** Everything that anybody may read, of the users of this run. */
export async function look({ sql }: Calls, since: Date): Promise<Snapshot> {
  return sql.begin('isolation level repeatable read', async (tx) => {
    const rows = async (query: string, values: unknown[] = []) =>
      (await tx.unsafe(`select to_jsonb(q) as row from (${query}) as q`, values as never[])).map(
        ({ row }) => row,
      );
    const jobs = await rows('select * from public.job_queue where created_at >= $1', [since]);
    const generations = await rows('select * from public.image_generations where created_at >= $1', [since]);
    const batches = await rows('select * from public.batch_generations where created_at >= $1', [since]);
    const counts = await rows(`select job_type, status, count(*) as count, avg(attempts) as avg_attempts
      from public.job_queue group by job_type, status`);
    const plans = await rows('select name, running_jobs from private.plans');
    const ended = await rows('select id, status from private.predictions where recorded_at >= $1', [since]);
    await tx`select set_config('role', 'service_role', true)`;
    const health = await rows('select job_type, status, count, avg_attempts from public.queue_health');
    const tenants = await rows('select * from public.tenant_usage');
    const [more] = await tx`select public.queue_status() as status, public.queue_metrics() as metrics`;
    return {
      jobs,
      generations,
      batches,
      counts,
      health,
      tenants,
      plans,
      ledger: new Map(ended.map(({ id, status }) => [id, status])),
      status: more?.status,
      metrics: more?.metrics,
    };
  }) as Promise<Snapshot>;
}

const sum = (list: number[]) => list.reduce((total, one) => total + one, 0);
const number = (rows: Row[], status: string) =>
  sum(rows.filter((row) => row.status === status).map((row) => Number(row.count)));

export function countsWrong({ counts, health, status, metrics, jobs }: Snapshot): string[] {
  const line = (row: Row) => `${row.job_type ?? row.type} ${row.status}: ${Number(row.count ?? row.jobs)}`;
  const real = counts.map(line).sort().join('\n');
  const wrong: string[] = [];
  const compare = (what: string, list: Row[]) => {
    const shown = list.map(line).sort().join('\n');
    if (shown !== real) wrong.push(`${what} counts\n${shown}\nand there are\n${real}`);
  };
  compare('queue_health', health);
  compare('queue_metrics', metrics.jobs ?? []);
  for (const one of health) {
    const other = counts.find((row) => row.job_type === one.job_type && row.status === one.status);
    if (Math.abs(Number(one.avg_attempts) - Number(other?.avg_attempts ?? 0)) > 0.001) {
      wrong.push(
        `queue_health: ${one.job_type} ${one.status} had ${one.avg_attempts} attempts, really ${other?.avg_attempts}`,
      );
    }
  }
  for (const name of ['pending', 'processing', 'failed_24h']) {
    const really = number(counts, name.replace('_24h', ''));
    if (status[name] !== really)
      wrong.push(`queue_status counts ${status[name]} ${name}, there are ${really}`);
  }
  const pending = jobs.filter((job) => job.status === 'pending').length;
  if (status.blocked + status.scheduled > pending)
    wrong.push(`${status.blocked} blocked and ${status.scheduled} scheduled of ${pending}`);
  return wrong;
}

/** Money of users and of the installation, as the model has it. */
export function moneyWrong(
  common: Common,
  { tenants, status, generations: rows }: Snapshot,
  before: Money,
): string[] {
  const wrong: string[] = [];
  const generations = [...common.families.values()].flatMap(({ generation }) => generation ?? []);
  for (const user of common.users.filter(({ deleted }) => !deleted)) {
    const row = tenants.find(({ user_id }) => user_id === user.id);
    const expected = sum(generations.filter((one) => one.user === user.id).map(counted));
    const found = micro(row?.cost_today) ?? 0;
    if (found !== expected)
      wrong.push(
        `user ${user.id} has used ${found} millionths of a dollar, should be ${expected}; the rows say:`,
        ...rows
          .filter((row) => row.user_id === user.id)
          .map((row) => {
            const known = generations.find(({ id }) => id === row.id);
            const money = `${row.id} ${row.status} ${row.reserved_usd} of ${row.reserved_on} ${row.cost_usd} open ${row.cost_open}`;
            return `${money}, counted as ${known && counted(known)}`;
          }),
      );
  }
  const day = (status.budget_periods as Row[]).find(({ period }) => period === 'day');
  const spent = before.spent + spentBy([...common.families.values()]);
  const reserved = before.reserved + sum(generations.map(reservedNow));
  // What ended just when its job went was noted with its model or without: the answers do not tell.
  if (common.deletions === 'alone' && micro(day?.spent_usd) !== spent)
    wrong.push(`the budget counts ${micro(day?.spent_usd)} as spent, should be ${spent}`);
  const found = (micro(day?.used_usd) ?? 0) - (micro(day?.spent_usd) ?? 0);
  if (found !== reserved) wrong.push(`the budget counts ${found} as reserved, should be ${reserved}`);
  return wrong;
}

export interface Money {
  /** By families that are forgotten. */
  spent: number;
  reserved: number;
}

export const reservedBy = (families: Family[]) =>
  sum(families.map(({ generation }) => (generation ? reservedNow(generation) : 0)));

export const spentBy = (families: Family[]) =>
  sum(families.flatMap(({ predictions }) => Object.values(predictions).map(({ cost }) => cost ?? 0)));

/** One that is deleted counts as what it has become. */
export function batchesWrong(common: Common, { batches, generations }: Snapshot): string[] {
  const gone = [...common.families.values()].flatMap(({ generation }) =>
    generation?.gone ? [generation] : [],
  );
  return batches.flatMap((batch) => {
    const of = generations.filter(({ batch_id }) => batch_id === batch.id);
    const without = gone.filter((one) => one.batch === batch.id);
    const ended = (status: string) => [...of, ...without].filter((one) => one.status === status).length;
    const real = ['completed', 'failed', 'cancelled'].map(ended).join();
    const shown = [batch.completed_count, batch.failed_count, batch.cancelled_count].join();
    return real === shown
      ? []
      : [`batch ${batch.id} counts ${shown} completed, failed and cancelled; really ${real}`];
  });
}

/**
 * More jobs of a user than may run; counted in one snapshot. One that was brought back to be looked for is nobody's run
 * until a claim takes it: its lease is over, and it has no slot (private.requeue).
 */
export async function slotsWrong(common: Common): Promise<string[]> {
  // What is allowed from before the look on: a plan may be lowered meanwhile.
  const bounds = new Map(common.users.map((user) => [user.id, user]));
  const rows = await common.calls.sql<{ user: string; type: string; n: number }[]>`
    select payload ->> 'user_id' as user, job_type as type, count(*)::int as n from public.job_queue
    where status = 'processing' and (slot or lease_expires_at > now()) group by 1, 2`;
  const over = rows.flatMap(({ user, type, n }) => {
    const bound = bounds.get(user)?.bound ?? null;
    return bound === null || bound >= n || !isLimited(type) ? [] : [{ user, type, n, bound }];
  });
  const wrong: string[] = [];
  for (const { user, type, n, bound } of over) {
    const jobs = await common.calls.sql`select to_jsonb(j) as row from public.job_queue as j
      where status = 'processing' and job_type = ${type} and payload ->> 'user_id' = ${user}`;
    wrong.push(`user ${user} has ${n} ${type} jobs running, the limit is ${bound}`);
    for (const { row } of jobs) wrong.push(JSON.stringify(row), ...common.calls.on(row.id));
  }
  return wrong;
}

/** What tenant_usage shows; and the limits as they have come to bear. */
export function tenantsWrong(common: Common, { tenants, jobs, plans }: Snapshot): string[] {
  return common.users.flatMap((user) => {
    if (user.deleted) return [];
    user.runningJobs = plans.find(({ name }) => name === user.id)?.running_jobs ?? null;
    const row = tenants.find(({ user_id }) => user_id === user.id);
    if (!row) return [];
    // A plan that is lowered stops nothing.
    if (user.runningJobs !== null && row.running_or_ready <= user.runningJobs) user.bound = user.runningJobs;
    const own = jobs.filter((job) => job.payload.user_id === row.user_id && isLimited(job.job_type));
    const running = own.filter(({ status }) => status === 'processing').length;
    const open = own.filter(({ status }) => status === 'pending').length + running;
    // A retry that looks for what the last run left takes no slot for that.
    const searching = own.filter(({ status, slot }) => status === 'processing' && !slot).length;
    const slots = own.filter(({ slot }) => slot).length;
    const right =
      row.running_or_ready === slots &&
      slots >= running - searching &&
      row.running_or_ready + row.blocked <= open;
    const shown = `${row.running_or_ready} running or ready and ${row.blocked} blocked`;
    return right
      ? []
      : [
          `tenant_usage: user ${user.id} has ${shown}; ${running} run, ${slots} have a slot, ${open} are open`,
        ];
  });
}
