/** Predictions outlive the simulator's process. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Replicate from 'replicate';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';
import { patience } from './receiver.ts';

vi.setConfig({ testTimeout: 30_000 });

let folder: string;
let simulator: Simulator | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'replicate-'));
});
afterEach(async () => {
  await simulator?.close();
  rmSync(folder, { recursive: true });
});

async function start(port: number, generationMs: number): Promise<Replicate> {
  const state = join(folder, 'predictions.jsonl');
  simulator = await startSimulator({
    port,
    token: 'r8_test',
    state,
    settings: { generation_ms: generationMs },
  });
  return new Replicate({ auth: 'r8_test', baseUrl: `${simulator.url}/v1`, useFileOutput: false });
}

test('finished ones keep their files, running ones start again and end, a cut line does no harm', async () => {
  const input = { prompt: 'fox', seed: 5 };
  const version = 'black-forest-labs/flux-schnell';
  const before = await start(0, 0);
  const created = await before.predictions.create({ version, input });
  const finished = await before.wait(created, { interval: 5 });
  const bytes = await (await fetch(finished.output[0])).arrayBuffer();
  simulator?.control.setFaults([{ fault: { hold: 'run' } }]);
  const running = await before.predictions.create({ version, input });
  simulator?.control.setFaults([{ fault: { generation_ms: 1 } }]);
  const port = Number(new URL(simulator?.url ?? '').port);
  await simulator?.close();
  appendFileSync(join(folder, 'predictions.jsonl'), '{"id":"cut of');

  const after = await start(port, 0);
  expect(await after.predictions.get(created.id)).toEqual(finished);
  expect(await (await fetch(finished.output[0])).arrayBuffer()).toEqual(bytes);
  expect((await after.predictions.list()).results.map(({ id }) => id)).toEqual([running.id, created.id]);
  await expect.poll(() => simulator?.control.release(running.id), patience).toBe(1);
  await expect.poll(async () => (await after.predictions.get(running.id)).status, patience).toBe('succeeded');
  await simulator?.close();

  const again = await start(port, 0);
  expect((await again.predictions.list()).results.map(({ status }) => status)).toEqual([
    'succeeded',
    'succeeded',
  ]);
  simulator?.control.reset();
  await simulator?.close();

  const emptied = await start(port, 0);
  expect((await emptied.predictions.list()).results, 'a reset empties the file too').toEqual([]);
});
