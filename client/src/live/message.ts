import type { Progress } from '../progress.ts';
import type { LiveGeneration, LiveMessage } from '../types.ts';

/** Undefined: something that a later server may say. */
export function parse(text: string): LiveMessage | undefined {
  try {
    const message = JSON.parse(text) as LiveMessage | null;
    const isKnown = message?.type === 'ready' || message?.type === 'generation';
    return isKnown && typeof message.seq === 'number' ? message : undefined;
  } catch {
    return undefined;
  }
}

export function toUpdate(message: LiveGeneration): Progress {
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
