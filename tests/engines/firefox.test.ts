import { describe } from 'vitest';
import { stories } from './stories.ts';
import { startFirefox } from './support/firefox.ts';

/** `npm run test:firefox` sets it: not every Firefox that is somewhere on a machine can be led. */
const { FIREFOX_PATH } = process.env;

describe.skipIf(!FIREFOX_PATH)('in Firefox', () => {
  stories(() => startFirefox(FIREFOX_PATH ?? ''));
});
