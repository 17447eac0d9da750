import { corsHeaders } from '@supabase/supabase-js/cors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectFrame, expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { type Answer, call, MODEL, TestUser } from './support/user.ts';

/** What users get wrong: refused with a problem that names the field, and without any trace. */

let stack: TestStack;
let user: TestUser;
let before: Record<string, number>;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
  before = await stack.traces();
});
afterAll(() => stack?.stop());

const VARIATION = 'black-forest-labs/flux-dev';
const SOURCE = 'https://example.com/picture.png';
const NO_ID = '00000000-0000-4000-8000-000000000000';

/** Fields over a valid request, and the field that the problem names. */
const fields: [string, Record<string, unknown>, string][] = [
  ['no prompt', { prompt: undefined }, 'prompt'],
  ['prompt null', { prompt: null }, 'prompt'],
  ['prompt empty', { prompt: '' }, 'prompt'],
  ['prompt of spaces', { prompt: ' \n\t' }, 'prompt'],
  ['prompt of 4,001 characters', { prompt: 'é'.repeat(4_001) }, 'prompt'],
  ['prompt a number', { prompt: 7 }, 'prompt'],
  ['prompt with NUL', { prompt: 'a\0b' }, 'prompt'],
  ['no model', { model_id: undefined }, 'model_id'],
  ['model empty', { model_id: '' }, 'model_id'],
  ['model a list', { model_id: [MODEL] }, 'model_id'],
  ['width 0', { width: 0 }, 'width'],
  ['width negative', { width: -1024 }, 'width'],
  ['width huge', { width: 100_000 }, 'width'],
  ['width a fraction', { width: 1024.5 }, 'width'],
  ['width text', { width: '1024' }, 'width'],
  ['height 0', { height: 0 }, 'height'],
  ['height beyond 64 bits', { height: 1e30 }, 'height'],
  ['steps 0', { num_inference_steps: 0 }, 'num_inference_steps'],
  ['steps 501', { num_inference_steps: 501 }, 'num_inference_steps'],
  ['guidance negative', { guidance_scale: -0.1 }, 'guidance_scale'],
  ['guidance 101', { guidance_scale: 101 }, 'guidance_scale'],
  ['seed negative', { seed: -1 }, 'seed'],
  ['seed beyond 32 bits', { seed: 2 ** 32 }, 'seed'],
  ['negative prompt too long', { negative_prompt: 'x'.repeat(4_001) }, 'negative_prompt'],
  ['num_images 0', { num_images: 0 }, 'num_images'],
  ['num_images 11', { num_images: 11 }, 'num_images'],
  ['prompt and prompts', { prompts: ['a', 'b'] }, 'prompts'],
  ['prompts empty', { prompt: undefined, prompts: [] }, 'prompts'],
  ['11 prompts', { prompt: undefined, prompts: Array(11).fill('a') }, 'prompts'],
  ['prompts with an empty one', { prompt: undefined, prompts: ['a', ''] }, 'prompts'],
  ['priority unknown', { priority: 'urgent' }, 'priority'],
  ['operation unknown', { operation: 'paint' }, 'operation'],
  ['expires_in 0', { expires_in: 0 }, 'expires_in'],
  ['strength 1.1', { model_id: VARIATION, source_image_url: SOURCE, strength: 1.1 }, 'strength'],
  ['strength negative', { model_id: VARIATION, source_image_url: SOURCE, strength: -0.1 }, 'strength'],
  ['strength without a source', { model_id: VARIATION, strength: 0.5 }, 'strength'],
  ['a field that there is not', { loras: [] }, 'loras'],
  ['one that there is not, null', { steps: null }, 'steps'],
];

const sources = [
  'http://example.com/a.png',
  'ftp://example.com/a.png',
  'data:image/png;base64,AAAA',
  'not a url',
  '',
  'https://localhost/a.png',
  'https://app.localhost/a.png',
  'https://metadata.google.internal/a.png',
  'https://printer.local/a.png',
  'https://intranet/a.png',
  'https://127.0.0.1/a.png',
  'https://10.0.0.1/a.png',
  'https://169.254.169.254/latest',
  'https://8.8.8.8/a.png',
  'https://[::1]/a.png',
  'https://[fd00::1]/a.png',
  'https://2130706433/a.png',
  'https://0x7f.1/a.png',
  'https://127.1/a.png',
  'https://example.com:8443/a.png',
  'https://user:secret@example.com/a.png',
];

