/** `npm run smoke`: tries a deployed system from outside; `--help` tells the options. */
import { UserError } from '../user-error.mjs';
import { HELP, parseOptions } from './options.ts';
import { type Report, run, type StepReport } from './run.ts';
import { STEPS } from './steps/index.ts';

/** Ctrl-C reaches the whole group, and npm hands it on once more: repeats within this time are one signal. */
const SAME_SIGNAL_MS = 1_000;

try {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (!options) process.stdout.write(HELP);
  else {
    const interrupted = interruption();
    const lines = options.json ? process.stderr : process.stdout;
    const report = await run(options, STEPS, interrupted.signal, {
      step: (step) => lines.write(line(step)),
      progress: (text) => process.stderr.write(`  … ${text}\n`),
    });
    lines.write(summary(report));
    if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    process.exitCode = interrupted.code() ?? (report.ok ? 0 : 1);
  }
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`✖ ${error.message}\n`);
  process.exitCode = 2;
}

/** A first signal ends what is under way, and what was made is removed; a second one leaves at once. */
function interruption(): { signal: AbortSignal; code(): number | undefined } {
  const abort = new AbortController();
  let since: number | undefined;
  let code: number | undefined;
  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => {
      if (since !== undefined && performance.now() - since > SAME_SIGNAL_MS) process.exit(exitCode);
      if (since === undefined)
        process.stderr.write('Interrupted: removing what was made; once more to leave at once.\n');
      since ??= performance.now();
      code = exitCode;
      abort.abort();
    });
  }
  return { signal: abort.signal, code: () => code };
}

function line({ name, ok, ms, detail, fix, skipped }: StepReport): string {
  const mark = skipped ? '–' : ok ? '✔' : '✖';
  return `${mark} ${name.padEnd(12)} ${`${ms} ms`.padStart(9)}  ${detail}\n${fix ? `  → ${fix}\n` : ''}`;
}

function summary({ ok, steps, left_behind }: Report): string {
  const left = left_behind.map((what) => `! not removed: ${what}\n`).join('');
  const failed = steps.filter((step) => !step.ok);
  const skipped = steps.filter((step) => step.ok && step.skipped);
  if (!ok) return `${left}✖ ${failed.length} of ${steps.length} steps did not pass.\n`;
  return `${left}✔ All passed${skipped.length > 0 ? `; not tried: ${skipped.map(({ name }) => name).join(', ')}` : ''}.\n`;
}
