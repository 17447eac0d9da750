/** The faults that a test can ask for, and the records it reads afterwards. */
import Replicate from 'replicate';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { errorTexts, type Fault, type FaultRule } from '../../dev/replicate/faults.ts';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';
import { patience } from './receiver.ts';

vi.setConfig({ testTimeout: 30_000 });

const schnell = 'black-forest-labs/flux-schnell';
let simulator: Simulator;
let replicate: Replicate;

beforeAll(async () => {
  simulator = await startSimulator();
  replicate = new Replicate({ auth: simulator.token, baseUrl: `${simulator.url}/v1`, useFileOutput: false });
});
afterAll(() => simulator.close());
beforeEach(() => simulator.control.reset());

async function call(path: string, init: RequestInit = {}) {
  const headers = {
    authorization: `Bearer ${simulator.token}`,
    'content-type': 'application/json',
    prefer: 'wait',
  };
  return fetch(simulator.url + path, { headers, ...init });
}

function post(path: string, body: unknown) {
  return call(path, { method: 'POST', body: JSON.stringify(body) });
}

function create(prompt = 'fox', input: Record<string, unknown> = {}, webhook?: string) {
  return post('/v1/predictions', { version: schnell, input: { prompt, ...input }, webhook });
}

/** The finished prediction under this fault. */
async function finished(fault: Fault, input: Record<string, unknown> = {}) {
  simulator.control.setFaults([{ fault }]);
  return (await create('fox', input)).json();
}

const predictions = () => simulator.control.stats().predictions;

describe('refusals', () => {
  test.each([401, 402, 429, 500, 503])('status %i makes no prediction', async (status) => {
    simulator.control.setFaults([{ match: { times: 1 }, fault: { status } }]);
    expect((await create()).status).toBe(status);
    expect(predictions()).toBe(0);
    expect((await create()).status).toBe(201);
  });

  test('429 carries retry_after and the recorded text', async () => {
    simulator.control.setFaults([{ fault: { status: 429, retry_after: 5 } }]);
    const body = await (await create()).json();
    expect(body).toMatchObject({ status: 429, retry_after: 5 });
    expect(body.detail).toContain('reduced to 6 requests per minute');
  });

  test('402 is the recorded body', async () => {
    simulator.control.setFaults([{ fault: { status: 402 } }]);
    expect((await (await create()).json()).title).toBe('Insufficient credit');
  });

  test('reading and cancelling can fail too', async () => {
    const { id } = await (await create()).json();
    simulator.control.setFaults([
      { match: { endpoint: 'get', times: 1 }, fault: { status: 500 } },
      { match: { endpoint: 'cancel', times: 1 }, fault: { status: 503 } },
      { match: { endpoint: 'list', times: 1 }, fault: { status: 429 } },
    ]);
    expect((await call(`/v1/predictions/${id}`)).status).toBe(500);
    expect((await call(`/v1/predictions/${id}`)).status).toBe(200);
    expect((await post(`/v1/predictions/${id}/cancel`, {})).status).toBe(503);
    expect((await call('/v1/predictions')).status).toBe(429);
    const { output } = await (await create('a fox')).json();
    simulator.control.setFaults([
      { match: { endpoint: 'file', prompt: 'a fox' }, fault: { drop: 'before' } },
    ]);
    await expect(fetch(output[0])).rejects.toThrow('fetch failed');
  });
});

describe('unknown outcomes', () => {
  test('a 5xx after the prediction was made', async () => {
    simulator.control.setFaults([{ fault: { status_after: 502 } }]);
    const response = await create();
    expect([response.status, predictions()]).toEqual([502, 1]);
    expect(simulator.control.predictions().predictions[0]?.create_answer).toBe(502);
  });

  test.each([
    ['before', 0],
    ['after', 1],
  ] as const)('a connection dropped %s leaves %i predictions', async (drop, made) => {
    simulator.control.setFaults([{ fault: { drop } }]);
    await expect(create()).rejects.toThrow('fetch failed');
    expect(predictions()).toBe(made);
  });

  test('a slow answer comes after the prediction has run', async () => {
    simulator.control.setFaults([{ fault: { delay_ms: 100 } }]);
    const before = performance.now();
    await replicate.predictions.create({ version: schnell, input: { prompt: 'fox' } });
    expect(performance.now() - before).toBeGreaterThanOrEqual(99);
    expect(simulator.control.stats().by_status).toEqual({ succeeded: 1 });
  });
});

