import type { Progress } from '../progress.ts';
import type { LiveGeneration, LiveReady } from '../types.ts';

/**
 * Undefined for a message of a later server, and for `resume`, after which the connection ends and the client
 * reconnects.
 */
export function parse(text: string): LiveGeneration | LiveReady | undefined {
  try {
    const message = JSON.parse(text) as LiveGeneration | LiveReady | null;
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
