// npm start: the whole system on this machine, and how to try it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { openBrowser } from './open.mjs';
import { endOf, environment, foreground, ROOT } from './run.mjs';
import { asksForHelp, rebuild, setUpFor } from './setup.mjs';
import { ensurePackages } from './tools.mjs';
import { main } from './user-error.mjs';

/** Long enough to watch a generation go through its states. */
const GENERATION_MS = '3000';

const HELP = `npm start [-- options]

Runs npm run stack, writes its addresses and keys to .local/env.sh, and opens the studio where there is a desktop.

  --no-open            print the studio's address only
  --watch              build what changes in functions/, shared/, web/ or client/ and run it, until Ctrl-C; what does
                       not compile is shown, and what ran before goes on. Workers are built as WORKER_BUILD=dev builds
                       them: soon, and without optimisation. Data stays; migrations are applied at the start only.

All other options and the environment are those of npm run stack:
`;

await main(async () => {
  const asked = process.argv.slice(2);
  const args = asked.filter((arg) => !['--no-open', '--watch'].includes(arg));
  const watched = asked.includes('--watch');
  if (watched) process.env.WORKER_BUILD ??= 'dev';
  if (!asksForHelp(args) && (await elsewhereIsWrong(args))) return 1;
  await setUpFor(args);
  if (asksForHelp(args)) console.log(HELP);
  const stack = spawn('node', ['dev/stack/main.ts', ...args], {
    cwd: ROOT,
    env: environment({ SIMULATOR_GENERATION_MS: process.env.SIMULATOR_GENERATION_MS ?? GENERATION_MS }),
    stdio: ['inherit', 'pipe', 'inherit', ...(watched ? ['ipc'] : [])],
  });
  let stopWatching = async () => {};
  createInterface({ input: stack.stdout }).on('line', async (line) => {
    if (!line.startsWith('{')) return console.log(line);
    const addresses = JSON.parse(line);
    welcome(addresses);
    if (!asked.includes('--no-open')) openBrowser(addresses.startGenerationUrl);
    if (!watched) return;
    const { watch } = await import('./watch.mjs'); // of a package that the set-up has installed
    stopWatching = await watch({ rebuild, reload: () => stack.connected && stack.send('reload') });
  });
  const code = await endOf(stack);
  await stopWatching();
  return code;
});

/** A Supabase or a Replicate of one's own is looked at before anything is built. */
async function elsewhereIsWrong(args) {
  // With --replicate-url it is another one than the environment's.
  const token = args.some((arg) => arg.startsWith('--replicate-url')) ? '' : process.env.REPLICATE_API_TOKEN;
  if (!process.env.SUPABASE_URL && !token) return false;
  await ensurePackages();
  const env = environment({ REPLICATE_API_TOKEN: token });
  return (await foreground('node', ['scripts/elsewhere.ts'], { env })) !== 0;
}

function welcome(stack) {
  // Not the names that the stack itself reads: SUPABASE_URL would make the next start use it as a project.
  const variables = {
    START_GENERATION_URL: stack.startGenerationUrl,
    LOCAL_SUPABASE_URL: stack.supabaseUrl,
    // Those of today, for `apikey` alone. A project elsewhere may have given legacy ones.
    LOCAL_PUBLISHABLE_KEY: stack.publishableKey || stack.anonKey,
    LOCAL_SECRET_KEY: stack.secretKey || stack.serviceRoleKey,
    PROCESS_JOBS_URL: stack.processJobsUrl,
    PROCESS_GENERATION_URL: stack.processGenerationUrl,
    LOCAL_DATABASE_URL: stack.databaseUrl,
    // The legacy ones, which are tokens.
    LOCAL_ANON_KEY: stack.anonKey,
    LOCAL_SERVICE_ROLE_KEY: stack.serviceRoleKey,
  };
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`);
  const file = path.join(ROOT, '.local/env.sh');
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${exports.join('\n')}\n`, { mode: 0o600 });
  // Those of a project elsewhere belong on no terminal.
  const keys = process.env.SUPABASE_URL
    ? ''
    : `Publishable key, for browsers:  ${stack.publishableKey}
Secret key, for process-jobs:   ${stack.secretKey}
Both go into the header apikey; the legacy keys are in .local/env.sh beside them.
`;
  console.log(`
The studio: ${stack.startGenerationUrl}
The dashboard for operators: ${stack.startGenerationUrl}/dashboard

The same address is the API's. In another terminal:

  source .local/env.sh
  TOKEN=$(curl -s "$LOCAL_SUPABASE_URL/auth/v1/signup" -H "apikey: $LOCAL_PUBLISHABLE_KEY" \\
    -d "{\\"email\\":\\"$RANDOM$RANDOM@example.com\\",\\"password\\":\\"a-password\\"}" \\
    -H 'content-type: application/json' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  curl -s "$START_GENERATION_URL/start-generation" -H "authorization: Bearer $TOKEN" \\
    -d '{"prompt":"a red fox in the snow","model_id":"black-forest-labs/flux-schnell"}'

The answer names urls.self: ask it with the same token until the status is "completed".
${keys}
Images come from a simulator of Replicate; Ctrl-C stops everything. More: docs/start/quick-start.md`);
}
