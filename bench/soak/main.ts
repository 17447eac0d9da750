/** `npm run soak`: the whole system under faults, then a look at what is left; `--help` tells the options. */
import type { TestStack } from '../../tests/e2e/support/stack.ts';
import { type Command, HELP, LIMIT_MINUTES, parseOptions } from './options.ts';
import { text } from './report.ts';
import { runSoak } from './soak.ts';
import { lengthOf } from './weather.ts';

const MINUTE = 60_000;
const begun = performance.now();
const say = (line: string) =>
  process.stderr.write(`[soak ${((performance.now() - begun) / 1000).toFixed(0).padStart(3)} s] ${line}\n`);

let stack: TestStack | undefined;
let leaving = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void leave(signal, 130));

const command = readCommand();
if (command) {
  // When it stops waiting; a minute later it stops whatever it is doing.
  const limit = LIMIT_MINUTES * MINUTE + lengthOf(command);
  setTimeout(() => void leave('the time is over', 1), limit + MINUTE).unref();
  try {
    const onStack = (running: TestStack) => {
      stack = running;
    };
    const report = await runSoak(command, { say, deadline: Date.now() + limit, onStack });
    process.stdout.write(command.json ? `${JSON.stringify(report, null, 2)}\n` : text(report));
    const isBroken = report.stopped !== null || report.invariants.some(({ broken }) => broken > 0);
    process.exitCode = isBroken ? 1 : 0;
  } catch (error) {
    // What breaks while the stack is being stopped is no news.
    if (!leaving) say(`broke: ${error instanceof Error ? error.stack : error}`);
    process.exitCode = 1;
  }
}

function readCommand(): Command | undefined {
  try {
    const command = parseOptions(process.argv.slice(2));
    if (!command) process.stdout.write(HELP);
    return command;
  } catch (error) {
    const sentence = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
    process.stderr.write(`${sentence}; see npm run soak -- --help.\n`);
    process.exitCode = 2;
    return undefined;
  }
}

async function leave(why: string, code: number): Promise<void> {
  leaving = true;
  say(`${why}: stopping`);
  await stack?.stop().catch(() => {});
  process.exit(code);
}
