import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as pq from '../../client/src/index.ts';
import { client, problem, script } from './scripted.ts';

const source = fs.readFileSync(new URL('../../shared/src/http/problem.rs', import.meta.url), 'utf8');
const CODES = [...source.matchAll(/Self::\w+ => "([a-z_]+)"/g)].map((match) => match[1] as string);

const failing = (response: Response) =>
  client(script(response).fetch, { maxRetries: 0 })
    .get('g1')
    .then(
      () => expect.unreachable('it should fail'),
      (error: unknown) => error as pq.ApiError,
    );

/** `invalid_request` → `InvalidRequestError`; `internal_error` → `InternalError`. */
const className = (code: string) =>
  `${code.replace(/_error$/, '').replace(/(^|_)(.)/g, (_, __, letter: string) => letter.toUpperCase())}Error`;

describe('a class for each code of shared/src/http/problem.rs', () => {
  test('all of them are known', () => expect(CODES.length).toBeGreaterThanOrEqual(14));

  test.each(CODES)('%s', async (code) => {
    const exported = (pq as unknown as Record<string, new () => Error>)[className(code)];
    expect(
      exported,
      `client/src/errors.ts should have ${className(code)}, and index.ts export it`,
    ).toBeDefined();
    const more = { field: 'width', limit: 'images_per_day', retry_after: 12 };
    const error = await failing(problem(418, code, more));
    expect(error).toBeInstanceOf(exported);
    expect(error).toBeInstanceOf(pq.ApiError);
    expect(error).toBeInstanceOf(pq.PictureQueueError);
    expect(error).toMatchObject({
      name: className(code),
      message: `It is ${code}.`,
      status: 418,
      code,
      field: 'width',
      limit: 'images_per_day',
      retryAfter: 12,
      requestId: 'r-1',
    });
  });

  test('a code of tomorrow is an ApiError', async () => {
    expect(await failing(problem(402, 'payment_required'))).toMatchObject({
      name: 'ApiError',
      code: 'payment_required',
    });
  });
});

test.each([
  [401, 'UnauthorizedError', 'unauthorized'],
  [404, 'NotFoundError', 'not_found'],
  [429, 'RateLimitedError', 'rate_limited'],
  [418, 'InvalidRequestError', 'invalid_request'],
  [502, 'UnavailableError', 'unavailable'],
  [500, 'InternalError', 'internal_error'],
  [520, 'UnavailableError', 'unavailable'],
])('%i from something in between, with a page instead of a problem, is a %s', async (status, name, code) => {
  const error = await failing(new Response('<html>', { status }));
  expect(error).toMatchObject({
    name,
    code,
    status,
    message: `https://pq.example/functions/v1/generations/g1 answered ${status}.`,
    requestId: undefined,
  });
});