const start = (body: unknown, headers?: Record<string, string>): Promise<Answer> =>
  user.call('POST', '/start-generation', body, headers);
const request = (changes: Record<string, unknown>) =>
  start({ prompt: 'a lighthouse', model_id: MODEL, ...changes });

describe('POST /start-generation', () => {
  test.each(fields)('%s', async (_, changes, field) => {
    expectProblem(await request(changes), 400, 'invalid_request', { field });
  });

  test.each([
    ['n', 'num_images'],
    ['steps', 'num_inference_steps'],
    ['image_size', 'width and height'],
    ['image_url', 'source_image_url'],
    ['negativePrompt', 'negative_prompt'],
  ])('%s is not a field: %s is meant', async (name, meant) => {
    const answer = await request({ [name]: 4 });
    expectProblem(answer, 400, 'invalid_request', {
      field: name,
      detail: `${name} is not a field of this request. Did you mean ${meant}?`,
    });
  });

  test.each(sources)('source_image_url %j', async (source) => {
    const answer = await request({ model_id: VARIATION, source_image_url: source });
    expectProblem(answer, 400, 'invalid_request', { field: 'source_image_url' });
  });

  test.each([
    ['that is no id', 'x'],
    ['that is a number', 7],
  ])('a source generation %s', async (_, id) => {
    const answer = await request({ model_id: VARIATION, source_generation_id: id });
    expectProblem(answer, 400, 'invalid_request', { field: 'source_generation_id' });
  });

  test('a source generation that does not exist', async () => {
    const answer = await request({ model_id: VARIATION, source_generation_id: NO_ID });
    expectProblem(answer, 404, 'not_found', {});
  });

  test('an unknown model', async () => {
    expectProblem(await request({ model_id: 'nobody/nothing' }), 404, 'unknown_model', { field: 'model_id' });
  });

  test.each([
    ['a source image, of a model that takes none', { source_image_url: SOURCE }, 'source_image_url'],
    ['an operation that the model does not do', { operation: 'upscale' }, 'operation'],
    ['no source, of one that only edits', { model_id: 'qwen/qwen-image-edit' }, 'source_image_url'],
    ['a source generation, of one that takes none', { source_generation_id: NO_ID }, 'source_generation_id'],
  ])('unsupported: %s', async (_, changes, field) => {
    expectProblem(await request(changes), 422, 'unsupported', { field });
  });

  test.each([
    ['not JSON', '{"prompt": "a'],
    ['empty', ''],
    ['a list', '[]'],
    ['text', '"a lighthouse"'],
    ['null', 'null'],
    ['deeply nested', '['.repeat(20_000)],
  ])('a body that is %s', async (_, body) => {
    expectProblem(await start(body), 400, 'invalid_request', { field: 'body' });
  });

  const tooLarge = JSON.stringify({ prompt: 'a', model_id: MODEL, style: 'x'.repeat(64 * 1024) });

  test('a body over 64 KiB, declared', async () => {
    expectProblem(await start(tooLarge), 413, 'body_too_large');
  });

  test('a body over 64 KiB that does not tell its length', async () => {
    const answer = await fetch(`${stack.addresses.startGenerationUrl}/start-generation`, {
      method: 'POST',
      headers: { authorization: `Bearer ${user.token}` },
      body: new Blob([tooLarge]).stream(),
      duplex: 'half',
    } as RequestInit);
    const { status, headers } = answer;
    expectProblem({ status, headers, body: await answer.json() }, 413, 'body_too_large');
  });

  test.each([
    ['empty', ''],
    ['with a space', 'a b'],
    ['of 256 characters', 'k'.repeat(256)],
  ])('an Idempotency-Key %s', async (_, key) => {
    const answer = await start({ prompt: 'a', model_id: MODEL }, { 'idempotency-key': key });
    expectProblem(answer, 400, 'invalid_request', { field: 'Idempotency-Key' });
  });
});

