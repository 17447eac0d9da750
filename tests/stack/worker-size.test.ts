import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** Bytes of `gzip -9`: 300 KiB, with 12 to spare. The module is compiled on each cold start: size is start-up time. */
const MAX_BYTES = 288 * 1024;

test.each(['start-generation', 'process-generation', 'process-jobs'])('%s is small', (worker) => {
  const wasm = fileURLToPath(new URL(`../../functions/${worker}/build/index_bg.wasm`, import.meta.url));
  // Not Node's own zlib: it is made for speed, and some 2 % less thorough.
  const { length } = execFileSync('gzip', ['-9c', wasm], { maxBuffer: 16 * 1024 * 1024 });
  expect(length, `${worker} has grown to ${length} bytes; look at what was added last`).toBeLessThanOrEqual(
    MAX_BYTES,
  );
});
