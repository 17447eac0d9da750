/** The simulator's records and switches: what a test reads, and what it sets. Over HTTP under `/_control`. */
import { checkRules } from './fault-shape.ts';
import type { Fault, FaultRule, Faults } from './faults.ts';
import { type Route, route } from './http.ts';
import { isTerminal, type Notes, type Prediction, view } from './prediction.ts';
import { Problem } from './problems.ts';
import { defaultSettings, type Settings } from './settings.ts';
import type { Simulation } from './simulation.ts';

/** A prediction as the simulator has recorded it. */
export interface PredictionRecord extends Notes {
  id: string;
  model: string;
  status: Prediction['status'];
  /** The `job` and `lease` parameters of the webhook URL. */
  job: string | null;
  lease: string | null;
  fault: Fault;
  /** The prediction object as `GET /v1/predictions/{id}` shows it. */
  prediction: Record<string, unknown>;
}

export interface PredictionRecords {
  predictions: PredictionRecord[];
  /** Predictions made for each job: more than 1 means paid twice, unless an attempt failed. */
  creates_by_job: Record<string, number>;
}

export interface Stats {
  predictions: number;
  running: number;
  by_status: Record<string, number>;
  /** Jobs named by webhook URLs, and how many of them had more than one prediction. */
  jobs: number;
  jobs_with_several_predictions: number;
  images: number;
  downloads: number;
  cancel_calls: number;
  webhooks: { tries: number; delivered: number; refused: number; lost: number };
  /** By `endpoint status`, e.g. `create 201`. */
  answers: Record<string, number>;
}

/** Numbers that may be null. */
const NULLABLE = ['create_limit_per_minute', 'create_status', 'read_status'];

export class Control {
  readonly #simulation: Simulation;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** What it has recorded; `job` picks the predictions of one job, `limit` the newest so many. */
  predictions({
    job,
    limit,
  }: {
    job?: string | undefined;
    limit?: number | undefined;
  } = {}): PredictionRecords {
    const all = [...this.#simulation.predictions.values()];
    const counts = new Map<string, number>();
    for (const prediction of all) {
      const key = webhookParameter(prediction, 'job');
      if (key !== null) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const chosen = job === undefined ? all : all.filter((each) => webhookParameter(each, 'job') === job);
    const entries = limit === undefined ? chosen : chosen.slice(-limit);
    return {
      predictions: entries.map((prediction) => this.#entry(prediction)),
      creates_by_job: Object.fromEntries(counts),
    };
  }

  stats(): Stats {
    const all = [...this.#simulation.predictions.values()];
    const jobs = Object.values(this.predictions({ limit: 0 }).creates_by_job);
    const sum = (count: (prediction: Prediction) => number): number =>
      all.reduce((total, prediction) => total + count(prediction), 0);
    const byStatus: Record<string, number> = {};
    for (const { status } of all) byStatus[status] = (byStatus[status] ?? 0) + 1;
    return {
      predictions: all.length,
      running: all.filter((prediction) => !isTerminal(prediction)).length,
      by_status: byStatus,
      jobs: jobs.length,
      jobs_with_several_predictions: jobs.filter((count) => count > 1).length,
      images: sum((prediction) => prediction.imageCount),
      downloads: sum(({ notes }) => notes.downloads),
      cancel_calls: sum(({ notes }) => notes.cancel_calls),
      webhooks: { ...this.#simulation.webhooks.counts },
      answers: Object.fromEntries(this.#simulation.answers),
    };
  }

  reset(): void {
    this.#simulation.reset();
  }

  /** Replaces the fault rules. */
  setFaults(rules: FaultRule[], seed = 1): void {
    this.#simulation.faults.set(checkRules(rules), seed);
  }

  faults(): ReturnType<Faults['list']> {
    return this.#simulation.faults.list();
  }

  settings(): Settings {
    return { ...this.#simulation.settings };
  }

  /** Changes some settings, for predictions made from now on. */
  configure(changes: Partial<Settings>): void {
    for (const [name, value] of Object.entries(changes)) {
      if (!(name in defaultSettings)) throw refused(`There is no setting ${name}.`);
      const type = typeof defaultSettings[name as keyof Settings] === 'boolean' ? 'boolean' : 'number';
      const none = value === null && NULLABLE.includes(name);
      if (typeof value !== type && !none) throw refused(`${name} must be a ${type}.`);
    }
    Object.assign(this.#simulation.settings, changes);
  }

  /** Lets held predictions go on: one, or all. Answers how many were held. */
  release(id?: string): number {
    let released = 0;
    for (const prediction of this.#simulation.predictions.values()) {
      if (prediction.release === undefined || (id !== undefined && id !== prediction.id)) continue;
      prediction.release();
      delete prediction.release;
      released += 1;
    }
    return released;
  }

  #entry(prediction: Prediction): PredictionRecord {
    return {
      id: prediction.id,
      model: prediction.model.id,
      status: prediction.status,
      job: webhookParameter(prediction, 'job'),
      lease: webhookParameter(prediction, 'lease'),
      ...prediction.notes,
      fault: prediction.fault,
      prediction: view(prediction, this.#simulation.origin, this.#simulation.settings),
    };
  }
}

export function controlRoutes(control: Control): Route[] {
  const done = { status: 200, body: { ok: true } };
  return [
    route('GET', '/_control/predictions', ({ url }) => {
      const limit = url.searchParams.get('limit');
      const job = url.searchParams.get('job') ?? undefined;
      return {
        status: 200,
        body: control.predictions({ job, limit: limit === null ? undefined : Number(limit) }),
      };
    }),
    route('GET', '/_control/stats', () => ({ status: 200, body: control.stats() })),
    route('POST', '/_control/reset', () => {
      control.reset();
      return done;
    }),
    route('GET', '/_control/faults', () => ({ status: 200, body: { rules: control.faults() } })),
    route('POST', '/_control/faults', async (request) => {
      const { rules, seed } = await request.json();
      control.setFaults(rules as FaultRule[], typeof seed === 'number' ? seed : undefined);
      return done;
    }),
    route('GET', '/_control/settings', () => ({ status: 200, body: control.settings() })),
    route('POST', '/_control/settings', async (request) => {
      control.configure((await request.json()) as Partial<Settings>);
      return { status: 200, body: control.settings() };
    }),
    route('POST', '/_control/release', async (request) => {
      const { id } = await request.json();
      return { status: 200, body: { released: control.release(typeof id === 'string' ? id : undefined) } };
    }),
  ];
}

function webhookParameter({ webhook }: Prediction, name: string): string | null {
  return webhook === undefined ? null : new URL(webhook).searchParams.get(name);
}

function refused(detail: string): Problem {
  return new Problem(400, { detail, status: 400 });
}
