import type { Row } from './attempts.ts';
import type { Call } from './calls.ts';
import { type Common, PLAIN_TYPES } from './common.ts';
import { operate, prune, sweep } from './operators.ts';
import { cancelOwn, deleteOwn, insertAndStart, retryOwn } from './owners.ts';
import type { Dice } from './random.ts';
import { work } from './worker.ts';

/** One connection: whatever a user, a worker, the provider's webhooks, the cron or the operator would call next. */
export class Player {
  readonly common: Common;
  readonly dice: Dice;
  /** Jobs that this one has been handed and not done with. */
  hand: Row[] = [];

  constructor(common: Common, dice: Dice) {
    this.common = common;
    this.dice = dice;
  }

  async step(): Promise<void> {
    const { dice } = this;
    if (this.hand.length > 4 || (this.hand.length > 0 && dice.chance(0.5))) {
      await work(this, this.hand.splice(dice.below(this.hand.length), 1)[0] as Row);
      return;
    }
    const what = dice.weighted({
      claim: 30,
      start: 14,
      enqueue: 8,
      webhook: 16,
      cancel: 5,
      insert: 2,
      retry: 5,
      delete: 2,
      stale: 10,
      look: 4,
      sweep: 2,
      prune: 0.3,
      operate: 5,
    });
    switch (what) {
      case 'claim':
        return this.claim();
      case 'start':
        return this.start();
      case 'enqueue':
        return this.enqueue();
      case 'webhook':
        return this.webhook();
      case 'cancel':
        return cancelOwn(this);
      case 'insert':
        return insertAndStart(this);
      case 'retry':
        return retryOwn(this);
      case 'delete':
        if (this.common.deletions === 'together') await deleteOwn(this);
        return;
      case 'stale': {
        const row = this.common.known[this.common.known.length - 1 - dice.below(50)];
        if (row) await work(this, row);
        return;
      }
      case 'look':
        return this.look();
      case 'sweep':
        return sweep(this);
      case 'prune':
        return prune(this);
      default:
        return operate(this);
    }
  }

  call(name: string, args: object, user: string | null = null): Promise<Call> {
    return this.common.calls.call(name, args as Record<string, unknown>, user);
  }

  /** Keeps what was handed out. */
  take(rows: Row[]): void {
    this.hand.push(...rows);
    this.common.known.push(...rows);
    if (this.common.known.length > 200) this.common.known.splice(0, 50);
    for (const row of rows) this.common.keyOf(row);
  }

  async claim(): Promise<void> {
    const { dice } = this;
    if (dice.chance(0.1)) {
      const { answer } = await this.call(
        'claim_next_job',
        dice.chance(0.5) ? {} : { p_job_types: PLAIN_TYPES },
      );
      this.take(answer ?? []);
      return;
    }
    const types = dice.weighted({ all: 5, plain: 2, images: 3, stop: 1 });
    const named = {
      all: null,
      plain: PLAIN_TYPES,
      images: ['generate-image', 'download-image'],
      stop: ['cancel-prediction', 'cleanup-storage'],
    }[types];
    const { answer } = await this.call('claim_jobs', {
      p_limit: dice.any([1, 1, 2, 5, 20]),
      p_lease_seconds: dice.any([1, 2, 60]),
      p_job_types: named,
    });
    this.take(answer ?? []);
  }

  user() {
    return this.dice.any(this.common.users.slice(-12));
  }

  async start(): Promise<void> {
    const { dice, common } = this;
    const user = this.user();
    const items = Array.from({ length: dice.any([1, 1, 1, 2, 5]) }, () => ({ prompt: 'a lighthouse' }));
    const request = {
      items,
      model_id: dice.weighted({ 'model/drawn': 5, 'model/dear': 3, 'model/timed': 3, 'model/refused': 0.5 }),
      priority: dice.weighted({ low: 1, normal: 3, high: 1 }),
      ...(dice.chance(0.15)
        ? { scheduled_at: new Date(Date.now() + dice.any([200, 600])).toISOString() }
        : {}),
      ...(dice.chance(0.15) ? { expires_in: 1 } : {}),
    };
    if (dice.chance(0.1)) {
      const { model_id, priority } = request;
      const p_payload = { prompt: 'a lighthouse', model_id };
      const p_priority = { low: -5, normal: 0, high: 5 }[priority];
      await this.call('enqueue_job', { p_job_type: 'generate-image', p_payload, p_priority }, user.id);
      return;
    }
    const known = [...common.keys].filter(([key]) => key.startsWith(user.id));
    if (dice.chance(0.1) && known.length > 0) {
      const [key, { request: earlier }] = dice.any(known);
      const p_request = dice.chance(0.8) ? earlier : { ...earlier, prompt: 'another' };
      await this.call('start_generation', { p_request, p_idempotency_key: key, p_next: 1 }, user.id);
      return;
    }
    const key = dice.chance(0.3) ? `${user.id}-${common.keys.size}` : undefined;
    if (key) common.keys.set(key, { request, ids: null });
    const args = {
      p_request: request,
      ...(key ? { p_idempotency_key: key } : {}),
      ...(dice.chance(0.6) ? { p_next: dice.any([1, 3]) } : {}),
    };
    // At once, as from two tabs.
    const calls = key && dice.chance(0.2) ? [args, args] : [args];
    const answers = await Promise.all(calls.map((one) => this.call('start_generation', one, user.id)));
    for (const { answer } of answers) this.begun(answer, user.id);
  }

