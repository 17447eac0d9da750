// npm run screenshots: docs/screenshots of the studio and the dashboard, taken anew on a stack of their own.
import { parseArgs } from 'node:util';
import { ensureBrowser } from './browser.mjs';
import { environment, foreground } from './run.mjs';
import { asksForHelp, setUp } from './setup.mjs';
import { main, UserError } from './user-error.mjs';

const HELP = `npm run screenshots

Takes the screenshots of the studio and the dashboard in docs/screenshots anew, each on a stack of its own. Look at
each before you commit it.

  --only studio|dashboard   those of one page
`;

await main(async () => {
  const args = process.argv.slice(2);
  if (asksForHelp(args)) {
    process.stdout.write(HELP);
    return 0;
  }
  const programs = {
    studio: 'tests/browser/screenshots.ts',
    dashboard: 'tests/browser/dashboard-screenshots.ts',
  };
  const { only } = parseArgs({ args, options: { only: { type: 'string' } } }).values;
  if (only !== undefined && !Object.hasOwn(programs, only))
    throw new UserError(`--only ${only}: it must be studio or dashboard.`);
  await setUp();
  const env = environment({ CHROMIUM_PATH: await ensureBrowser() });
  for (const [name, program] of Object.entries(programs)) {
    if (only !== undefined && name !== only) continue;
    const code = await foreground('node', [program], { env });
    if (code !== 0) return code;
  }
  return 0;
});
