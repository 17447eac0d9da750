// npm run test:examples: the apps of examples/, built by Next.js, SvelteKit and Expo themselves.
import os from 'node:os';
import { ensureBrowser } from './browser.mjs';
import { environment, foreground } from './run.mjs';
import { asksForHelp, setUp } from './setup.mjs';
import { ensureSpace } from './space.mjs';
import { main } from './user-error.mjs';

const HELP = `npm run test:examples

Builds the apps of examples/ with Next.js, SvelteKit and Expo, in a folder of its own and with the client as it is packed
here, starts the first two and makes an image with each in Chromium. It fetches some 800 MB of packages from npm, needs
3 GB of disk, and takes two to five minutes.
`;
const GIGABYTES = 3;

await main(async () => {
  if (asksForHelp(process.argv.slice(2))) {
    process.stdout.write(HELP);
    return 0;
  }
  ensureSpace(os.tmpdir(), GIGABYTES, 'Building the examples');
  await setUp();
  const env = environment({ BUILD_EXAMPLES: '1', CHROMIUM_PATH: await ensureBrowser() });
  return await foreground('vitest', ['run', 'tests/examples/builds.test.ts'], { env });
});
