import { expect } from 'vitest';
import type { Database } from './support.ts';

export interface Leased {
  id: string;
  lease: string;
}

export const ofUser = (user: string) => ({ payload: { user_id: user } });

/** So many jobs as enqueue_jobs takes them. */
export const jobs = (count: number, more: (n: number) => object = () => ({})) =>
  JSON.stringify(Array.from({ length: count }, (_, n) => ({ job_type: 'work', ...more(n) })));

/** An array as SQL. */
export const array = (leased: Leased[], key: keyof Leased, type: string) =>
  `'{${leased.map((job) => job[key]).join(',')}}'::${type}[]`;

/** Works the queue by its functions, with users of its own. */
export class Worker {
  readonly #db: Database;
  readonly #users: string[] = [];

  private constructor(db: Database) {
    this.#db = db;
  }

  static async open(db: Database): Promise<Worker> {
    const worker = new Worker(db);
    for (let n = 0; n < 20; n++) worker.#users.push(await worker.newUser());
    return worker;
  }

  /** One whom nobody else knows. */
  newUser(): Promise<string> {
    return this.#db.createUser();
  }

  /** One of twenty, by turns. */
  userOf(n: number): string {
    return this.#users[n % this.#users.length] as string;
  }

  service<T extends object>(text: string, values: unknown[] = []): Promise<T[]> {
    return this.#db.as('service_role', null, async (sql) => [
      ...(await sql.unsafe<T[]>(text, values as never[])),
    ]);
  }

  enqueue(list: string) {
    return this.service('select public.enqueue_jobs($1::text::jsonb)', [list]);
  }

  claim(limit: number, type = 'work', seconds = 3600) {
    return this.service<Leased>(`select id, lease from public.claim_jobs($1::int, $2::int, '{${type}}')`, [
      limit,
      seconds,
    ]);
  }

  complete(leased: Leased[]) {
    return this.service('select public.complete_jobs($1::uuid[], $2::bigint[])', [
      leased.map(({ id }) => id),
      leased.map(({ lease }) => lease),
    ]);
  }

  /** Everything that can be claimed is completed. */
  async drain(): Promise<void> {
    for (;;) {
      const leased = await this.service<Leased>('select id, lease from public.claim_jobs(1000, 3600)');
      if (leased.length === 0) return;
      await this.complete(leased);
    }
  }

  /** Nothing waits and nothing runs any more. */
  async endAll(): Promise<void> {
    await this.drain();
    await this.service(
      "select public.complete_job(id) from public.job_queue where status in ('pending', 'processing')",
    );
    await this.drain();
  }

  /** Waits until the database's clock has passed a moment. */
  async until(at: Date): Promise<void> {
    await this.#db.sql`select pg_sleep_until(${at})`;
  }

  /** Running jobs, of a user of their own who has more of them than may run. */
  async running(count = 1): Promise<Leased[]> {
    const user = await this.newUser();
    await this.enqueue(jobs(count + 7, () => ofUser(user)));
    const leased = await this.claim(count);
    expect(leased.length).toBe(count);
    return leased;
  }

  /** An image that is about to be made. */
  async making(): Promise<Leased> {
    await this.#db.start(await this.newUser());
    const [job] = await this.claim(1, 'generate-image');
    if (!job) throw new Error('the picture that was started could not be claimed');
    return job;
  }

  /** An image whose prediction is awaited. */
  async predicted(): Promise<Leased> {
    const job = await this.making();
    await this.service(`select public.record_prediction('${job.id}', ${job.lease}, 'p-${job.id}', 60)`);
    return job;
  }
}