  /** Keeps what a start has answered. */
  begun(answer: Row | undefined, user: string): void {
    for (const { generation_id, job_id } of answer?.generations ?? []) {
      this.common.generations.push({ id: generation_id, user, batch: answer?.batch_id ?? null });
      this.common.familyOf.set(job_id, generation_id);
    }
    this.take(answer?.next ?? []);
  }

  async enqueue(): Promise<void> {
    const { dice } = this;
    const one = () => ({
      job_type: dice.any(PLAIN_TYPES),
      payload: dice.chance(0.7) ? { user_id: this.user().id } : {},
      priority: dice.any([-10, 0, 0, 10]),
      max_attempts: dice.any([1, 3]),
      ...(dice.chance(0.2)
        ? { scheduled_at: new Date(Date.now() + dice.any([-60_000, 300])).toISOString() }
        : {}),
    });
    if (dice.chance(0.5)) {
      await this.call('enqueue_jobs', { p_jobs: Array.from({ length: dice.any([1, 3, 10]) }, one) });
      return;
    }
    const job = one();
    await this.call('enqueue_job', {
      p_job_type: job.job_type,
      p_payload: job.payload,
      p_priority: job.priority,
      p_max_attempts: job.max_attempts,
      ...(job.scheduled_at ? { p_scheduled_at: job.scheduled_at } : {}),
    });
  }

  /** The provider's webhooks: of predictions that run, of those that nobody has noted, twice, and late. */
  async webhook(): Promise<void> {
    const { dice, common } = this;
    const at = common.running.length - 1 - Math.min(dice.below(30), dice.below(30));
    const one = common.running[at];
    if (!one) return;
    if (dice.chance(0.15)) {
      await this.call('record_progress', {
        p_job_id: one.job,
        p_prediction_id: one.prediction,
        p_progress: 50,
      });
      return;
    }
    await this.finish(one.job, one.prediction);
  }

  async finish(job: string, prediction: string): Promise<void> {
    const { dice } = this;
    const ends = dice.weighted({ succeeded: 12, failed: 3, canceled: 1, running: 2 });
    const outcome = {
      succeeded: {
        status: 'succeeded',
        output_url: 'https://replicate.delivery/a.webp',
        format: 'webp',
        predict_time: 2,
      },
      failed: {
        status: 'failed',
        predict_time: 1.5,
        error_code: 'provider_failed',
        error_message: 'x',
        ...(dice.chance(0.7) ? { retry_in_seconds: dice.any([0, 0.3]) } : {}),
      },
      canceled: {
        status: 'canceled',
        predict_time: 0.7,
        error_code: 'cancelled_at_provider',
        error_message: 'x',
      },
      running: { status: 'running' },
    }[ends];
    const { answer } = await this.call('finish_prediction', {
      p_job_id: job,
      p_prediction_id: prediction,
      p_outcome: outcome,
      p_lease_seconds: dice.any([1, 60]),
      p_next: dice.any([0, 0, 1, 3]),
    });
    if (answer) this.take([...(answer.job ? [answer.job] : []), ...(answer.next ?? [])]);
  }

  async look(): Promise<void> {
    const { dice, common } = this;
    const one = common.generations[common.generations.length - 1 - dice.below(40)];
    const what = dice.weighted({ get: 3, list: 1, status: 1, metrics: 1, listen: 1 });
    if (what === 'get' && one) await this.call('get_generation', { p_generation_id: one.id }, one.user);
    else if (what === 'list') await this.call('list_generations', {}, this.user().id);
    else if (what === 'listen') {
      await this.call('live_snapshot', { p_user_id: this.user().id, p_listen_seconds: 60 });
    } else await this.call(what === 'status' ? 'queue_status' : 'queue_metrics', {});
  }
}
