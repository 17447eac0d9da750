/** The program: options, its one line, and its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Replicate from 'replicate';
import { afterEach, expect, test } from 'vitest';

/** The project's own Node, which runs TypeScript; the one that runs the tests may be older. */
const node = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node');
let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

test.each(['SIGTERM', 'SIGINT'] as const)('prints one line when ready and stops on %s', async (signal) => {
  const main = fileURLToPath(new URL('../../dev/replicate/main.ts', import.meta.url));
  const options = [
    '--port',
    '0',
    '--host',
    '127.0.0.1',
    '--token',
    'r8_test',
    '--webhook-secret',
    'whsec_c2VjcmV0',
  ];
  const running = spawn(node, [main, ...options, '--generation-ms', '1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = running;
  const lines: string[] = [];
  const output = createInterface({ input: running.stdout });
  output.on('line', (line) => lines.push(line));
  await once(output, 'line');
  const ready = JSON.parse(lines[0] ?? '');
  expect(ready).toMatchObject({ replicateApiToken: 'r8_test', replicateWebhookSecret: 'whsec_c2VjcmV0' });
  const replicate = new Replicate({
    auth: 'r8_test',
    baseUrl: `${ready.replicateUrl}/v1`,
    useFileOutput: false,
  });
  expect(await replicate.run('google/imagen-4', { input: { prompt: 'fox' } })).toMatch(/\.jpg$/);
  running.kill(signal);
  expect(await once(running, 'exit')).toEqual([0, null]);
  expect(lines).toHaveLength(1);
});
