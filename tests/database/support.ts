import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import { migrate } from '../../dev/stack/supabase/migrations.ts';
import { createDatabase, EMPTY, MIGRATIONS, PROJECT, SEED } from '../stack/testing.ts';

export type Role = 'anon' | 'authenticated' | 'service_role';
export type Request = Record<string, unknown>;

/** A row of job_queue as postgres.js reads it: bigint columns are texts. */
export interface Job {
  id: string;
  job_type: string;
  payload: Record<string, unknown>;
  status: string;
  attempts: number;
  max_attempts: number;
  priority: number;
  lease: string;
  lease_expires_at: Date | null;
  scheduled_at: Date;
  prediction_id: string | null;
  outcome_unknown: boolean;
  rescued: boolean;
  retry_until: Date | null;
  generation_id: string | null;
  created_by: string | null;
  error_message: string | null;
  error_details: { attempt: number; message: string; code?: string; prediction_id?: string }[] | null;
}

export interface Started {
  generation_id: string;
  job_id: string;
  status: string;
  queue_position: number | null;
  estimated_seconds: number;
  batch_id: string | null;
  replayed: boolean;
  generations: { generation_id: string; job_id: string; queue_position: number | null }[];
  /** Jobs that it has handed over, leased. */
  next?: Job[];
}

export const MODEL = 'test/painter';

export interface Plan {
  requests_per_minute: number | null;
  images_per_day: number | null;
  running_jobs: number | null;
  money_per_day: number | null;
  priorities: string[];
}

const DEFAULT_PLAN: Plan = {
  requests_per_minute: 60,
  images_per_day: 500,
  running_jobs: 5,
  money_per_day: null,
  priorities: ['low', 'normal', 'high'],
};

/** A migrated database of the test file's own, with one model, called as PostgREST calls it. */
export class Database {
  /** As the owner of the project's objects. */
  readonly sql: postgres.Sql;
  readonly superuserUrl: string;

  private constructor(url: string, superuserUrl: string) {
    this.sql = postgres(url, { max: 60, onnotice: () => {} });
    this.superuserUrl = superuserUrl;
  }

  /** Statements of the superuser's, for a database that has them before the migrations. */
  static beforeMigrations: string | undefined;

  static async open(): Promise<Database> {
    const before = Database.beforeMigrations;
    const { url, superuserUrl } = await createDatabase(before === undefined ? PROJECT : EMPTY);
    if (before !== undefined) {
      const superuser = client(superuserUrl);
      await superuser.unsafe(before).simple();
      await superuser.end();
      await migrate(url, MIGRATIONS, SEED);
    }
    const database = Database.at({ url, superuserUrl });
    await database.sql`
      insert into public.models
        (replicate_id, display_name, default_width, default_height, cost_per_generation, estimated_time_seconds,
          supports_img2img)
      values (${MODEL}, 'Painter', 1024, 768, 0.003, 6, true)`;
    return database;
  }

  /** One that is there already. */
  static at({ url, superuserUrl }: { url: string; superuserUrl: string }): Database {
    const database = new Database(url, superuserUrl);
    afterAll(() => database.sql.end());
    return database;
  }

  /** A user; with a plan of their own where limits are given, which are the default plan's otherwise. */
  async createUser(limits?: Partial<Plan>): Promise<string> {
    const id = randomUUID();
    await this.sql`insert into auth.users (id, email) values (${id}, ${`${id}@example.com`})`;
    if (limits) {
      const plan = { ...DEFAULT_PLAN, ...limits, name: id };
      await this.sql`insert into private.plans ${this.sql(plan)}`;
      await this.sql`insert into private.user_plans (user_id, plan) values (${id}, ${id})`;
    }
    return id;
  }

