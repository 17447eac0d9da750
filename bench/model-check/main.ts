/** `npm run model-check`: the queue under random calls, beside a model of it; see --help. */

import { databaseUrl } from '../../dev/stack/postgres.ts';
import { createDatabase } from '../../dev/stack/supabase/index.ts';
import { PROJECT, startTestServer } from '../../dev/stack/test-server.ts';
import { type Command, HELP, parseOptions } from './options.ts';
import { Broken, modelCheck } from './run.ts';

const started = performance.now();
const say = (line: string) =>
  process.stderr.write(
    `[model-check ${((performance.now() - started) / 1000).toFixed(0).padStart(3)} s] ${line}\n`,
  );

try {
  const options = parseOptions(process.argv.slice(2));
  if (options) await play(options);
  else process.stdout.write(HELP);
} catch (error) {
  const isUsage =
    error instanceof Error &&
    !(error instanceof Broken) &&
    'code' in error &&
    String(error.code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`${error instanceof Broken || isUsage ? error.message : (error as Error).stack}\n`);
  process.exitCode = isUsage ? 2 : 1;
}

async function play({ seed, minutes, connections, deletions }: Command): Promise<void> {
  const server = await startTestServer();
  process.once('SIGINT', () => void server.stop().finally(() => process.exit(130)));
  try {
    await createDatabase(server.superuserUrl, 'model', PROJECT);
    say(`seed ${seed}, ${minutes} minutes, ${connections} connections`);
    const options = { seed, milliseconds: minutes * 60_000, connections, deletions, say };
    const done = await modelCheck(databaseUrl(server.superuserUrl, 'model'), options);
    process.stdout.write(
      `Right: ${done.calls} calls on ${done.families} families of jobs in ${done.epochs} epochs, seed ${seed}.\n`,
    );
  } finally {
    await server.stop();
  }
}
