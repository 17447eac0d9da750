// npm run screenshots: docs/screenshots of the studio, taken anew on a stack of its own.
import { ensureBrowser } from './browser.mjs';
import { environment, foreground } from './run.mjs';
import { asksForHelp, setUp } from './setup.mjs';
import { main } from './user-error.mjs';

const HELP = `npm run screenshots

Takes the screenshots of the studio in docs/screenshots anew, on a stack of its own. Look at each before you commit it.
`;

await main(async () => {
  if (asksForHelp(process.argv.slice(2))) {
    process.stdout.write(HELP);
    return 0;
  }
  await setUp();
  const env = environment({ CHROMIUM_PATH: await ensureBrowser() });
  return await foreground('node', ['tests/browser/screenshots.ts'], { env });
});
