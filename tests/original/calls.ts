import { BATCHES } from './apps/batches.ts';
import { APART, GALLERY } from './apps/gallery.ts';
import { QUEUE } from './apps/queue.ts';
import { ACCOUNT, CANCELS, STARTS } from './apps/starts.ts';
import type { Story } from './call.ts';

/**
 * Every call of the original's two apps, in our words: what goes over the wire, what the app reads of the
 * answer, and what is true afterwards. `calls.test.ts` replays them against the whole system.
 *
 * Paths and bodies have in braces what the scene or an earlier call of the story gave: `{user}`,
 * `{generation}`, `{model.id}`.
 */
export const STORIES: Story[] = [
  ...ACCOUNT,
  ...STARTS,
  ...CANCELS,
  ...BATCHES,
  ...GALLERY,
  ...QUEUE,
  ...APART,
];
