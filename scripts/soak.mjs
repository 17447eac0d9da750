// npm run soak: sets up whatever is missing (told on stderr), then the soak on a stack of its own.
import { main } from './fault.mjs';
import { foreground } from './run.mjs';
import { setUpFor } from './setup.mjs';

await main(async () => {
  await setUpFor(process.argv.slice(2));
  return await foreground('node', ['tests/soak/main.ts', ...process.argv.slice(2)]);
});
