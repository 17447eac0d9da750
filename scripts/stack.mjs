// npm run stack: sets up whatever is missing (told on stderr), then the stack in the foreground.
import { foreground } from './run.mjs';
import { setUpFor } from './setup.mjs';
import { main } from './user-error.mjs';

await main(async () => {
  await setUpFor(process.argv.slice(2));
  return await foreground('node', ['dev/stack/main.ts', ...process.argv.slice(2)]);
});
