import type { Client, Generation, ListParams } from 'picture-queue';

export type Query = Omit<ListParams, 'limit' | 'cursor'>;

/** Where to go on in a list of the server. undefined: from its newest; null: at its end. */
export type Cursor = string | null | undefined;

/** By it lists are sorted, the largest first: times as the server writes them sort as text. */
export const keyOf = ({ created_at, id }: Pick<Generation, 'created_at' | 'id'>): string =>
  `${created_at} ${id}`;

/** Larger than any key. */
export const NEWEST = '~';
/** Smaller than any key. */
export const OLDEST = '';

export const newestFirst = (all: Generation[]): Generation[] =>
  all.sort((a, b) => {
    const [left, right] = [keyOf(a), keyOf(b)];
    return left > right ? -1 : Number(left < right);
  });

interface Page {
  /** From where on it is read. */
  from: Cursor;
  all: Generation[];
}

/** One list of the server, read page by page from some place on. */
export class Reader {
  readonly #client: Client;
  readonly #params: ListParams;
  #next: Cursor;
  #pages: Page[] = [];
  /** The key down to which all has been read. */
  horizon: string;

  constructor(client: Client, query: Query, limit: number, from: Cursor) {
    this.#client = client;
    this.#params = { ...query, limit };
    this.#next = from;
    this.horizon = from === null ? OLDEST : NEWEST;
  }

  /** What has been read and not taken. */
  get waiting(): Generation[] {
    return this.#pages.flatMap(({ all }) => all);
  }

  /** From where on what has not been taken is read once more. */
  get place(): Cursor {
    const [first] = this.#pages;
    return first ? first.from : this.#next;
  }

  /** Reads the next page that has any; where that fails, the next call tries again. */
  async read(): Promise<void> {
    let from = this.#next;
    if (from === null) return;
    const list = this.#client.list({ ...this.#params, ...(from ? { cursor: from } : {}) });
    for await (const { generations: all, next_cursor: next } of list.pages()) {
      if (all.length > 0) this.#pages.push({ from, all });
      this.#next = next;
      from = next;
      const last = all.at(-1);
      // The server looks at so many at a time: among those none may have been found.
      if (next && !last) continue;
      this.horizon = next && last ? keyOf(last) : OLDEST;
      return;
    }
  }

  /** Those that are not below a key have been taken. */
  take(until: string): void {
    this.#pages = this.#pages.flatMap(({ from, all }) => {
      const rest = all.filter((one) => keyOf(one) < until);
      return rest.length > 0 ? { from, all: rest } : [];
    });
  }
}
