import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { expect, test } from 'vitest';
import { ensureSpace, freeBytes } from '../../scripts/space.mjs';

test('what is free is what df tells', () => {
  const [, line = ''] = execFileSync('df', ['-P', '-k', os.tmpdir()], { encoding: 'utf8' }).split('\n');
  const told = Number(line.split(/\s+/)[3]) * 1024;
  // Others write meanwhile.
  expect(Math.abs(freeBytes(os.tmpdir()) - told)).toBeLessThan(2e9);
});

test('room enough is no word', () => {
  expect(() => ensureSpace('/somewhere', 4, 'The test', 4e9)).not.toThrow();
});

test('too little is said with a way out', () => {
  expect(() => ensureSpace('/somewhere', 4, 'The test', 3.96e9)).toThrow(
    'The test takes up to 4 GB in /somewhere, and 3.9 GB are free there. Free some, or set TMPDIR to a folder on another disk.',
  );
});