describe('ends', () => {
  test.each(Object.entries(errorTexts))('error %s', async (name, text) => {
    expect(await finished({ error: name })).toMatchObject({ status: 'failed', error: text, output: null });
  });

  test('any other text stands for itself', async () => {
    expect((await finished({ error: 'CUDA error' })).error).toBe('CUDA error');
  });

  test('one that says it is older than it is', async () => {
    const { created_at } = await finished({ age_ms: 3_600_000 });
    expect(Math.abs(Date.now() - Date.parse(created_at) - 3_600_000)).toBeLessThan(60_000);
  });

  test('aborted and canceled', async () => {
    expect(await finished({ ends: 'aborted' })).toMatchObject({ status: 'aborted', output: null });
    expect(await finished({ ends: 'canceled' })).toMatchObject({ status: 'canceled', output: null });
  });

  test('data removed at once', async () => {
    expect(await finished({ data_removed: true })).toMatchObject({
      status: 'succeeded',
      data_removed: true,
      output: null,
      input: {},
    });
  });

  test('held until released', async () => {
    simulator.control.setFaults([{ fault: { hold: 'start' } }]);
    const held = await replicate.predictions.create({ version: schnell, input: { prompt: 'fox' } });
    await expect.poll(() => simulator.control.release(held.id), patience).toBe(1);
    expect((await replicate.wait(held, { interval: 5 })).status).toBe('succeeded');
  });

  test('output while still processing in sync mode', async () => {
    const early = await finished({ sync_status: 'processing' });
    expect(early).toMatchObject({ status: 'processing', output: [expect.stringContaining('out-0.webp')] });
    expect(early).not.toHaveProperty('completed_at');
  });
});

describe('outputs', () => {
  const url = expect.stringMatching(/^http:.*webp$/);
  test.each([
    ['null', null],
    ['empty', []],
    ['partial', [url]],
    ['string', url],
    ['list', [url, url]],
    ['data_uri', [expect.stringMatching(/^data:image\/webp;base64,/), expect.anything()]],
    ['object', { image: url, id: expect.anything() }],
  ] as const)('%s', async (output, expected) => {
    const done = await finished({ output }, { num_outputs: 2 });
    expect(done).toMatchObject({ status: 'succeeded', output: expected });
  });
});

describe('files', () => {
  async function download(fault: Fault) {
    const { output } = await finished(fault);
    return fetch(output[0]);
  }

  test('not found, and found after so many downloads', async () => {
    const { output } = await finished({ file: 'not_found', file_times: 1 });
    expect((await fetch(output[0])).status).toBe(404);
    expect((await fetch(output[0])).status).toBe(200);
    expect((await download({ file: 'server_error' })).status).toBe(503);
  });

  test('a content type that is not true', async () => {
    expect((await download({ file: 'wrong_type' })).headers.get('content-type')).toContain('text/html');
    const mislabelled = await download({ file: 'mislabelled' });
    expect(mislabelled.headers.get('content-type')).toBe('image/png');
    expect((await sharp(Buffer.from(await mislabelled.arrayBuffer())).metadata()).format).toBe('webp');
    const page = await download({ file: 'not_image' });
    expect(page.headers.get('content-type')).toBe('image/webp');
    expect(await page.text()).toContain('<html>');
    const inBetween = await download({ file: 'page' });
    expect([inBetween.status, inBetween.headers.get('content-type')]).toEqual([200, 'text/html']);
    expect(await (await download({ file: 'nothing' })).text()).toBe('');
  });

  test('too large, with and without a declared length', async () => {
    const declared = await download({ file: 'too_large', file_bytes: 3_000_000 });
    expect(declared.headers.get('content-length')).toBe('3000000');
    expect((await declared.arrayBuffer()).byteLength).toBe(3_000_000);
    const chunked = await download({ file: 'too_large_chunked', file_bytes: 2_000_000 });
    expect(chunked.headers.get('content-length')).toBeNull();
    expect((await chunked.arrayBuffer()).byteLength).toBe(2_000_000);
  });

  test('another file in its place', async () => {
    const replaced = await download({ file: 'replaced', file_body: '<svg/>' });
    expect(replaced.headers.get('content-type')).toBe('image/webp');
    expect(await replaced.text()).toBe('<svg/>');
  });

  test('cut off half way', async () => {
    const response = await download({ file: 'truncated' });
    await expect(response.arrayBuffer()).rejects.toThrow('terminated');
  });

  test.each([
    ['truncated', '3000000'],
    ['truncated_chunked', null],
  ] as const)('%s half way of 3 MB', async (file, length) => {
    const { headers, body } = await download({ file, file_bytes: 3_000_000 });
    expect(headers.get('content-length')).toBe(length);
    let bytes = 0;
    const read = async () => {
      for await (const chunk of body ?? []) bytes += chunk.length;
    };
    await expect(read()).rejects.toThrow('terminated');
    expect(bytes).toBe(1_500_000);
  });
});

