import { randomUUID } from 'node:crypto';
import type { Row } from './attempts.ts';
import type { Calls } from './calls.ts';
import type { Family, Price } from './state.ts';

export const MODELS: Record<string, Price> = {
  'model/drawn': { image: 3_000, second: null },
  'model/dear': { image: 17_000, second: null },
  'model/timed': { image: null, second: 10_000 },
  'model/refused': { image: 5_000, second: null },
};
/** Seconds that each run of model/timed takes: what is reserved for it is what it costs. */
export const RUN_SECONDS = 2;
/** Of the plan of users who have none: jobs of one type that run at once. */
export const DEFAULT_LIMIT = 5;
export const PLAIN_TYPES = ['resize', 'mail', 'report'];

export interface User {
  id: string;
  /** What the plan says. Null: no limit. */
  runningJobs: number | null;
  /** As many may run for the time being: a plan that is lowered stops nothing. */
  bound: number | null;
  money: number | null;
  deleted: boolean;
}

/** What the players of a run have in common. */
export class Common {
  readonly calls: Calls;
  readonly users: User[] = [];
  /** By generation, or by job where there is none. */
  readonly families = new Map<string, Family>();
  /** Jobs to their families, as soon as an answer tells. */
  readonly familyOf = new Map<string, string>();
  /** Predictions that run at the provider, as far as anybody knows. */
  readonly running: { job: string; prediction: string }[] = [];
  /** Jobs as they were once handed out: also those whose lease is another's by now. */
  readonly known: Row[] = [];
  readonly generations: { id: string; user: string; batch: string | null }[] = [];
  readonly keys = new Map<string, { request: object; ids: string | null }>();
  /** The provider is paused at times. */
  weather = false;
  /** Whether users are deleted while others' calls are under way, or between them. */
  deletions: 'alone' | 'together' = 'alone';
  predictions = 0;

  constructor(calls: Calls) {
    this.calls = calls;
  }

  async setUp(): Promise<void> {
    const { sql } = this.calls;
    for (const [id, { image, second }] of Object.entries(MODELS)) {
      await sql`insert into public.models (replicate_id, display_name, default_width, default_height,
          cost_per_generation, cost_per_second, typical_seconds, estimated_time_seconds)
        values (${id}, ${id}, 512, 512, ${image && image / 1e6}, ${second && second / 1e6}, ${RUN_SECONDS}, 6)`;
    }
    await sql`update private.settings set budget_per_day_usd = 100000 where only_row`;
  }

  async addUser(runningJobs: number | null, money: number | null = null): Promise<User> {
    const { sql } = this.calls;
    const id = randomUUID();
    await sql`insert into auth.users (id, email) values (${id}, ${`${id}@example.com`})`;
    await sql`insert into private.plans (name, running_jobs, money_per_day)
      values (${id}, ${runningJobs}, ${money && money / 1e6})`;
    await sql`insert into private.user_plans (user_id, plan) values (${id}, ${id})`;
    const user = { id, runningJobs, bound: runningJobs, money, deleted: false };
    this.users.push(user);
    return user;
  }

  /** Forgets what is over: the next jobs are other users'. */
  forget(): void {
    this.users.length = 0;
    this.families.clear();
    this.familyOf.clear();
    this.running.length = 0;
    this.known.length = 0;
    this.generations.length = 0;
    this.keys.clear();
    this.calls.made.length = 0;
  }

  nextPrediction(job: string): string {
    this.predictions += 1;
    return `${job}.${this.predictions}`;
  }

  /** The family of a row: the generation that it works for, or the job's own. */
  keyOf(row: Row): string | undefined {
    const known = this.familyOf.get(row.id);
    if (known) return known;
    const { generation_id, job_id, prediction_id } = row.payload ?? {};
    const job =
      job_id ?? (row.job_type === 'cancel-prediction' ? String(prediction_id).split('.')[0] : undefined);
    const key = row.generation_id ?? generation_id ?? (job && this.familyOf.get(job)) ?? undefined;
    if (key !== undefined) this.familyOf.set(row.id, key);
    return key;
  }
}
