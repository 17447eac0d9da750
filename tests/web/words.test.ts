import {
  ConflictError,
  ConnectionError,
  ForbiddenError,
  InternalError,
  InvalidRequestError,
  QuotaExceededError,
  TimeoutError,
  UnauthorizedError,
  UnsupportedMediaTypeError,
} from 'picture-queue';
import { expect, test } from 'vitest';
import { announcement, outlook } from '../../web/src/feed/wording.ts';
import { explain } from '../../web/src/lib/explain.ts';
import { fileName } from '../../web/src/lib/files.ts';
import { ago, clock, count, duration, money, ordinal, size } from '../../web/src/lib/format.ts';

const NOW = Date.parse('2026-11-24T12:00:00Z');

test('a limit that is reached says which one, and from when on it may go on', () => {
  const refusal = { status: 429, code: 'quota_exceeded', limit: 'images_per_day', retryAfter: 3_600 };
  expect(explain(new QuotaExceededError('Too many.', refusal), NOW)).toEqual({
    title: 'Limit reached',
    text: 'You have made as many pictures as your plan allows in a day.',
    retryAt: new Date('2026-11-24T13:00:00Z'),
  });
  const unknown = new QuotaExceededError('The server’s sentence.', { ...refusal, limit: 'cats_per_day' });
  expect(explain(unknown, NOW).text).toBe('The server’s sentence.');
});

test.each([
  [new UnauthorizedError('x', { status: 401, code: 'unauthorized' }), 'Signed out', /sign in again/],
  [new ForbiddenError('Not for you.', { status: 403, code: 'forbidden' }), 'Not allowed', /^Not for you\.$/],
  [
    new InternalError('It broke.', { status: 500, code: 'internal_error' }),
    'The server has a problem',
    /broke/,
  ],
  [
    new UnsupportedMediaTypeError('x', { status: 415, code: 'unsupported_media_type' }),
    'This file cannot be used',
    /PNG, JPEG and WebP/,
  ],
  [new TimeoutError('x'), 'No answer', /try again/],
  [new ConnectionError('x'), 'No connection', /could not be reached/],
  [new Error('Odd.'), 'That did not work', /^Odd\.$/],
  ['text', 'That did not work', /^text$/],
])('%s', (error, title, text) => {
  const notice = explain(error, NOW);
  expect(notice.title).toBe(title);
  expect(notice.text).toMatch(text);
});

test('a refusal names the field', () => {
  const error = new InvalidRequestError('Bad width.', {
    status: 400,
    code: 'invalid_request',
    field: 'width',
  });
  expect(explain(error, NOW)).toMatchObject({ text: 'Bad width.', field: 'width' });
});

test.each([
  [
    'conflict',
    'source_generation_id',
    'Give another one, or null as source_generation_id.',
    /has been deleted/,
  ],
  ['conflict', 'mask', 'Give another one, or null to do without.', /mask it was made with has been deleted/],
  ['conflict', undefined, 'The image of the source generation was deleted.', /has been deleted/],
  [
    'unsupported',
    'source_image_url',
    'A source image is needed: source_image_url, …',
    /picture to start from/,
  ],
  ['unsupported', 'mask', 'mask has a meaning only with a source image.', /^The mask cannot be used/],
  ['unsupported', 'operation', 'This model cannot do that; it can: upscale.', /Choose another model\.$/],
  ['unknown_model', 'model_id', 'GET /models lists the models.', /not there any more/],
  ['invalid_request', 'prompt', 'prompt is required.', /^The prompt is empty/],
  ['invalid_request', 'num_images', 'num_images works with a single prompt only.', /cannot be used together/],
  ['not_found', undefined, 'There is no such source generation.', /picture to start from/],
])('%s of %s is said in the studio’s own words', (code, field, detail, text) => {
  const options = { status: 400, code, ...(field ? { field } : {}) };
  const error =
    code === 'conflict' ? new ConflictError(detail, options) : new InvalidRequestError(detail, options);
  expect(explain(error, NOW).text).toMatch(text);
});

