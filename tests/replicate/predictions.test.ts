/** The life of a prediction, judged by the official client. */
import Replicate, { parseProgressFromLogs } from 'replicate';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';
import { patience } from './receiver.ts';

vi.setConfig({ testTimeout: 30_000 });

const schnell = 'black-forest-labs/flux-schnell';
const sdxl = '7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc';
let simulator: Simulator;
let replicate: Replicate;

beforeAll(async () => {
  simulator = await startSimulator();
  replicate = new Replicate({
    auth: simulator.token,
    baseUrl: `${simulator.url}/v1`,
    useFileOutput: false,
  });
});
afterAll(() => simulator.close());
beforeEach(() => simulator.control.reset());

/** A create call with the headers that the client has no option for. */
async function create(body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${simulator.url}/v1/predictions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${simulator.token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { response, body: await response.json() };
}

describe('creating', () => {
  test('answers at once with a prediction that is starting', async () => {
    const prediction = await replicate.predictions.create({
      version: schnell,
      input: { prompt: 'fox', extra: 1 },
    });
    expect(prediction).toMatchObject({
      status: 'starting',
      model: schnell,
      version: 'hidden',
      output: null,
      error: null,
      logs: '',
      data_removed: false,
    });
    expect(prediction.input, 'unknown input fields are dropped').toEqual({ prompt: 'fox' });
    expect(prediction.id).toMatch(/^[0-9a-z]{26}$/);
    expect(prediction.urls.get).toBe(`${simulator.url}/v1/predictions/${prediction.id}`);
  });

  test.each([
    ['owner/name of an official model', schnell, schnell],
    ['owner/name:hash', `stability-ai/sdxl:${sdxl}`, 'stability-ai/sdxl'],
    ['the bare hash', sdxl, 'stability-ai/sdxl'],
  ])('takes a version as %s', async (_form, version, model) => {
    const prediction = await replicate.predictions.create({ version, input: { prompt: 'fox' } });
    expect(prediction.model).toBe(model);
    const done = await replicate.wait(prediction, { interval: 5 });
    expect(done.status).toBe('succeeded');
  });

  test('the models route takes official models and nothing else', async () => {
    const prediction = await replicate.predictions.create({ model: schnell, input: { prompt: 'fox' } });
    expect(prediction.status).toBe('starting');
    const other = replicate.predictions.create({ model: 'stability-ai/sdxl', input: { prompt: 'fox' } });
    await expect(other).rejects.toThrow('404');
  });
});

describe('running', () => {
  test('run() gives the output', async () => {
    const output = await replicate.run(schnell, { input: { prompt: 'fox', num_outputs: 3, seed: 1 } });
    expect(output).toHaveLength(3);
    const single = await replicate.run('black-forest-labs/flux-1.1-pro', { input: { prompt: 'fox' } });
    expect(single).toMatch(/\.webp$/);
  });

  test('logs tell progress in the form that the client parses', async () => {
    simulator.control.configure({ generation_ms: 60_000 });
    const prediction = await replicate.predictions.create({ version: schnell, input: { prompt: 'fox' } });
    const running = () => replicate.predictions.get(prediction.id);
    await expect.poll(async () => (await running()).status, patience).toBe('processing');
    expect(parseProgressFromLogs(await running())).toMatchObject({ percentage: 0, current: 0, total: 4 });
    simulator.control.reset();
    const done = await create({ version: schnell, input: { prompt: 'fox' } }, { prefer: 'wait' });
    expect(parseProgressFromLogs(done.body)).toEqual({ percentage: 1, current: 4, total: 4 });
    expect(done.body.metrics).toMatchObject({ image_count: 1, predict_time: expect.any(Number) });
    expect(Date.parse(done.body.completed_at)).toBeGreaterThanOrEqual(Date.parse(done.body.started_at));
  });

  test('a model that needs multiples of 8 fails on other sizes', async () => {
    const run = replicate.run(`stability-ai/sdxl:${sdxl}`, { input: { prompt: 'fox', width: 1001 } });
    await expect(run).rejects.toThrow('have to be divisible by 8');
  });

  test('Prefer: wait answers the finished prediction, or the unfinished one when its time is over', async () => {
    const done = await create({ version: schnell, input: { prompt: 'fox' } }, { prefer: 'wait=10' });
    expect(done.response.status).toBe(201);
    expect(done.response.headers.get('preference-applied')).toBe('wait=10');
    expect(done.body.status).toBe('succeeded');
    simulator.control.configure({ generation_ms: 60_000 });
    const running = await create({ version: schnell, input: { prompt: 'fox' } }, { prefer: 'wait=1' });
    expect(running.response.status).toBe(202);
    expect(running.body).toMatchObject({ status: 'processing', output: null });
  });
});

describe('ending early', () => {
  test('cancel ends a running prediction and leaves a finished one alone', async () => {
    simulator.control.configure({ generation_ms: 60_000 });
    const { id } = await replicate.predictions.create({ version: schnell, input: { prompt: 'fox' } });
    expect(await replicate.predictions.cancel(id)).toMatchObject({
      status: 'canceled',
      output: null,
      logs: null,
    });
    simulator.control.configure({ generation_ms: 0 });
    const done = await create({ version: schnell, input: { prompt: 'fox' } }, { prefer: 'wait' });
    expect(await replicate.predictions.cancel(done.body.id)).toMatchObject({ status: 'succeeded' });
    const { predictions } = simulator.control.predictions();
    expect(predictions.map(({ cancel_calls }) => cancel_calls)).toEqual([1, 1]);
  });

  test('Cancel-After aborts what has not started and cancels what runs', async () => {
    const body = { version: schnell, input: { prompt: 'fox' } };
    const headers = { 'cancel-after': '5s', prefer: 'wait=20' };
    simulator.control.configure({ queue_ms: 60_000 });
    const waiting = create(body, headers);
    await expect.poll(() => simulator.control.stats().predictions, patience).toBe(1);
    simulator.control.configure({ queue_ms: 0, generation_ms: 60_000 });
    const running = create(body, headers);
    const aborted = (await waiting).body;
    expect(aborted.status).toBe('aborted');
    expect(aborted).not.toHaveProperty('started_at');
    expect(Date.parse(aborted.deadline) - Date.parse(aborted.created_at)).toBe(5000);
    expect((await running).body.status).toBe('canceled');
  });

  test.each(['4s', 'soon', ''])('Cancel-After %j is refused', async (value) => {
    const { response } = await create(
      { version: schnell, input: { prompt: 'x' } },
      { 'cancel-after': value },
    );
    expect(response.status).toBe(422);
    expect(simulator.control.stats().predictions).toBe(0);
  });
});

describe('reading', () => {
  test('lists newest first, a hundred a page, and the client pages through', async () => {
    const made: string[] = [];
    for (let index = 0; index < 130; index += 1) {
      made.push(
        (await replicate.predictions.create({ version: schnell, input: { prompt: `fox ${index}` } })).id,
      );
    }
    const pages: string[][] = [];
    for await (const page of replicate.paginate(replicate.predictions.list))
      pages.push(page.map(({ id }) => id));
    expect(pages.map((page) => page.length)).toEqual([100, 30]);
    expect(pages.flat()).toEqual(made.reverse());
  });

  test('created_after and created_before bound the list', async () => {
    const first = await replicate.predictions.create({ version: schnell, input: { prompt: 'first' } });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await replicate.predictions.create({ version: schnell, input: { prompt: 'second' } });
    const ids = async (query: string): Promise<string[]> => {
      const headers = { authorization: `Bearer ${simulator.token}` };
      const response = await fetch(`${simulator.url}/v1/predictions?${query}`, { headers });
      return (await response.json()).results.map((each: { id: string }) => each.id);
    };
    expect(await ids(`created_after=${second.created_at}`)).toEqual([second.id]);
    expect(await ids(`created_before=${first.created_at}`)).toEqual([first.id]);
  });

  test('input and output are removed when their time is over', async () => {
    const { body } = await create({ version: schnell, input: { prompt: 'fox' } }, { prefer: 'wait' });
    expect((await fetch(body.output[0])).status).toBe(200);
    simulator.control.configure({ retention_ms: -1 });
    expect(await replicate.predictions.get(body.id)).toMatchObject({
      data_removed: true,
      output: null,
      input: {},
    });
    expect((await fetch(body.output[0])).status).toBe(404);
  });
});
