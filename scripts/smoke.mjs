// npm run smoke: tries a deployed system from outside. It needs the npm packages, and nothing else of ours.
import { foreground } from './run.mjs';
import { ensurePackages } from './tools.mjs';
import { main } from './user-error.mjs';

await main(async () => {
  await ensurePackages();
  return await foreground('node', ['scripts/smoke/main.ts', ...process.argv.slice(2)]);
});
