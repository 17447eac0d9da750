/** Refusals, byte for byte as recorded from the real API. */
import Replicate from 'replicate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';

const schnell = 'black-forest-labs/flux-schnell';
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());

async function post(path: string, body: unknown, authorization = `Bearer ${simulator.token}`) {
  const headers = { 'content-type': 'application/json', ...(authorization === '' ? {} : { authorization }) };
  const response = await fetch(simulator.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

const problem = 'application/problem+json';

test('no token and a bad one', async () => {
  const body = { version: schnell, input: { prompt: 'fox' } };
  expect(await post('/v1/predictions', body, '')).toEqual({
    status: 401,
    type: problem,
    text: '{"title":"Unauthenticated","detail":"You did not pass an authentication token","status":401}',
  });
  expect(await post('/v1/predictions', body, 'Bearer r8_other')).toEqual({
    status: 401,
    type: problem,
    text: '{"title":"Unauthenticated","detail":"You did not pass a valid authentication token","status":401}',
  });
  expect((await post('/v1/predictions', body, `Token ${simulator.token}`)).status).toBe(201);
});

const refused: [what: string, path: string, body: unknown, text: string][] = [
  [
    'an enum',
    '/v1/predictions',
    { version: 'google/imagen-4', input: { prompt: 'fox', output_format: 'webp' } },
    '{"detail":"- input.output_format: output_format must be one of the following: \\"jpg\\", \\"png\\"\\n",' +
      '"status":422,"title":"Input validation failed","invalid_fields":[{"type":"enum","field":' +
      '"input.output_format","description":"output_format must be one of the following: \\"jpg\\", \\"png\\""}]}',
  ],
  [
    'a missing field and one that is too large',
    `/v1/models/${schnell}/predictions`,
    { input: { num_inference_steps: 30, guidance_scale: 7.5 } },
    '{"detail":"- input: prompt is required\\n- input.num_inference_steps: Must be less than or equal to 4\\n",' +
      '"status":422,"title":"Input validation failed","invalid_fields":[{"type":"required","field":"input",' +
      '"description":"prompt is required"},{"type":"number_lte","field":"input.num_inference_steps",' +
      '"description":"Must be less than or equal to 4"}]}',
  ],
  [
    'model in place of version',
    '/v1/predictions',
    { model: schnell, input: { prompt: 'fox' } },
    '{"detail":"- version is required\\n- Additional property model is not allowed\\n","status":422,' +
      '"title":"Input validation failed","invalid_fields":[{"type":"required","field":"","description":' +
      '"version is required"},{"type":"additional_property_not_allowed","field":"","description":' +
      '"Additional property model is not allowed"}]}',
  ],
  [
    'an unknown version',
    '/v1/predictions',
    { version: 'f'.repeat(64), input: { prompt: 'fox' } },
    '{"title":"Invalid version or not permitted","detail":"The specified version does not exist (or perhaps you ' +
      'don\'t have permission to use it?)","status":422}',
  ],
];

test.each(refused)('%s', async (_what, path, body, text) => {
  simulator.control.reset();
  expect(await post(path, body)).toEqual({ status: 422, type: problem, text });
  expect(simulator.control.stats().predictions, 'a refused request makes no prediction').toBe(0);
});

const inputs: [input: Record<string, unknown>, line: string][] = [
  [{ prompt: 5 }, 'input.prompt: Invalid type. Expected: string, given: integer'],
  [{ prompt: 'fox', seed: 1.5 }, 'input.seed: Invalid type. Expected: integer, given: number'],
  [{ prompt: 'fox', seed: null }, 'input.seed: Invalid type. Expected: integer, given: null'],
  [{ prompt: 'fox', go_fast: 'yes' }, 'input.go_fast: Invalid type. Expected: boolean, given: string'],
  [{ prompt: 'fox', num_outputs: 0 }, 'input.num_outputs: Must be greater than or equal to 1'],
];

test.each(inputs)('input %j', async (input, line) => {
  const { status, text } = await post('/v1/predictions', { version: schnell, input });
  expect(status).toBe(422);
  expect(JSON.parse(text).detail).toBe(`- ${line}\n`);
});

test('a webhook that is not https, except on loopback', async () => {
  const create = (webhook: string) =>
    post('/v1/predictions', { version: schnell, input: { prompt: 'x' }, webhook });
  expect((await create('http://example.com/hook')).status).toBe(422);
  expect((await create('not a url')).status).toBe(422);
  expect((await create('http://127.0.0.1:9/hook')).status).toBe(201);
});

test('what does not exist', async () => {
  const headers = { authorization: `Bearer ${simulator.token}` };
  const text = '{"detail":"The requested resource could not be found.","status":404}';
  for (const path of ['/v1/predictions/nope', '/v1/models/no/body', '/v1/nothing', '/files/x/out-0.webp']) {
    const response = await fetch(simulator.url + path, { headers });
    expect([path, response.status, await response.text()]).toEqual([path, 404, text]);
  }
});

test('too many creates, when a limit is set', async () => {
  simulator.control.reset();
  simulator.control.configure({ create_limit_per_minute: 6 });
  const body = { version: schnell, input: { prompt: 'fox' } };
  expect((await post('/v1/predictions', body)).status).toBe(201);
  const second = await post('/v1/predictions', body);
  expect(second.status).toBe(429);
  expect(JSON.parse(second.text)).toMatchObject({ status: 429, retry_after: 10 });
});

test('models, versions, account and the webhook secret', async () => {
  const replicate = new Replicate({ auth: simulator.token, baseUrl: `${simulator.url}/v1` });
  const model = await replicate.models.get('stability-ai', 'sdxl');
  const id = model.latest_version?.id ?? '';
  expect(id).toMatch(/^7762fd07[0-9a-f]{56}$/);
  const schema = (await replicate.models.versions.get('stability-ai', 'sdxl', id)).openapi_schema;
  expect(schema).toMatchObject({
    components: {
      schemas: {
        Input: {
          required: [],
          properties: { num_outputs: { type: 'integer', minimum: 1, maximum: 4, default: 1 } },
        },
        scheduler: { enum: expect.arrayContaining(['K_EULER']) },
        Output: { type: 'array', items: { type: 'string', format: 'uri' } },
      },
    },
  });
  expect(await replicate.webhooks.default.secret.get()).toEqual({ key: simulator.webhookSecret });
  expect(await replicate.accounts.current()).toMatchObject({ username: 'simulator' });
});
