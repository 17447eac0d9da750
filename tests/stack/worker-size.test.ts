import fs from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

/** Bytes, gzip. The module is compiled on each cold start: its size is start-up time. */
const MAX_BYTES = 300 * 1024;

test.each(['start-generation', 'process-generation', 'process-jobs'])('%s is small', (worker) => {
  const wasm = fs.readFileSync(new URL(`../../functions/${worker}/build/index_bg.wasm`, import.meta.url));
  const { length } = gzipSync(wasm, { level: 9 });
  expect(length, `${worker} has grown to ${length} bytes; look at what was added last`).toBeLessThanOrEqual(
    MAX_BYTES,
  );
});
