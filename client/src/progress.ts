import type { Generation, GenerationError, Status } from './types.ts';

/** The state of a generation, in brief. */
export interface Progress {
  generationId: string;
  status: Status;
  /** Percent. */
  progress: number;
  /** 1 is next; null once it runs. */
  queuePosition: number | null;
  /** Until it has ended; null when it has. */
  estimatedSeconds: number | null;
  /** Of the first image, once it is completed. */
  imageUrl?: string;
  /** Once it has failed. */
  error?: GenerationError;
}

const RANK: Record<Status, number> = {
  queued: 0,
  processing: 1,
  downloading: 2,
  completed: 3,
  failed: 3,
  cancelled: 3,
};

export const hasEnded = (status: Status): boolean => RANK[status] === 3;

/** What tells the state of a generation: a message, or a part of an answer. */
interface Told {
  generation_id: string;
  status: Status;
  progress: number;
  queue_position: number | null;
  estimated_seconds: number | null;
  image_url?: string | null | undefined;
  error?: GenerationError | null | undefined;
}

export function toUpdate(told: Told): Progress {
  const { image_url: imageUrl, error, status } = told;
  return {
    generationId: told.generation_id,
    status,
    progress: told.progress,
    queuePosition: told.queue_position,
    estimatedSeconds: told.estimated_seconds,
    ...(imageUrl ? { imageUrl } : {}),
    ...(status === 'failed' && error ? { error } : {}),
  };
}

export const toProgress = (generation: Generation): Progress =>
  toUpdate({ ...generation, generation_id: generation.id, image_url: generation.images[0]?.url });

/** Whether `next` says something that comes after `last`, by status, then by progress. */
export function isForward(
  last: { status: Status; progress: number } | undefined,
  next: { status: Status; progress: number },
): boolean {
  if (!last) return true;
  const step = RANK[next.status] - RANK[last.status];
  return step > 0 || (step === 0 && !hasEnded(next.status) && next.progress >= last.progress);
}

/**
 * Passes on what is new and moves forward. A generation that is tried again is queued once more; a progress bar
 * stands still meanwhile. Only the first end counts.
 */
export function onlyForward(onUpdate: (update: Progress) => void): (update: Progress) => void {
  const shown = new Map<string, Progress>();
  return (update) => {
    const last = shown.get(update.generationId);
    if (!isForward(last, update)) return;
    const next = { ...update, progress: Math.max(update.progress, last?.progress ?? 0) };
    if (JSON.stringify(next) === JSON.stringify(last)) return;
    shown.set(update.generationId, next);
    onUpdate(next);
  };
}