test('how it stands, in words', () => {
  const queued = { status: 'queued', queue_position: 1, estimated_seconds: 12 } as const;
  expect(outlook(queued)).toBe('Next in line · about 12 s left');
  expect(outlook({ ...queued, queue_position: 12 })).toBe('12th in line · about 12 s left');
  expect(outlook({ ...queued, queue_position: null, estimated_seconds: null })).toBe('');
  expect(outlook({ status: 'processing', queue_position: 3, estimated_seconds: 200 })).toBe(
    'about 3 min left',
  );
});

test('only a new stage of a known generation is read out', () => {
  const one = {
    status: 'failed',
    operation: 'generate',
    prompt: 'a fox',
    error: { code: 'x', message: 'No luck.' },
  };
  const now = one as unknown as Parameters<typeof announcement>[1];
  expect(announcement('processing', now)).toBe('“a fox” has failed: No luck.');
  expect(announcement('failed', now)).toBeUndefined();
  expect(announcement(undefined, now)).toBeUndefined();
  expect(announcement(undefined, { ...now, status: 'queued' })).toBeUndefined();
  expect(announcement(undefined, { ...now, status: 'processing' })).toBe('“a fox” is being painted');
  const upscale = { ...now, operation: 'upscale', status: 'processing' } as typeof now;
  expect(announcement('queued', upscale)).toBe('“a fox” is being upscaled');
  const long = { ...now, status: 'completed', prompt: 'x'.repeat(200) } as typeof now;
  expect(announcement('downloading', long)?.length).toBeLessThan(80);
});

test('numbers and times', () => {
  expect([0, 0.000_04, 0.000_1].map(money)).toEqual(['$0.00', 'under $0.0001', '$0.0001']);
  expect([0.003, 0.04, 0.25, 1.2, 12].map(money)).toEqual(['$0.003', '$0.04', '$0.25', '$1.20', '$12.00']);
  expect([0.2, 59, 100, 5_400, 9_000].map(duration)).toEqual(['1 s', '59 s', '2 min', '2 h', '3 h']);
  expect([1, 2, 3, 4, 11, 12, 21, 102].map(ordinal)).toEqual([
    ...['1st', '2nd', '3rd', '4th', '11th', '12th', '21st', '102nd'],
  ]);
  expect([count(1, 'picture'), count(3, 'picture')]).toEqual(['1 picture', '3 pictures']);
  expect([400, 28_700, 2_500_000].map(size)).toEqual(['1 KB', '29 KB', '2.5 MB']);
});

test('how long ago', () => {
  const at = (seconds: number) => ago(new Date(NOW - seconds * 1_000).toISOString(), NOW);
  expect([at(5), at(50), at(120), at(7_200), at(100_000), at(300_000)]).toEqual([
    ...['just now', '1 minute ago', '2 minutes ago', '2 hours ago', 'yesterday', '3 days ago'],
  ]);
  expect(at(30 * 86_400)).toBe('Oct 25, 2026');
});

test('a time of another day names the day', () => {
  const now = new Date(2026, 10, 24, 12, 0);
  expect(clock(new Date(2026, 10, 24, 13, 5), now)).toBe('13:05');
  expect(clock(new Date(2026, 10, 25, 0, 0), now)).toBe('Wednesday, 00:00');
});

test('a file is named after its prompt', () => {
  expect(fileName('A red fox, in the snow!', 'webp')).toBe('a-red-fox-in-the-snow.webp');
  expect(fileName('Käse/../ñ', 'jpeg')).toBe('kase-n.jpg');
  expect(fileName('🦊', 'png')).toBe('picture.png');
  expect(fileName('猫 と 犬', 'png')).toBe('猫-と-犬.png');
  expect(fileName('word '.repeat(100), 'png').length).toBeLessThan(60);
});
