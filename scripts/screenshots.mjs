// npm run screenshots: the pictures of the studio in docs/screenshots, taken anew on a stack of its own.
import { ensureBrowser } from './browser.mjs';
import { main } from './fault.mjs';
import { environment, foreground } from './run.mjs';
import { asksForHelp, setUp } from './setup.mjs';

const HELP = `npm run screenshots

Takes the pictures of the studio in docs/screenshots anew, on a stack of its own. Look at each before you commit it.
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
