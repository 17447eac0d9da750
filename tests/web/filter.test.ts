import type { Client, Generation, ListParams, Status } from 'picture-queue';
import { expect, test } from 'vitest';
import { type Filter, further, letsThrough, merged, queriesOf, Rows } from '../../web/src/feed/filter.ts';

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

/** A server with these; it answers page by page, and notes what it is asked. */
function served(all: Generation[], asked: string[] = []): Client {
  const list = ({ status, limit = 20, cursor = '0' }: ListParams = {}) => ({
    async *pages() {
      const those = all.filter((each) => each.status === status).sort((a, b) => (a.id < b.id ? 1 : -1));
      const from = Number(cursor);
      asked.push(`${status} from ${from}`);
      const next_cursor = from + limit < those.length ? String(from + limit) : null;
      yield { generations: those.slice(from, from + limit), next_cursor };
    },
  });
  return { list } as unknown as Client;
}

test('of several statuses none is shown below which one of another may be missing', async () => {
  const all = [10, 20, 30, 40].map((n) => one(n)).concat([11, 12, 39].map((n) => one(n, 'cancelled')));
  const asked: string[] = [];
  const rows = new Rows(served(all, asked), queriesOf('failed'), 2);
  const shown = () => ids(merged(lets('failed'), [], rows.found, rows.horizon));
  await rows.more();
  // Of the failed 20 and 10 are to come: cancelled 12 is older than the one, and has to wait.
  expect(shown()).toEqual(['g40', 'g39', 'g30']);
  await rows.more();
  expect(asked.at(-1), 'those that hold the others up are asked for').toBe('failed from 2');
  expect(shown()).toEqual(['g40', 'g39', 'g30', 'g20', 'g12']);
  await rows.more();
  expect(shown()).toEqual(['g40', 'g39', 'g30', 'g20', 'g12', 'g11', 'g10']);
  expect(rows.horizon).toBeUndefined();
});

test('what is known live counts, also where it has left the filter', () => {
  const found = [one(1, 'queued'), one(2, 'queued')];
  const live = [one(2, 'completed'), one(3, 'processing')];
  expect(ids(merged(lets('open'), live, found, undefined))).toEqual(['g3', 'g1']);
});

test('how far down all is known, by either', () => {
  expect(further('b', 'a')).toBe('a');
  expect(further(undefined, 'a')).toBeUndefined();
});

test('the server’s marks count before those that the page knows of', () => {
  const marked = (is_favorite: boolean) => ({
    images: [{ id: 'i1', is_favorite, archived_at: null }] as Generation['images'],
  });
  const found = [one(1, 'completed', marked(true))];
  const live = [one(1, 'completed', marked(false)), one(2, 'completed', marked(false))];
  expect(ids(merged(lets('favorites'), live, found, undefined))).toEqual(['g1']);
});

test('a page without any is not the end while there is a further one', async () => {
  const pages = [
    { generations: [], next_cursor: 'further' },
    { generations: [one(1)], next_cursor: null },
  ];
  const list = () => ({
    async *pages() {
      yield* pages;
    },
  });
  const rows = new Rows({ list } as unknown as Client, queriesOf('favorites'), 2);
  await rows.more();
  expect(ids(rows.found)).toEqual(['g1']);
  expect(rows.horizon).toBeUndefined();
});
