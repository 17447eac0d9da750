import { expect, test } from 'vitest';
import { parseOptions } from '../../bench/worker/options.ts';
import { summary } from '../../bench/worker/profile.ts';

const frame = (id: number, functionName: string, url = '') => ({ id, callFrame: { functionName, url } });

test('each sample counts for the time until the next, under what it ran in', () => {
  const nodes = [
    frame(1, '(root)'),
    frame(2, 'claim', 'wasm://wasm/0a1b'),
    frame(3, 'respond', 'index.js'),
    frame(4, 'fetch'),
    frame(5, '(garbage collector)'),
    frame(6, '(idle)'),
  ];
  const found = summary(
    [{ nodes, samples: [2, 3, 4, 5, 6, 2, 1], timeDeltas: [7, 100, 60, 40, 20, 900, 300] }],
    2,
  );
  expect(found.parts).toEqual({ WebAssembly: 200, JavaScript: 30, "workerd's own": 20, garbage: 10 });
  expect(found.functions[0]).toEqual({ name: 'claim', part: 'WebAssembly', us: 200 });
});

test.each([
  ['--profile', '--table'],
  ['--profile', '--against', '../other'],
])('%s and %s are refused together', (...args) => {
  expect(() => parseOptions(args)).toThrow(/two runs|both sides/);
});
