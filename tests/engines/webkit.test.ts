import { describe } from 'vitest';
import { findWebKit, type WebKit } from '../../scripts/engines.mjs';
import { stories } from './stories.ts';
import { startWebKit } from './support/webkit.ts';

/** `npm test` installs it where it may, and says where it may not. */
const webkit = findWebKit();

describe.skipIf(!webkit)('in WebKitGTK', () => {
  stories(() => startWebKit(webkit as WebKit));
});