describe('paths and methods', () => {
  test.each([
    ['GET', '/nothing'],
    ['POST', '/start-generation/more'],
    ['GET', '/generations/a/b'],
    ['GET', '/functions/v2/generations'],
    ['GET', '/generations/not-a-uuid'],
    ['GET', `/generations/${NO_ID}`],
    ['POST', `/generations/${NO_ID}/cancel`],
  ])('%s %s is not found', async (method, path) => {
    expectProblem(await user.call(method, path), 404, 'not_found');
  });

  test.each([
    ['GET', '/start-generation', 'POST'],
    ['GET', '/functions/v1/start-generation', 'POST'],
    ['DELETE', '/generations', 'GET'],
    ['PUT', `/generations/${NO_ID}`, 'GET'],
    ['GET', `/generations/${NO_ID}/cancel`, 'POST'],
    ['POST', '/models', 'GET'],
    ['PATCH', '/health', 'GET'],
  ])('%s %s is the wrong method', async (method, path, allow) => {
    const answer: Answer = await user.call(method, path);
    expectProblem(answer, 405, 'method_not_allowed');
    expect(answer.headers.get('allow')?.split(', ')).toContain(allow);
  });

  test.each(['limit=0', 'limit=101', 'limit=x', 'status=done', 'batch_id=x', 'cursor='])(
    'GET /generations?%s',
    async (query) => {
      const field = query.slice(0, query.indexOf('='));
      expectProblem(await user.call('GET', `/generations?${query}`), 400, 'invalid_request', { field });
    },
  );

  test('a cursor that was never given out', async () => {
    expectProblem(await user.call('GET', '/generations?cursor=x'), 400, 'invalid_request');
  });

  test('preflights', async () => {
    const { startGenerationUrl, processGenerationUrl } = stack.addresses;
    for (const url of [
      `${startGenerationUrl}/start-generation`,
      `${startGenerationUrl}/nothing`,
      `${stack.addresses.supabaseUrl}/functions/v1/start-generation`,
      `${processGenerationUrl}/process-generation`,
    ]) {
      const answer = await call('OPTIONS', url, {
        headers: {
          origin: 'https://app.example',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type,idempotency-key',
        },
      });
      expect(answer.status, url).toBe(204);
      expectFrame(answer);
      expect(answer.headers.get('access-control-allow-methods')).toContain('POST');
      for (const header of ['authorization', 'content-type', 'apikey', 'x-client-info', 'idempotency-key']) {
        expect(answer.headers.get('access-control-allow-headers')).toContain(header);
      }
    }
  });

  test.each([
    ['supabase-js, tracing included', corsHeaders['Access-Control-Allow-Headers'] ?? ''],
    ['a named region', 'authorization, x-region'],
    ['Sentry and OpenTelemetry', 'sentry-trace,baggage,traceparent,tracestate,b3,x-b3-traceid'],
    ['what nobody has heard of yet', 'x-tomorrow'],
  ])('a preflight allows the headers of %s', async (_, names) => {
    expect(names).toMatch(/\w/);
    const headers = {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': names.toLowerCase(),
    };
    const { startGenerationUrl } = stack.addresses;
    const answer = await call('OPTIONS', `${startGenerationUrl}/start-generation`, { headers });
    const allowed = (answer.headers.get('access-control-allow-headers') ?? '').split(/,\s*/);
    expect(allowed).toEqual(expect.arrayContaining(names.toLowerCase().split(/,\s*/)));
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  });

  test('good answers carry the frame too, and each its own id', async () => {
    const answers = await Promise.all(
      ['/health', '/models', '/generations'].map((path) => user.call('GET', path)),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expectFrame(answer);
    }
    expect(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size).toBe(3);
  });
});

test('none of it left a row or a prediction, nor used up the quota', async () => {
  expect(await stack.traces()).toEqual(before);
  const usage = await stack.sql`select * from private.usage where user_id = ${user.id}`;
  expect(usage).toHaveLength(0);
  // And a good request goes through, with the user that all the bad ones came from.
  await user.completed((await user.start({ prompt: 'x'.repeat(4_000) })).generation_id);
});
