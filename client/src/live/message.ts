import { objectOf } from '../errors.ts';
import type { LiveGeneration, LiveReady } from '../types.ts';

/**
 * Undefined for a message of a later server, and for `resume`, after which the connection ends and the client
 * reconnects.
 */
export function parse(text: string): LiveGeneration | LiveReady | undefined {
  const message = objectOf<LiveGeneration | LiveReady>(text);
  const isKnown = message.type === 'ready' || message.type === 'generation';
  return isKnown && typeof message.seq === 'number' ? (message as LiveGeneration | LiveReady) : undefined;
}
