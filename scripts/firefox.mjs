// npm run test:firefox: the studio's main stories in Firefox, which is led by the protocol that it speaks itself.
import { ensureFirefox } from './engines.mjs';
import { say } from './progress.mjs';
import { environment, foreground, output } from './run.mjs';
import { asksForHelp, setUp } from './setup.mjs';
import { main } from './user-error.mjs';

const HELP = `npm run test:firefox

Runs the studio's main stories in Firefox, on a stack of its own; it takes about half a minute once all is built. It
takes FIREFOX_PATH, or the Firefox that is installed, or Debian's, which it installs where it may; tried with 153. It
asks for a profile in the folder for temporary files, to which a Firefox from a snap has no access.
`;

await main(async () => {
  if (asksForHelp(process.argv.slice(2))) {
    process.stdout.write(HELP);
    return 0;
  }
  await setUp();
  const firefox = await ensureFirefox();
  say(`The studio in ${await output(firefox, ['--version'])}`);
  const env = environment({ FIREFOX_PATH: firefox });
  return await foreground('vitest', ['run', 'tests/engines/firefox.test.ts'], { env });
});
