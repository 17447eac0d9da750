// npm run setup: an installation of one's own at Supabase, Cloudflare and Replicate. scripts/setup.mjs is another
// thing: it brings about what this checkout needs.
import { foreground } from './run.mjs';
import { ensurePackages } from './tools.mjs';
import { main } from './user-error.mjs';

await main(async () => {
  await ensurePackages();
  return await foreground('node', ['scripts/install/main.ts', 'setup', ...process.argv.slice(2)]);
});