  /** One transaction with the role and claims of a request, as PostgREST opens it. */
  as<T>(role: Role, userId: string | null, call: (sql: postgres.TransactionSql) => Promise<T>): Promise<T> {
    return this.sql.begin(async (sql) => {
      const claims = JSON.stringify(userId ? { role, sub: userId } : { role });
      // pg-safeupdate, as in PostgREST's sessions on hosted Supabase, where it is loaded (dev/stack/safeupdate.ts).
      await sql`select
        case when current_setting('safeupdate.enabled', true) is not null
          then set_config('safeupdate.enabled', 'on', true) end,
        set_config('role', ${role}, true), set_config('request.jwt.claims', ${claims}, true)`;
      return call(sql);
    }) as Promise<T>;
  }

  /** Calls a function as a signed-in user and answers what it returns. */
  async callAs<T>(userId: string, name: string, args: Record<string, unknown> = {}): Promise<T> {
    return this.as('authenticated', userId, (sql) => call<T>(sql, name, args));
  }

  async service<T>(name: string, args: Record<string, unknown> = {}): Promise<T> {
    return this.as('service_role', null, (sql) => call<T>(sql, name, args));
  }

  /** @param next how many of its jobs the start may hand over */
  start(userId: string, request: Request = {}, key?: string, hash?: string, next?: number): Promise<Started> {
    return this.callAs(userId, 'start_generation', {
      p_request: { prompt: 'a lighthouse', model_id: MODEL, ...request },
      ...(key ? { p_idempotency_key: key } : {}),
      ...(hash ? { p_request_hash: hash } : {}),
      ...(next === undefined ? {} : { p_next: next }),
    });
  }

  claim(limit = 1, options: { seconds?: number; types?: string[] } = {}): Promise<Job[]> {
    const { seconds = 60, types = null } = options;
    return this.as('service_role', null, async (sql) => [
      ...(await sql<Job[]>`select * from public.claim_jobs(${limit}, ${seconds}, ${types}::text[])`),
    ]);
  }

  /** Claims the one job that is ready; fails when there is none or a second one could be had. */
  async claimOne(): Promise<Job> {
    const jobs = await this.claim(2);
    if (jobs.length !== 1) throw new Error(`exactly one job should be ready, ${jobs.length} were`);
    return jobs[0] as Job;
  }

  /** Completes claimed jobs, each under its lease; fails when one was not. */
  async complete(jobs: Job[]): Promise<void> {
    const ids = jobs.map((job) => job.id);
    const done = await this.as('service_role', null, async (sql) => {
      const [row] = await sql<{ ids: string[] }[]>`
        select public.complete_jobs(${ids}::uuid[], ${jobs.map((job) => job.lease)}::bigint[]) as ids`;
      return row?.ids ?? [];
    });
    if (done.length !== jobs.length) throw new Error(`${done.length} of ${jobs.length} jobs were completed`);
  }

  async job(id: string): Promise<Job> {
    const [job] = await this.sql<Job[]>`select * from public.job_queue where id = ${id}`;
    if (!job) throw new Error(`job ${id} is gone`);
    return job;
  }

  async generation(id: string): Promise<Record<string, unknown>> {
    const [row] = await this.sql`select * from public.image_generations where id = ${id}`;
    if (!row) throw new Error(`generation ${id} is gone`);
    return row;
  }

  /** As Storage deletes them; SQL from elsewhere may not. */
  async deleteObjects(where: (sql: postgres.TransactionSql) => postgres.PendingQuery<postgres.Row[]>) {
    await this.sql.begin(async (sql) => {
      await sql`set local storage.allow_delete_query = 'true'`;
      await sql`delete from storage.objects where ${where(sql)}`;
    });
  }

  /** As if the job's lease had run out, or its scheduled time had come. */
  async letTimePass(jobId: string): Promise<void> {
    await this.sql`update public.job_queue set
      lease_expires_at = case when status = 'processing' then now() - interval '1 second' end,
      scheduled_at = least(scheduled_at, now() - interval '1 second')
      where id = ${jobId}`;
  }

