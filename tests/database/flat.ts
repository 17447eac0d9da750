import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { expect } from 'vitest';
import { allBlocks, type Node } from './explain.ts';
import type { Database } from './support.ts';
import { array, jobs, type Leased, ofUser } from './worker.ts';

/** What a step may cost at most, as a multiple of what it costs with 1,000 jobs and 100 users. */
const FLAT = 1.2;
/** The first calls of a session read the catalogue and plan. */
const WARM_UP = 6;
const CALLS = 9;

/** Pages that each step looks at, by its name. */
export type Costs = Record<string, number>;

/** Calls the steps of the queue as workers do, in a session of its own, and counts the pages they look at. */
export class Meter {
  readonly users = Array.from({ length: 100 }, () => randomUUID());
  readonly #db: Database;
  readonly #sql: postgres.Sql;
  #next = 0;

  private constructor(db: Database) {
    this.#db = db;
    this.#sql = postgres(db.superuserUrl, { max: 1, onnotice: () => {} });
  }

  static async open(db: Database): Promise<Meter> {
    const meter = new Meter(db);
    const claims = JSON.stringify({ role: 'service_role' });
    // As where it runs: only what is known to be on disk may be stepped over for good by later scans.
    await meter.#sql`select set_config('role', 'service_role', false),
      set_config('request.jwt.claims', ${claims}, false), set_config('synchronous_commit', 'on', false)`;
    return meter;
  }

  close(): Promise<void> {
    return this.#sql.end();
  }

  /** One of a hundred, by turns. */
  user(): string {
    this.#next += 1;
    return this.users[this.#next % this.users.length] as string;
  }

  run<T extends object>(text: string): Promise<T[]> {
    return this.#sql.unsafe<T[]>(text);
  }

  async enqueue(count: number, more: (n: number) => object = () => ofUser(this.user())): Promise<void> {
    for (let n = 0; n < count; n += 1_000)
      await this.run(
        `select public.enqueue_jobs('${jobs(Math.min(1_000, count - n), (i) => more(n + i))}'::jsonb)`,
      );
  }

  claim(limit: number, types: string | null = 'work'): Promise<Leased[]> {
    return this.run<Leased>(
      `select id, lease from public.claim_jobs(${limit}, 3600, ${types === null ? 'null' : `'{${types}}'`})`,
    );
  }

  complete(leased: Leased[]) {
    return this.run(
      `select public.complete_jobs(${array(leased, 'id', 'uuid')}, ${array(leased, 'lease', 'bigint')})`,
    );
  }

  /**
   * Nothing dead stands in the queue, by its rows and by the statistics. A connection tells of what it has done up to a
   * second later, also of rows that were truncated meanwhile: from 2,000 dead ones on a claim looks at each queue.
   */
  async settle(): Promise<void> {
    await this.run('select pg_stat_force_next_flush()');
    await this.#db
      .sql`vacuum private.ready_jobs, private.blocked_jobs, private.running_jobs, private.scheduled_jobs`;
    await this.#db.sql`analyze`;
  }

  /** The middle of what the later of some calls look at. */
  async pages(prepare: () => Promise<string> | string): Promise<number> {
    const costs: number[] = [];
    for (let call = 0; call < WARM_UP + CALLS; call++) {
      const text = await prepare();
      const [row] = await this.run<{ 'QUERY PLAN': [{ Plan: Node }] }>(
        `explain (analyze, buffers, timing off, format json) ${text}`,
      );
      if (call >= WARM_UP) costs.push(allBlocks([row?.['QUERY PLAN'][0].Plan as Node]));
    }
    return costs.toSorted((a, b) => a - b)[CALLS >> 1] as number;
  }

  /** What a worker does, with jobs of a hundred users or of the one given. */
  async steps(types: string | null = 'work', more = () => ofUser(this.user())): Promise<Costs> {
    const claims = types === null ? 'null' : `'{${types}}'`;
    const one = () => JSON.stringify(more().payload);
    const costs: Costs = {};
    costs['enqueue of one'] = await this.pages(() => `select public.enqueue_job('work', '${one()}')`);
    costs['enqueue of ten'] = await this.pages(
      () => `select public.enqueue_jobs('${jobs(10, more)}'::jsonb)`,
    );
    costs['claim of one'] = await this.pages(() => `select id from public.claim_jobs(1, 3600, ${claims})`);
    costs['claim of ten'] = await this.pages(() => `select id from public.claim_jobs(10, 3600, ${claims})`);
    costs['completion of one'] = await this.pages(async () => {
      const [job] = (await this.claim(1, types)) as [Leased];
      return `select public.complete_job('${job.id}'::uuid, ${job.lease}::bigint)`;
    });
    costs['completion of ten'] = await this.pages(async () => {
      const leased = await this.claim(10, types);
      expect(leased.length, 'there are jobs enough').toBe(10);
      return `select public.complete_jobs(${array(leased, 'id', 'uuid')}, ${array(leased, 'lease', 'bigint')})`;
    });
    return costs;
  }

  /** A user's jobs of a type of its own, each enqueued when the one before has been completed: none is ever blocked. */
  async oneByOne(type: string, user: string): Promise<Costs> {
    const enqueue = `select public.enqueue_job('${type}', '${JSON.stringify(ofUser(user).payload)}')`;
    const claimed = async () => (await this.claim(1, type))[0] as Leased;
    const finish = ({ id, lease }: Leased) => `select public.complete_job('${id}'::uuid, ${lease}::bigint)`;
    const costs: Costs = {};
    costs['enqueue of one'] = await this.#usual(async () => {
      for (const job of await this.claim(1, type)) await this.run(finish(job));
      return enqueue;
    });
    costs['completion of one'] = await this.#usual(async () => {
      for (const job of await this.claim(1, type)) await this.run(finish(job));
      await this.run(enqueue);
      return finish(await claimed());
    });
    return costs;
  }

  /** The middle of nine: one change in 32 of a user's row leaves the dead ones behind, by chance. */
  async #usual(prepare: () => Promise<string>): Promise<number> {
    const pages: number[] = [];
    for (let time = 0; time < 9; time++) pages.push(await this.pages(prepare));
    return pages.sort((a, b) => a - b)[4] as number;
  }

  /** What has been claimed is completed, and all that can be claimed besides. */
  async drain(types: string | null = null): Promise<void> {
    await this.#db.sql`update public.job_queue set status = 'completed' where status = 'processing'`;
    for (;;) {
      const leased = await this.claim(1_000, types);
      if (leased.length === 0) return;
      await this.complete(leased);
    }
  }
}

/**
 * Fails, and says what to mend, where a step costs more than it may.
 *
 * @param more pages for each job that are allowed besides: levels of the trees, or what has just died
 */
export function expectFlat(costs: Costs, base: Costs, more: number, mend: string): void {
  const dearer = Object.entries(costs).flatMap(([step, pages]) => {
    const before = base[step] as number;
    const most = Math.floor(before * FLAT) + more * (step.endsWith('ten') ? 5 : 1);
    return pages > most ? [`${step}: ${pages} pages, ${most} at most, ${before} with 1,000 jobs`] : [];
  });
  expect(dearer, mend).toEqual([]);
}
