import type { Generation } from 'picture-queue';
import { expect, test } from 'vitest';
import { grouped, progressOf } from '../../web/src/feed/groups.ts';

const one = (id: string, more: Partial<Generation> = {}) =>
  ({ id, batch_id: null, status: 'completed', progress: 100, ...more }) as Generation;

test('a batch stands together where its newest is, and what stands between it after it', () => {
  const b = { batch_id: 'b' };
  const groups = grouped([one('new'), one('b1', b), one('between'), one('b2', b), one('old')]);
  expect(groups.map(({ all }) => all.map(({ id }) => id))).toEqual([
    ['new'],
    ['b1', 'b2'],
    ['between'],
    ['old'],
  ]);
});

test('how far a batch is: what waits has not begun', () => {
  const waiting = one('w', { status: 'queued', progress: 0 });
  expect(progressOf([one('a'), waiting])).toBe(50);
  expect(progressOf([one('a'), one('p', { status: 'processing', progress: 40 }), waiting, waiting])).toBe(35);
});