  /** As if so many seconds had passed for all that waits or runs, and for a pause of the provider. */
  async pass(seconds: number): Promise<undefined> {
    await this.sql`update public.job_queue set
      lease_expires_at = lease_expires_at - make_interval(secs => ${seconds}),
      scheduled_at = case when scheduled_at > now() then scheduled_at - make_interval(secs => ${seconds})
        else scheduled_at end,
      expires_at = expires_at - make_interval(secs => ${seconds})
      where status in ('pending', 'processing')`;
    await this.sql`update private.provider_pause set
      until = until - make_interval(secs => ${seconds}), probe_until = probe_until - make_interval(secs => ${seconds})
      where only_row and until > '-infinity'`;
  }

  async clear(): Promise<void> {
    await this
      .sql`truncate private.scheduled_jobs, private.blocked_jobs, private.ready_jobs, private.running_jobs,
      private.finished_jobs, private.user_slots, private.job_deltas, private.job_counts,
      private.running_counts, public.image_generations, public.images, public.batch_generations, private.usage,
      private.idempotency_keys, private.predictions, private.bookings, private.gone_jobs,
      private.gone_generations, private.prediction_owners cascade`;
    await this
      .sql`update private.provider_pause set until = '-infinity', since = null, reason = null, code = null,
        probing = false, probe_until = '-infinity', failures = 0 where only_row`;
  }
}

const VALUE_TYPES: Record<string, string> = {
  p_request: 'jsonb',
  p_jobs: 'jsonb',
  p_payload: 'jsonb',
  p_outcome: 'jsonb',
  p_image: 'jsonb',
  p_details: 'jsonb',
  p_error_details: 'jsonb',
  p_result: 'jsonb',
  p_stats: 'jsonb',
  p_attempt: 'jsonb',
  p_lease: 'bigint',
  p_job_id: 'uuid',
  p_generation_id: 'uuid',
  p_image_id: 'uuid',
  p_started_at: 'timestamptz',
  p_batch_id: 'uuid',
  p_parent_id: 'uuid',
  p_image_ids: 'uuid[]',
  p_marks: 'jsonb',
  p_created_after: 'timestamptz',
  p_created_before: 'timestamptz',
  p_user_id: 'uuid',
  p_since: 'bigint',
  p_template: 'jsonb',
};

/** Named arguments, as PostgREST passes them. */
export async function call<T>(
  sql: postgres.TransactionSql,
  name: string,
  args: Record<string, unknown>,
): Promise<T> {
  const names = Object.keys(args);
  const list = names.map((key, index) => {
    const type = VALUE_TYPES[key];
    return `${key} => $${index + 1}${type === 'jsonb' ? '::text::jsonb' : type ? `::${type}` : ''}`;
  });
  const values = names.map((key) => (VALUE_TYPES[key] === 'jsonb' ? JSON.stringify(args[key]) : args[key]));
  const [row] = await sql.unsafe(`select public.${name}(${list.join(', ')}) as answer`, values as never[]);
  return row?.answer as T;
}

export interface Refusal {
  /** 'PT404' is HTTP 404 at PostgREST; a plain SQLSTATE is a refusal by Postgres itself. */
  sqlstate: string;
  code: string | undefined;
  message: string;
  retryAfter?: number;
  /** Which of the plan's limits it was. */
  limit?: string;
  /** Which member of the request it was. */
  field?: string;
}

/** How a call was refused; fails when it was not. */
export async function refusal(promise: Promise<unknown>): Promise<Refusal> {
  try {
    await promise;
  } catch (error) {
    const { code, detail, message, hint } = error as postgres.PostgresError;
    const [, seconds, , limit] = /^retry_after=(\d+)( limit=(\w+))?$/.exec(hint ?? '') ?? [];
    const [, field] = /^field=(\S+)$/.exec(hint ?? '') ?? [];
    return {
      sqlstate: code,
      code: detail,
      message,
      ...(seconds ? { retryAfter: Number(seconds) } : {}),
      ...(limit ? { limit } : {}),
      ...(field ? { field } : {}),
    };
  }
  throw new Error('the call should have been refused, but it was answered');
}

export const SUCCEEDED = {
  status: 'succeeded',
  output_url: 'https://replicate.delivery/out.webp',
  format: 'webp',
  predict_time: 1.25,
};
