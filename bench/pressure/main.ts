/** `npm run pressure`: the queue beside others under pressure; see --help. */
import { findNamed, NAMES, OURS } from '../queue/all.ts';
import type { Server } from '../queue/server.ts';
import { startServer } from '../queue/server.ts';
import { help, type Options, parseOptions } from './options.ts';
import { planned, play } from './play.ts';
import { text } from './report.ts';

const begun = performance.now();
const say = (line: string) =>
  process.stderr.write(
    `[pressure ${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s] ${line}\n`,
  );

let server: Server | undefined;
let leaving = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void leave(signal, 130));

const options = readOptions();
if (options) {
  try {
    const queues = await findNamed(options.queues);
    // Twice the time and some minutes: then something hangs.
    const limit = (planned(queues.length, options) * 2 + 300) * 1000;
    setTimeout(() => void leave('the time is over', 1), limit).unref();
    server = await startServer();
    const report = await play(queues, OURS, options, server, say, () => leaving);
    const isWhole = report.cells.every((cell) => !('failed' in cell) && cell.lost + cell.twice === 0);
    if (!isWhole) process.exitCode = 1;
    if (!leaving)
      process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : text(report, OURS));
  } catch (error) {
    // What breaks while the server is being stopped is no news.
    if (!leaving) say(`broke: ${error instanceof Error ? error.stack : error}`);
    process.exitCode = 1;
  } finally {
    if (!leaving) await server?.stop();
  }
}

function readOptions(): Options | undefined {
  try {
    const found = parseOptions(process.argv.slice(2), NAMES);
    if (!found) process.stdout.write(help(NAMES));
    return found;
  } catch (error) {
    const sentence = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
    process.stderr.write(`${sentence}; see npm run pressure -- --help.\n`);
    process.exitCode = 2;
    return undefined;
  }
}

async function leave(why: string, code: number): Promise<void> {
  leaving = true;
  say(`${why}: stopping`);
  await server?.stop().catch(() => {});
  process.exit(code);
}
