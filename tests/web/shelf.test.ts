import type { Client, Generation, ListParams, Status } from 'picture-queue';
import { expect, test } from 'vitest';
import { queriesOf } from '../../web/src/feed/filter.ts';
import { OLDEST } from '../../web/src/feed/reader.ts';
import { Shelf, type Wish } from '../../web/src/feed/shelf.ts';

const one = (n: number, status: Status = 'failed', changes: Partial<Generation> = {}) =>
  ({
    id: `g${n}`,
    status,
    batch_id: null,
    images: [],
    created_at: `2026-11-24T12:${String(n).padStart(2, '0')}:00+00:00`,
    ...changes,
  }) as Generation;
const ids = (all: Generation[] | undefined) => all?.map(({ id }) => id);

/** A server with these; it answers page by page, and notes what it is asked. */
function served(all: Generation[], asked: string[] = []): Client {
  const list = ({ status, limit = 20, cursor = '~' }: ListParams = {}) => ({
    async *pages() {
      const those = all
        .filter((each) => !status || each.status === status)
        .filter(({ created_at }) => created_at < cursor)
        .sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
      asked.push(`${status ?? 'any'} from ${cursor}`);
      const generations = those.slice(0, limit);
      const next_cursor = those.length > limit ? (generations.at(-1)?.created_at ?? null) : null;
      yield { generations, next_cursor };
    },
  });
  return { list } as unknown as Client;
}

const numbers = (from: number, to: number) =>
  Array.from({ length: from - to + 1 }, (_, index) => one(from - index));

test('of several statuses none is there below which one of another may be missing', async () => {
  const all = [10, 20, 30, 40].map((n) => one(n)).concat([11, 12, 39].map((n) => one(n, 'cancelled')));
  const asked: string[] = [];
  const shelf = new Shelf(served(all, asked), queriesOf('failed'), 2);
  await shelf.grow();
  // Of the failed 20 and 10 are to come: cancelled 12 is older than the one, and has to wait.
  expect(ids(shelf.stretches[0]?.found)).toEqual(['g40', 'g39', 'g30']);
  await shelf.grow();
  expect(asked, 'those that hold the others up are asked for').toHaveLength(3);
  expect(ids(shelf.stretches[1]?.found)).toEqual(['g20', 'g12']);
  await shelf.grow();
  expect(ids(shelf.stretches[2]?.found)).toEqual(['g11', 'g10']);
  expect(shelf.until).toBe(OLDEST);

  // What has been let go of is the same when it is read again.
  const before = shelf.stretches.map(({ found }) => ids(found));
  await shelf.hold(
    (index) => (index === 1 ? 'far' : 'wanted'),
    () => 'shown',
  );
  expect(shelf.stretches[1]).toMatchObject({ found: undefined, sizes: 'shown' });
  await shelf.hold(
    () => 'wanted',
    () => '',
  );
  expect(shelf.stretches.map(({ found }) => ids(found))).toEqual(before);
});

test('what is let go of comes again without what has been deleted, and without what is of its neighbours', async () => {
  const all = numbers(30, 1);
  const shelf = new Shelf(served(all), [{}], 10);
  while (shelf.until !== OLDEST) await shelf.grow();
  expect(shelf.stretches).toHaveLength(3);
  const only =
    (wanted: number): Wish =>
    (index) =>
      index === wanted ? 'wanted' : 'far';
  await shelf.hold(only(2), () => '');
  expect(
    shelf.stretches.map(({ found }) => found?.length),
    'the newest stay',
  ).toEqual([10, undefined, 10]);
  all.splice(12, 1);
  await shelf.hold(only(1), () => '');
  expect(ids(shelf.stretches[1]?.found)).toEqual(ids(numbers(20, 11))?.filter((id) => id !== 'g18'));
});

test('what is not finished is not let go of', async () => {
  const all = numbers(30, 1);
  all[15] = one(15, 'queued');
  const shelf = new Shelf(served(all), [{}], 10);
  while (shelf.until !== OLDEST) await shelf.grow();
  await shelf.hold(
    () => 'far',
    () => '',
  );
  expect(shelf.stretches.map(({ found }) => found?.length)).toEqual([10, 10, undefined]);
});

test('a batch is in one stretch, wherever pages of the server end', async () => {
  const all = numbers(30, 1).map((each, index) =>
    index >= 7 && index < 14 ? { ...each, batch_id: 'together' } : each,
  );
  const asked: string[] = [];
  const shelf = new Shelf(served(all, asked), [{}], 10);
  await shelf.grow();
  expect(ids(shelf.stretches[0]?.found)).toEqual(ids(numbers(30, 24)));
  await shelf.grow();
  expect(ids(shelf.stretches[1]?.found)).toEqual(ids(numbers(23, 11)));
  expect(asked, 'what has been read is not read twice').toHaveLength(2);
  await shelf.grow();
  await shelf.hold(
    (index) => (index === 1 ? 'far' : 'kept'),
    () => '',
  );
  await shelf.hold(
    () => 'wanted',
    () => '',
  );
  expect(ids(shelf.stretches[1]?.found)).toEqual(ids(numbers(23, 11)));
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
  const shelf = new Shelf({ list } as unknown as Client, queriesOf('favorites'), 2);
  await shelf.grow();
  expect(ids(shelf.stretches[0]?.found)).toEqual(['g1']);
  expect(shelf.until).toBe(OLDEST);
});

test('where a page could not be read, the next call reads it', async () => {
  let isBroken = false;
  const server = served(numbers(30, 1));
  const list = (params: ListParams) => {
    if (isBroken) throw new Error('lost');
    return server.list(params);
  };
  const shelf = new Shelf({ list } as unknown as Client, [{}], 10);
  await shelf.grow();
  isBroken = true;
  await expect(shelf.grow()).rejects.toThrow('lost');
  isBroken = false;
  await shelf.grow();
  expect(ids(shelf.stretches[1]?.found)).toEqual(ids(numbers(20, 11)));
});
