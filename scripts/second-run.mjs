// Tests that failed beside others run once more alone: what passes then is told apart from what is broken.
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { say } from './progress.mjs';
import { foreground, ROOT } from './run.mjs';

/** More files than these have failed for one reason, which a second run does not change. */
const FEW = 3;

/**
 * Runs vitest, and once more the few files that failed, one after the other. Each that passes only then is named, with
 * what failed, and must be mended; it does not hold up a change that has nothing to do with it.
 *
 * @param args of `vitest run`
 * @param options of the child: its environment
 * @param run as `foreground()`
 * @returns the exit code: 0 also where all that failed has passed alone
 */
export async function runTests(args, options, run = foreground) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-tests-'));
  try {
    const report = path.join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await run('vitest', ['run', ...args, ...reporters], options);
    if (code === 0) return 0;
    const failed = await failures(report);
    if (failed.length === 0 || failed.length > FEW) return code;
    const files = failed.map(({ file }) => file);
    const named = (file) => path.relative(ROOT, file);
    say(`\n▸ once more, alone: ${files.map(named).join(', ')}`);
    const again = await run('vitest', ['run', '--no-file-parallelism', ...files], options);
    if (again !== 0) return again;
    say(
      '\nPassed alone and failed beside others. Each of these is a defect of the test or of the code; mend it:',
    );
    for (const { file, tests } of failed) for (const test of tests) say(`  ! ${named(file)} > ${test}`);
    return 0;
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

/** The files that failed and their tests that did; none when vitest itself ended before its report. */
async function failures(report) {
  const text = await fs.readFile(report, 'utf8').catch(() => '{}');
  const { testResults = [] } = JSON.parse(text);
  return testResults
    .filter(({ status }) => status === 'failed')
    .map(({ name, assertionResults }) => {
      const tests = assertionResults.filter((test) => test.status === 'failed').map((test) => test.fullName);
      return { file: name, tests: tests.length > 0 ? tests : ['the file itself'] };
    });
}
