import type { Client, Generation } from 'picture-queue';
import { type Cursor, keyOf, NEWEST, newestFirst, OLDEST, type Query, Reader } from './reader.ts';
import { hasEnded } from './wording.ts';

/** Some that follow each other in the list. Of one that has been let go of there is left how to read it once more. */
export interface Stretch {
  /** The key of the one before; the newest stretch begins with whatever is newest. */
  after: string;
  /** The key of its last one. */
  until: string;
  /** In each of the server's lists. */
  places: Cursor[];
  /** undefined: let go of. */
  found?: Generation[] | undefined;
  /** How it was shown last: see groups.ts. */
  sizes: string;
}

/** Which stretches are wanted, and which need not be let go of: by their index. */
export type Wish = (index: number) => 'wanted' | 'kept' | 'far';

/**
 * The generations that some queries find, the newest first: read from the server as far down as one goes, and held
 * near to where one is.
 */
export class Shelf {
  readonly #client: Client;
  readonly #queries: Query[];
  readonly #limit: number;
  readonly #readers: Reader[];
  /** Its contents are replaced, never changed. */
  stretches: readonly Stretch[] = [];

  constructor(client: Client, queries: Query[], limit: number) {
    this.#client = client;
    this.#queries = queries;
    this.#limit = limit;
    this.#readers = queries.map((query) => new Reader(client, query, limit, undefined));
  }

  /** The key down to which the stretches go. */
  get until(): string {
    return this.stretches.at(-1)?.until ?? NEWEST;
  }

  /** Adds a stretch; where that fails, the next call tries again. */
  async grow(): Promise<void> {
    for (let some: Generation[] = []; some.length === 0; ) {
      const from = horizonOf(this.#readers);
      if (this.until === OLDEST) return;
      // Those that hold the others up.
      await Promise.all(this.#readers.filter(({ horizon }) => horizon === from).map((one) => one.read()));
      const horizon = horizonOf(this.#readers);
      const waiting = newestFirst(this.#readers.flatMap((one) => one.waiting));
      const all = waiting.filter((one) => keyOf(one) >= horizon);
      some = horizon === OLDEST ? all : withoutBegunBatch(all);
      const last = some.at(-1);
      if (horizon !== OLDEST && !last) continue;
      const until = horizon === OLDEST || !last ? OLDEST : keyOf(last);
      const places = this.#readers.map(({ place }) => place);
      for (const reader of this.#readers) reader.take(until);
      this.stretches = [...this.stretches, { after: this.until, until, places, found: some, sizes: '' }];
    }
  }

  /**
   * Lets go of what is far, and reads what is wanted and has been let go of.
   *
   * @param sizesOf how a stretch is shown
   * @returns whether something is to be read; over once that is there
   */
  hold(wish: Wish, sizesOf: (index: number) => string): Promise<void> | undefined {
    const goes = ({ found }: Stretch, index: number) =>
      // What is not finished yet goes on to be heard of, and the newest are where one comes back to.
      index > 0 && wish(index) === 'far' && found?.every(({ status }) => hasEnded(status));
    if (this.stretches.some(goes))
      this.stretches = this.stretches.map((one, index) =>
        goes(one, index) ? { ...one, found: undefined, sizes: sizesOf(index) } : one,
      );
    const missing = this.stretches.filter(({ found }, index) => !found && wish(index) === 'wanted');
    if (missing.length === 0) return undefined;
    return this.#readAll(missing);
  }

  set(one: Generation): void {
    const isIt = ({ id }: Generation) => id === one.id;
    this.stretches = this.stretches.map((stretch) =>
      stretch.found?.some(isIt)
        ? { ...stretch, found: stretch.found.map((each) => (isIt(each) ? one : each)) }
        : stretch,
    );
  }

  /** All that can be read is, before one that cannot is told of. */
  async #readAll(missing: Stretch[]): Promise<void> {
    const all = await Promise.allSettled(missing.map((one) => this.#again(one)));
    const failed = all.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  readonly #reading = new Map<string, Promise<void>>();

  /** What is in it now: some of it may have been deleted since. */
  #again(stretch: Stretch): Promise<void> {
    const before = this.#reading.get(stretch.until);
    if (before) return before;
    const read = this.#read(stretch)
      .then((found) => {
        const isIt = ({ until }: Stretch) => until === stretch.until;
        this.stretches = this.stretches.map((one) => (isIt(one) ? { ...one, found } : one));
      })
      .finally(() => this.#reading.delete(stretch.until));
    this.#reading.set(stretch.until, read);
    return read;
  }

  async #read({ places, after, until }: Stretch): Promise<Generation[]> {
    const readers = this.#queries.map(
      (query, index) => new Reader(this.#client, query, this.#limit, places[index]),
    );
    const short = () => readers.filter(({ horizon }) => horizon > until);
    for (let all = short(); all.length > 0; all = short()) await Promise.all(all.map((one) => one.read()));
    const isIn = (one: Generation) => keyOf(one) < after && keyOf(one) >= until;
    return newestFirst(readers.flatMap(({ waiting }) => waiting).filter(isIn));
  }
}

const horizonOf = (readers: Reader[]): string =>
  readers
    .map(({ horizon }) => horizon)
    .sort()
    .at(-1) ?? OLDEST;

/** Without the batch at its end, the rest of which may be to come: a batch is in one stretch, as it is shown in one place. */
function withoutBegunBatch(all: Generation[]): Generation[] {
  const batch = all.at(-1)?.batch_id;
  return batch
    ? all.slice(
        0,
        all.findIndex(({ batch_id }) => batch_id === batch),
      )
    : all;
}
