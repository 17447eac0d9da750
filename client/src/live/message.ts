import type { Progress } from '../progress.ts';
import type { GenerationError, Status } from '../types.ts';

/** What the server sends: a generation's state, or that all states have been sent. */
export type Message =
  | { type: 'ready'; seq: number }
  | {
      type: 'generation';
      generation_id: string;
      status: Status;
      progress: number;
      queue_position: number | null;
      estimated_seconds: number | null;
      image_url?: string;
      error?: GenerationError;
      /** Strictly increasing within a generation; roughly the time in ms across generations. */
      seq: number;
    };

/** Undefined: something that a later server may say. */
export function parse(text: string): Message | undefined {
  try {
    const message = JSON.parse(text) as Message | null;
    const isKnown = message?.type === 'ready' || message?.type === 'generation';
    return isKnown && typeof message.seq === 'number' ? message : undefined;
  } catch {
    return undefined;
  }
}

export function toUpdate(message: Message & { type: 'generation' }): Progress {
  const { image_url: imageUrl, error, status } = message;
  return {
    generationId: message.generation_id,
    status,
    progress: message.progress,
    queuePosition: message.queue_position,
    estimatedSeconds: message.estimated_seconds,
    ...(imageUrl ? { imageUrl } : {}),
    ...(status === 'failed' && error ? { error } : {}),
  };
}
