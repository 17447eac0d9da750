// npm run deploy: upgrades an installation that npm run setup has made.
import { foreground } from './run.mjs';
import { ensurePackages } from './tools.mjs';
import { main } from './user-error.mjs';

await main(async () => {
  await ensurePackages();
  return await foreground('node', ['scripts/install/main.ts', 'deploy', ...process.argv.slice(2)]);
});
