/** A prediction's way: starting, processing, and an end. */
import { randomBytes } from 'node:crypto';
import type { Fault } from './faults.ts';
import { errorTexts } from './faults.ts';
import type { Outputs } from './outputs.ts';
import { picturesOf } from './outputs.ts';
import type { Picture, SourceImage } from './paint.ts';
import { isTerminal, logsOf, type Prediction, removeData, type Status } from './prediction.ts';
import { ModelFailure } from './size.ts';
import { type OwnFiles, sourceImages } from './sources.ts';
import type { Timers } from './timers.ts';
import { throttleMs, type Webhooks } from './webhooks.ts';

/** What a run needs of the rest. */
export interface Platform {
  timers: Timers;
  webhooks: Webhooks;
  outputs: Outputs;
  ownFiles: OwnFiles;
  /** Keeps the prediction's state beyond the process, where that was asked for. */
  keep: (prediction: Prediction) => void;
  origin: () => string;
}

/** Runs the prediction to its end, unless `end` gets there first. */
export async function run(prediction: Prediction, platform: Platform): Promise<void> {
  const { timers, webhooks } = platform;
  const { fault } = prediction;
  const stopDeadline = armDeadline(prediction, platform);
  try {
    await timers.sleep(prediction.queueMs);
    if (fault.hold === 'start') await held(prediction);
    if (isTerminal(prediction)) return;
    if (fault.ends === 'aborted') return end(prediction, 'aborted', platform);
    prediction.status = 'processing';
    prediction.startedAt = Date.now();
    webhooks.notify(prediction, 'start');
    const stopLogs = tellLogs(prediction, platform);
    const [work] = await Promise.all([produce(prediction, platform), timers.sleep(prediction.generationMs)]);
    if (fault.hold === 'run') await held(prediction);
    stopLogs();
    if (isTerminal(prediction)) return;
    if (fault.ends === 'canceled' || fault.ends === 'expired') return end(prediction, fault.ends, platform);
    if (work.error !== null) return fail(prediction, work.error, platform);
    succeed(prediction, work.output, work.count, platform);
  } finally {
    stopDeadline();
  }
}

/** Ends a prediction that has not ended yet, e.g. by a cancel call. */
export function end(prediction: Prediction, status: Status, platform: Platform): void {
  if (isTerminal(prediction)) return;
  prediction.status = status;
  prediction.completedAt = Date.now();
  if (prediction.fault.data_removed) removeData(prediction);
  platform.keep(prediction);
  // Whether `completed` fires for `aborted` is not documented; the simulator takes the harder case.
  if (status !== 'aborted') platform.webhooks.notify(prediction, 'completed');
  prediction.release?.();
  delete prediction.release;
  for (const wake of prediction.waiters) wake();
  prediction.waiters.clear();
}

/** Resolves at the prediction's end or after `ms` milliseconds. */
export function ended(prediction: Prediction, ms: number, timers: Timers): Promise<void> {
  if (isTerminal(prediction)) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = (): void => {
      stop();
      prediction.waiters.delete(wake);
      resolve();
    };
    const stop = timers.after(ms, wake);
    prediction.waiters.add(wake);
  });
}

function succeed(prediction: Prediction, output: unknown, count: number, platform: Platform): void {
  prediction.output = output;
  prediction.imageCount = count;
  platform.webhooks.notify(prediction, 'output');
  end(prediction, 'succeeded', platform);
}

function fail(prediction: Prediction, error: string, platform: Platform): void {
  prediction.error = error;
  end(prediction, 'failed', platform);
}

function held(prediction: Prediction): Promise<void> {
  if (isTerminal(prediction)) return Promise.resolve();
  return new Promise((resolve) => {
    prediction.release = resolve;
  });
}

function armDeadline(prediction: Prediction, platform: Platform): () => void {
  if (prediction.deadline === undefined) return () => {};
  return platform.timers.after(prediction.deadline - Date.now(), () => {
    end(prediction, prediction.status === 'starting' ? 'aborted' : 'canceled', platform);
  });
}

function tellLogs(prediction: Prediction, { timers, webhooks }: Platform): () => void {
  if (!prediction.events.includes('logs')) return () => {};
  let stop = (): void => {};
  let told = '';
  const again = (): void => {
    stop = timers.after(throttleMs, () => {
      if (isTerminal(prediction)) return;
      const logs = logsOf(prediction) ?? '';
      if (logs !== told) webhooks.notify(prediction, 'logs');
      told = logs;
      again();
    });
  };
  again();
  return () => stop();
}

interface Work {
  output: unknown;
  count: number;
  error: string | null;
}

async function produce(prediction: Prediction, platform: Platform): Promise<Work> {
  const { fault, model, input } = prediction;
  if (fault.error !== undefined) return failed(errorTexts[fault.error] ?? fault.error);
  try {
    const { sources, mask } = await sourceImages(model, input, platform.ownFiles);
    const [source] = sources;
    const noted = ({ digest, width, height }: SourceImage) => ({ digest, width, height });
    prediction.notes.source = source === undefined ? null : noted(source);
    prediction.notes.sources = sources.map(noted);
    prediction.notes.mask = mask === undefined ? null : noted(mask);
    const pictures = picturesOf(prediction, source);
    const made = fault.output === 'partial' ? pictures.slice(0, Math.max(1, pictures.length - 1)) : pictures;
    const output = await outputOf(prediction, made, fault, platform);
    return { output, count: made.length, error: null };
  } catch (error) {
    if (error instanceof ModelFailure) return failed(error.message);
    throw error;
  }
}

function failed(error: string): Work {
  return { output: null, count: 0, error };
}

async function outputOf(
  prediction: Prediction,
  pictures: Picture[],
  fault: Fault,
  { outputs, origin }: Platform,
): Promise<unknown> {
  if (fault.output === 'null') return null;
  if (fault.output === 'empty') return [];
  const urls =
    fault.output === 'data_uri'
      ? await Promise.all(pictures.map((picture) => outputs.dataUri(picture)))
      : pictures.map((picture, index) => outputs.add(prediction, picture, index, origin()));
  if (fault.output_value !== undefined) {
    const [picture] = pictures;
    if (picture === undefined) return fault.output_value;
    const data = await outputs.dataUri(picture);
    return fill(fault.output_value, () => outputs.add(prediction, picture, 0, origin()), data);
  }
  if (fault.output === 'object') return { image: urls[0], id: randomBytes(4).toString('hex') };
  const form =
    fault.output === 'string' || fault.output === 'list' ? fault.output : prediction.model.output.form;
  return form === 'list' ? urls : (urls[0] ?? null);
}

/** A value with its placeholders filled in. */
function fill(value: unknown, image: () => string, data: string): unknown {
  if (value === '$IMAGE') return image();
  if (value === '$DATA') return data;
  if (Array.isArray(value)) return value.map((each) => fill(each, image, data));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fill(each, image, data)]));
}
