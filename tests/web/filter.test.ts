import type { Generation, Status } from 'picture-queue';
import { expect, test } from 'vitest';
import { type Filter, letsThrough, merged } from '../../web/src/feed/filter.ts';
import { keyOf, NEWEST, OLDEST } from '../../web/src/feed/reader.ts';

const one = (n: number, status: Status = 'failed', changes: Partial<Generation> = {}) =>
  ({
    id: `g${n}`,
    status,
    images: [],
    created_at: `2026-11-24T12:00:${String(n).padStart(2, '0')}+00:00`,
    ...changes,
  }) as Generation;
const lets = (filter: Filter) => (each: Generation) => letsThrough(filter, each);
const ids = (all: Generation[]) => all.map(({ id }) => id);

/** The whole list. */
const ALL = { after: NEWEST, until: OLDEST };

test('what is known live counts, also where it has left the filter', () => {
  const found = [one(1, 'queued'), one(2, 'queued')];
  const live = [one(2, 'completed'), one(3, 'processing')];
  expect(ids(merged(lets('open'), live, found, ALL))).toEqual(['g3', 'g1']);
});

test('of what is known live a part of the list takes what is between its ends', () => {
  const live = [one(1), one(2), one(3), one(4)];
  const part = { after: keyOf(one(4)), until: keyOf(one(2)) };
  expect(ids(merged(lets('failed'), live, [], part))).toEqual(['g3', 'g2']);
});

test('the server’s marks count before those that the page knows of', () => {
  const marked = (is_favorite: boolean) => ({
    images: [{ id: 'i1', is_favorite, archived_at: null }] as Generation['images'],
  });
  const found = [one(1, 'completed', marked(true))];
  const live = [one(1, 'completed', marked(false)), one(2, 'completed', marked(false))];
  expect(ids(merged(lets('favorites'), live, found, ALL))).toEqual(['g1']);
});

test('where nothing differs it is the same object: its card is not drawn anew', () => {
  const images = [{ id: 'i1', is_favorite: true, archived_at: null }] as Generation['images'];
  const live = one(1, 'completed', { images });
  const found = one(1, 'completed', { images: images.map((image) => ({ ...image })) });
  expect(merged(lets('all'), [live], [found], ALL)[0]).toBe(live);
});
