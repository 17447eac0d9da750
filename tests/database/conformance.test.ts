import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectSlotsRight } from './slots.ts';
import { Database, type Job, MODEL } from './support.ts';

// The situations of tests/conformance/cases.json, in SQL. shared/tests/conformance.rs plays the same ones on the
// queue in memory that the tests of the pipeline stand on.

interface Step {
  do: string;
  as?: string;
  job?: string;
  gives?: string[];
  anyOrder?: boolean;
  outcome?: string;
  hands?: string;
  shows?: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: what each kind of step takes
  [more: string]: any;
}
interface Case {
  name: string;
  /** How many of their jobs may run at once; null: any number. */
  users?: Record<string, number | null>;
  steps: Step[];
}
interface Answer {
  outcome: string;
  job?: Job;
}

const cases: Case[] = JSON.parse(readFileSync(new URL('../conformance/cases.json', import.meta.url), 'utf8'));
const db = await Database.open();
beforeEach(() => db.clear());
afterEach(() => expectSlotsRight(db));

/** One case as it is played: what its names stand for. */
class Play {
  readonly ids = new Map<string, string>();
  readonly leases = new Map<string, number>();
  readonly generations = new Map<string, { id: string; user: string }>();
  readonly users: Map<string, string>;

  constructor(users: Map<string, string>) {
    this.users = users;
  }

  private lease({ job = '', lease }: Step) {
    return { p_job_id: this.ids.get(job), p_lease: lease ?? this.leases.get(job) ?? 1 };
  }

  private outcome = (name: string, args: Record<string, unknown>) => db.service<Answer>(name, args);

  async make(step: Step): Promise<Answer | undefined> {
    const { seconds } = step;
    switch (step.do) {
      case 'start':
      case 'startNext':
        return this.start(step);
      case 'enqueue': {
        const id = await db.service<string>('enqueue_job', {
          p_job_type: step.type,
          p_payload: {},
          p_priority: step.priority ?? 0,
          p_max_attempts: step.attempts ?? 3,
          ...(step.in ? { p_scheduled_at: new Date(Date.now() + step.in * 1000) } : {}),
        });
        this.ids.set(step.as as string, id);
        return;
      }
      case 'claim':
        return this.claim(step);
      case 'pass':
        return db.pass(seconds);
      case 'look':
        expect(await this.look(step.job as string)).toMatchObject(step.shows as object);
        return;
      case 'record':
        return this.outcome('record_prediction', {
          ...this.lease(step),
          p_prediction_id: step.prediction,
          p_wait_seconds: step.wait ?? 60,
        });
      case 'finish':
        return this.outcome('finish_prediction', {
          p_job_id: this.ids.get(step.job as string),
          p_prediction_id: step.prediction,
          p_outcome: this.end(step),
          p_lease_seconds: 60,
        });
      case 'store': {
        const p_image = { storage_path: 'a', public_url: 'https://x.example/a', width: 8, height: 8 };
        return this.outcome('finish_download', { ...this.lease(step), p_image });
      }
      case 'fail':
        return this.outcome('fail_job', {
          ...this.lease(step),
          p_error_message: 'x',
          p_error_details: { ...(step.code && { code: step.code }), ...(step.once && { retry: 'once' }) },
          p_retry_in_seconds: step.retry ?? null,
        });
      case 'snooze':
        return this.outcome('snooze_job', {
          ...this.lease(step),
          p_seconds: seconds,
          p_outcome_unknown: step.unknown ?? false,
        });
      case 'extend':
        return this.outcome('extend_lease', { ...this.lease(step), p_lease_seconds: seconds });
      case 'complete':
        return this.outcome('complete_job', { ...this.lease(step), p_result: {} });
      case 'pause':
        await db.service('pause_provider', {
          ...this.lease(step),
          p_seconds: seconds,
          p_reason: step.reason,
          p_code: 429,
        });
        return;
      case 'cancel':
        return this.cancel(step);
      default:
        throw new Error(`no step is called ${step.do}`);
    }
  }

  private end({ result, retry }: Step): object {
    if (result === 'running') return { status: 'running' };
    if (result === 'succeeded')
      return { status: 'succeeded', output_url: 'https://x.example/a', format: 'webp' };
    const again = retry === undefined ? {} : { retry_in_seconds: retry };
    return { status: 'failed', error_code: 'provider_failed', error_message: 'x', ...again };
  }

  private async start(step: Step): Promise<undefined> {
    const { as = '', user = '', expires, priority, gives = [] } = step;
    const owner = this.users.get(user) as string;
    const more = { ...(expires && { expires_in: expires }), ...(priority && { priority }) };
    const started = await db.start(
      owner,
      { model_id: MODEL, ...more },
      undefined,
      undefined,
      step.do === 'startNext' ? 1 : 0,
    );
    this.ids.set(as, started.job_id);
    expect((started.next ?? []).map(({ id }) => id)).toEqual(gives.map((name) => this.ids.get(name)));
    this.generations.set(as, { id: started.generation_id, user: owner });
  }

  private async claim({ limit = 1, lease = 60, types, gives = [], anyOrder }: Step): Promise<undefined> {
    const jobs = await db.claim(limit, { seconds: lease, ...(types && { types }) });
    const names = new Map([...this.ids].map(([name, id]) => [id, name]));
    // One that nobody has named is called by its type.
    const given = jobs.map((job) => names.get(job.id) ?? job.job_type);
    expect(anyOrder ? [...given].sort() : given).toEqual(anyOrder ? [...gives].sort() : gives);
    jobs.forEach((job, index) => {
      this.leases.set(given[index] as string, Number(job.lease));
    });
  }

  private async cancel({ job = '' }: Step): Promise<Answer> {
    const { id, user } = this.generations.get(job) as { id: string; user: string };
    try {
      const { status } = await db.callAs<{ status: string }>(user, 'cancel_generation', {
        p_generation_id: id,
      });
      return { outcome: status };
    } catch (error) {
      if ((error as { code?: string }).code !== 'PT409') throw error;
      return { outcome: 'conflict' };
    }
  }

  async look(name: string): Promise<Record<string, unknown>> {
    const job = await db.job(this.ids.get(name) as string);
    const generation = job.generation_id ? await db.generation(job.generation_id) : undefined;
    return {
      status: job.status,
      attempts: job.attempts,
      lease: Number(job.lease),
      prediction: job.prediction_id,
      unknown: job.outcome_unknown,
      rescued: job.rescued,
      // In the word of the answers: docs/decisions/0049.
      generation: generation?.status === 'pending' ? 'queued' : generation?.status,
      code: generation?.error_code,
    };
  }
}

test.each(cases)('$name', async ({ users = {}, steps }) => {
  const ids = new Map<string, string>();
  for (const [name, running_jobs] of Object.entries(users))
    ids.set(name, await db.createUser({ running_jobs }));
  const play = new Play(ids);
  for (const [at, step] of steps.entries()) {
    const what = `step ${at + 1}: ${JSON.stringify(step)}`;
    const answer = await play.make(step).catch((error: Error) => {
      throw new Error(`${what}: ${error.message}`, { cause: error });
    });
    if (step.outcome !== undefined) expect(answer?.outcome, what).toBe(step.outcome);
    if (answer) expect(answer.job !== undefined, `${what}: hands on a job`).toBe(step.hands !== undefined);
    if (answer?.job) play.ids.set(step.hands as string, answer.job.id);
  }
});
