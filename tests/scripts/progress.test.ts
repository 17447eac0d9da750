import { expect, test } from 'vitest';
import { whatFailed } from '../../scripts/progress.mjs';

test('of a compiler: its errors with the lines that they point at, without what is around them', () => {
  const error = [
    'error[E0609]: no field `idd` on type `Job`',
    '  --> shared/src/job.rs:29:20',
    '   |',
    '29 |     job.idd',
    '   |         ^^^ unknown field',
  ];
  const end = 'error: could not compile `shared` (lib) due to 1 previous error';
  const around = ['Error: Compiling your crate to WebAssembly failed', 'Stack backtrace:'];
  expect(whatFailed(['   Compiling shared v0.1.0', 'warning: unused', ...error, end, ...around])).toEqual([
    ...error,
    end,
  ]);
});

test('of another program: its first errors and its last lines, each once', () => {
  const lines = ['npm error code E404', 'one', 'two', 'three', '  four', 'five', 'six', 'npm error last'];
  expect(whatFailed(lines)).toEqual([
    'npm error code E404',
    'npm error last',
    'three',
    'four',
    'five',
    'six',
  ]);
});
