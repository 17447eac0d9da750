/** Everything a running simulator holds. */
import { type Endpoint, Faults } from './faults.ts';
import type { Journal } from './journal.ts';
import { run } from './lifecycle.ts';
import { Outputs } from './outputs.ts';
import { Painter } from './paint.ts';
import { isTerminal, type Prediction, removeData } from './prediction.ts';
import { CreateLimit } from './ratelimit.ts';
import type { Settings } from './settings.ts';
import { Timers } from './timers.ts';
import { Uploads } from './uploads.ts';
import { Webhooks } from './webhooks.ts';

export class Simulation {
  readonly token: string;
  readonly webhookSecret: string;
  readonly settings: Settings;
  readonly faults = new Faults();
  readonly painter = new Painter();
  readonly outputs = new Outputs(this.painter);
  readonly uploads = new Uploads();
  readonly #initial: Settings;
  readonly #journal: Journal | undefined;
  /** The origin that URLs in answers start with; known once the server listens. */
  origin = '';
  timers = new Timers();
  webhooks: Webhooks;
  limit = new CreateLimit();
  /** In the order of creation. */
  readonly predictions = new Map<string, Prediction>();
  /** Answers by `endpoint status`, e.g. `create 201`; `create dropped` for connections closed by a fault. */
  readonly answers = new Map<string, number>();

  constructor(token: string, webhookSecret: string, settings: Settings, journal?: Journal) {
    this.token = token;
    this.webhookSecret = webhookSecret;
    this.settings = settings;
    this.#initial = { ...settings };
    this.#journal = journal;
    this.webhooks = this.#newWebhooks();
  }

  /** Notes the prediction and sets it going. */
  start(prediction: Prediction): void {
    this.predictions.set(prediction.id, prediction);
    this.#journal?.write(prediction);
    this.#run(prediction);
  }

  /** Takes over what earlier runs of the simulator left; what had not ended starts again. */
  restore(): void {
    for (const prediction of this.#journal?.load() ?? []) {
      this.predictions.set(prediction.id, prediction);
      this.outputs.restore(prediction);
      if (!isTerminal(prediction)) this.#run(prediction);
    }
  }

  #run(prediction: Prediction): void {
    run(prediction, this.platform()).catch((error: unknown) => {
      console.error(`replicate simulator: prediction ${prediction.id} broke:`, error);
    });
  }

  /** The prediction, its data removed when its time is over. */
  find(id: string): Prediction | undefined {
    const prediction = this.predictions.get(id);
    if (prediction !== undefined) this.#expire(prediction);
    return prediction;
  }

  platform(): Parameters<typeof run>[1] {
    return {
      timers: this.timers,
      webhooks: this.webhooks,
      outputs: this.outputs,
      origin: () => this.origin,
      keep: (prediction) => {
        // Not when a reset forgot it meanwhile.
        if (this.predictions.has(prediction.id)) this.#journal?.write(prediction);
      },
      ownFiles: (url) => this.#ownFile(url),
    };
  }

  count(endpoint: Endpoint, answer: number | 'dropped'): void {
    const key = `${endpoint} ${answer}`;
    this.answers.set(key, (this.answers.get(key) ?? 0) + 1);
  }

  /** As after the start: no predictions, files, faults, counts; settings as given at the start. */
  reset(): void {
    this.#stop();
    this.#journal?.clear();
    this.timers = new Timers();
    this.webhooks = this.#newWebhooks();
    this.limit = new CreateLimit();
    this.predictions.clear();
    this.outputs.clear();
    this.uploads.clear();
    this.faults.set([], 0);
    this.answers.clear();
    Object.assign(this.settings, this.#initial);
  }

  close(): void {
    this.#stop();
    this.#journal?.close();
  }

  #stop(): void {
    this.timers.stop();
    this.webhooks.close();
  }

  #newWebhooks(): Webhooks {
    return new Webhooks(this.settings, this.webhookSecret, this.timers, () => this.origin);
  }

  #expire(prediction: Prediction): void {
    const { completedAt, dataRemoved } = prediction;
    if (completedAt === undefined || dataRemoved || !isTerminal(prediction)) return;
    if (Date.now() - completedAt > this.settings.retention_ms) removeData(prediction);
  }

  async #ownFile(url: URL): Promise<Buffer | undefined> {
    if (url.origin !== this.origin) return undefined;
    const [, first, second = '', third = ''] = url.pathname.split('/');
    if (first === 'v1' && second === 'files') return this.uploads.find(third)?.bytes;
    const output = first === 'files' ? this.outputs.find(second) : undefined;
    return output === undefined ? undefined : (await this.painter.encode(output.picture)).bytes;
  }
}