describe('rules', () => {
  const statuses = async (rule: FaultRule, calls: number, seed = 1): Promise<number[]> => {
    simulator.control.setFaults([rule], seed);
    const answers: number[] = [];
    for (let index = 0; index < calls; index += 1) answers.push((await create(`fox ${index}`)).status);
    return answers;
  };

  test('match by nth, times, prompt and model', async () => {
    const fault = { status: 500 };
    expect(await statuses({ match: { nth: 2 }, fault }, 3)).toEqual([201, 500, 201]);
    expect(await statuses({ match: { times: 2 }, fault }, 3)).toEqual([500, 500, 201]);
    expect(await statuses({ match: { prompt: 'x 1' }, fault }, 3)).toEqual([201, 500, 201]);
    expect(await statuses({ match: { model: 'google/imagen-4' }, fault }, 2)).toEqual([201, 201]);
    expect(simulator.control.faults()).toMatchObject([{ seen: 0, applied: 0 }]);
  });

  test('a probability repeats with its seed', async () => {
    const rule = { match: { probability: 0.5 }, fault: { status: 500 } };
    const first = await statuses(rule, 30, 7);
    expect(new Set(first)).toEqual(new Set([201, 500]));
    expect(await statuses(rule, 30, 7)).toEqual(first);
    expect(await statuses(rule, 30, 8)).not.toEqual(first);
  });

  test('of several the first to name a member wins', async () => {
    simulator.control.setFaults([{ fault: { error: 'PA' } }, { fault: { error: 'E005', queue_ms: 1 } }]);
    await create();
    expect(simulator.control.predictions().predictions[0]?.fault).toEqual({ error: 'PA', queue_ms: 1 });
  });
});

describe('control over HTTP', () => {
  test('faults, settings, records, statistics, release, reset', async () => {
    const rules = [{ match: { times: 1 }, fault: { hold: 'run' } }];
    expect((await post('/_control/faults', { rules, seed: 3 })).status).toBe(200);
    const webhook = 'http://127.0.0.1:9/hook?job=j7&lease=2';
    await replicate.predictions.create({ version: schnell, input: { prompt: 'a' }, webhook });
    await create('b', {}, webhook);
    const records = await (await call('/_control/predictions?job=j7')).json();
    expect(records.creates_by_job).toEqual({ j7: 2 });
    expect(records.predictions).toHaveLength(2);
    expect(records.predictions[0]).toMatchObject({
      job: 'j7',
      lease: '2',
      status: 'processing',
      create_answer: 201,
    });
    expect(await (await post('/_control/release', {})).json()).toEqual({ released: 1 });
    const stats = async () => (await call('/_control/stats')).json();
    await expect.poll(stats, patience).toMatchObject({
      predictions: 2,
      running: 0,
      jobs: 1,
      jobs_with_several_predictions: 1,
      images: 2,
      answers: { 'create 201': 2 },
    });
    expect(await (await post('/_control/settings', { generation_ms: 250 })).json()).toMatchObject({
      generation_ms: 250,
    });
    await post('/_control/reset', {});
    expect(await stats()).toMatchObject({ predictions: 0, answers: {} });
    expect(await (await call('/_control/settings')).json()).toMatchObject({ generation_ms: 0 });
  });

  test.each([
    [{ rules: [{ fault: { statsu: 500 } }] }, 'rules.0.fault.statsu'],
    [{ rules: [{ match: { endpoint: 'creat' }, fault: {} }] }, 'rules.0.match.endpoint'],
    [{ rules: [{ fault: { webhook: { lost: 'yes' } } }] }, 'rules.0.fault.webhook.lost'],
    [{ rules: [{}] }, 'rules.0.fault'],
  ])('misspelt rules are refused: %j', async (body, path) => {
    const response = await post('/_control/faults', body);
    expect(response.status).toBe(400);
    expect((await response.json()).detail).toContain(path);
  });

  test('unknown settings are refused', async () => {
    expect((await post('/_control/settings', { generation: 1 })).status).toBe(400);
  });
});
