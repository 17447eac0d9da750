/** A prediction: what the simulator keeps of it, and the object that the API shows. */

import { type ModelFacts, versionId } from './facts.ts';
import type { Fault } from './faults.ts';
import { progressLogs } from './logs.ts';
import type { Picture } from './paint.ts';
import { randomId } from './random.ts';
import type { Settings } from './settings.ts';
import type { CreateBody, WebhookEvent } from './validate.ts';

export type Status = 'starting' | 'processing' | 'succeeded' | 'failed' | 'canceled' | 'aborted' | 'expired';

/** One try to hand over one webhook. */
export interface Delivery {
  event: WebhookEvent;
  webhook_id: string;
  attempt: number;
  at: string;
  /** The prediction's status that the body told. */
  status: Status;
  /** The receiver's HTTP status, when it answered. */
  answer?: number;
  error?: string;
}

/** A picture that a run has read: md5 of its bytes, and its size. */
export interface ReadPicture {
  digest: string;
  width: number;
  height: number;
}

/** What the simulator notes about a prediction besides the object itself. */
export interface Notes {
  cancel_calls: number;
  get_calls: number;
  downloads: number;
  deliveries: Delivery[];
  lost_webhooks: WebhookEvent[];
  /** The first source picture that the run has read. */
  source: ReadPicture | null;
  /** All of them, in their order. */
  sources: ReadPicture[];
  mask: ReadPicture | null;
  /** The last HTTP status of the create as its caller saw it; null when the connection was dropped. */
  create_answer: number | null;
}

export interface Prediction {
  id: string;
  model: ModelFacts;
  input: Record<string, unknown>;
  webhook: string | undefined;
  events: WebhookEvent[];
  /** As given; undefined when the default is in force. */
  eventsFilter: WebhookEvent[] | undefined;
  status: Status;
  output: unknown;
  error: string | null;
  imageCount: number;
  dataRemoved: boolean;
  /** Milliseconds since the epoch, as the other times. */
  createdAt: number;
  startedAt?: number;
  completedAt?: number;
  deadline?: number;
  seed: number;
  steps: number;
  generationMs: number;
  queueMs: number;
  fault: Fault;
  /** The output files, by the token in their URL. */
  files: { token: string; picture: Picture }[];
  /** Wakes those that wait for the end. */
  waiters: Set<() => void>;
  /** Lets a held prediction go on. */
  release?: () => void;
  notes: Notes;
}

const defaultEvents: WebhookEvent[] = ['output', 'completed'];

/** @param cancelAfterMs the deadline, counted from now */
export function newPrediction(
  model: ModelFacts,
  body: CreateBody,
  fault: Fault,
  settings: Settings,
  cancelAfterMs: number | undefined,
): Prediction {
  const { input } = body;
  const createdAt = Date.now();
  return {
    id: randomId(),
    model,
    input,
    webhook: body.webhook,
    events: body.webhook_events_filter ?? defaultEvents,
    eventsFilter: body.webhook_events_filter,
    status: 'starting',
    output: null,
    error: null,
    imageCount: 0,
    dataRemoved: false,
    createdAt,
    ...(cancelAfterMs === undefined ? {} : { deadline: createdAt + cancelAfterMs }),
    seed: typeof input.seed === 'number' ? input.seed : Math.floor(Math.random() * 2 ** 31),
    steps: stepsOf(model, input),
    generationMs: fault.generation_ms ?? settings.generation_ms,
    queueMs: fault.queue_ms ?? settings.queue_ms,
    fault,
    files: [],
    waiters: new Set(),
    notes: newNotes(),
  };
}

export function newNotes(): Notes {
  return {
    cancel_calls: 0,
    get_calls: 0,
    downloads: 0,
    deliveries: [],
    lost_webhooks: [],
    source: null,
    sources: [],
    mask: null,
    create_answer: null,
  };
}

export function isTerminal(prediction: Prediction): boolean {
  return prediction.status !== 'starting' && prediction.status !== 'processing';
}

/** The prediction object in the key order of recorded answers. */
export function view(prediction: Prediction, origin: string, settings: Settings): Record<string, unknown> {
  const { id, model } = prediction;
  const ahead = settings.clock_offset_ms;
  const object: Record<string, unknown> = {
    id,
    model: model.id,
    version: model.kind === 'official' ? 'hidden' : versionId(model),
    input: prediction.input,
    logs: logsOf(prediction),
    output: prediction.output,
    data_removed: prediction.dataRemoved,
    error: prediction.error,
    status: prediction.status,
    source: 'api',
    created_at: new Date(prediction.createdAt + ahead - (prediction.fault.age_ms ?? 0)).toISOString(),
  };
  if (prediction.startedAt !== undefined) object.started_at = micros(prediction.startedAt + ahead);
  if (prediction.completedAt !== undefined) object.completed_at = micros(prediction.completedAt + ahead);
  if (prediction.deadline !== undefined)
    object.deadline = new Date(prediction.deadline + ahead).toISOString();
  const metrics = metricsOf(prediction);
  if (metrics !== undefined) object.metrics = metrics;
  if (settings.echo_webhook && prediction.webhook !== undefined) {
    object.webhook = prediction.webhook;
    if (prediction.eventsFilter !== undefined) object.webhook_events_filter = prediction.eventsFilter;
  }
  const self = `${origin}/v1/predictions/${id}`;
  object.urls = {
    cancel: `${self}/cancel`,
    get: self,
    stream: `https://stream.replicate.com/v1/files/${id}`,
    web: `https://replicate.com/p/${id}`,
  };
  return object;
}

/** Removes input and output: the platform does so one hour after the end. */
export function removeData(prediction: Prediction): void {
  prediction.input = {};
  prediction.output = null;
  prediction.dataRemoved = true;
}

function metricsOf(prediction: Prediction): Record<string, number> | undefined {
  const { completedAt, createdAt, imageCount, status } = prediction;
  if (completedAt === undefined || status === 'aborted') return undefined;
  const startedAt = prediction.startedAt ?? completedAt;
  const seconds = {
    predict_time: (completedAt - startedAt) / 1000,
    total_time: (completedAt - createdAt) / 1000,
  };
  return imageCount > 0 ? { image_count: imageCount, ...seconds } : seconds;
}

/** What the model has printed so far. */
export function logsOf(prediction: Prediction): string | null {
  const { status, startedAt, generationMs, seed, steps } = prediction;
  if (prediction.dataRemoved) return null;
  if (status === 'canceled' && prediction.output === null) return null;
  if (startedAt === undefined) return '';
  const now = prediction.completedAt ?? Date.now();
  // A run that takes no time has printed nothing of its steps when it begins.
  const passed = generationMs === 0 ? 0 : Math.min(1, (now - startedAt) / generationMs);
  const share = status === 'succeeded' ? 1 : passed;
  const logs = progressLogs(seed, steps, share, generationMs / 1000);
  const more = (prediction.fault.logs_bytes ?? 0) - Buffer.byteLength(logs);
  return more > 0 ? `${'0123456789abcde\n'.repeat(Math.ceil(more / 16)).slice(0, more)}${logs}` : logs;
}

function stepsOf(model: ModelFacts, input: Record<string, unknown>): number {
  const named = ['num_inference_steps', 'steps'].map((name) => input[name] ?? model.inputs[name]?.default);
  const steps = named.find((value) => typeof value === 'number');
  return typeof steps === 'number' && steps > 0 ? steps : 28;
}

/** Recorded times have 0, 3, 6 or 9 fraction digits; six here, so that clients meet more than three. */
function micros(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '128Z');
}
