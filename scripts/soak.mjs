// npm run soak: sets up whatever is missing (told on stderr), then the soak on a stack of its own.
import { foreground } from './run.mjs';
import { setUpFor } from './setup.mjs';
import { main } from './user-error.mjs';

await main(async () => {
  await setUpFor(process.argv.slice(2));
  return await foreground('node', ['bench/soak/main.ts', ...process.argv.slice(2)]);
});
