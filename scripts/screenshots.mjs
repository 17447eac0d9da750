// npm run screenshots: the pictures of the studio in docs/screenshots, taken anew on a stack of its own.
import { ensureBrowser } from './browser.mjs';
import { main } from './fault.mjs';
import { environment, foreground } from './run.mjs';
import { setUp } from './setup.mjs';

await main(async () => {
  await setUp();
  const env = environment({ CHROMIUM_PATH: await ensureBrowser() });
  return await foreground('node', ['tests/browser/screenshots.ts'], { env });
});
