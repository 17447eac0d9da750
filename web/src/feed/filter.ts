import type { Client, Generation, ListParams, Status } from 'picture-queue';

export type Filter = 'all' | 'open' | 'done' | 'failed' | 'favorites' | 'archived';

type Query = Omit<ListParams, 'limit' | 'cursor'>;

const STATUSES: Record<'open' | 'done' | 'failed', Status[]> = {
  open: ['queued', 'processing', 'downloading'],
  done: ['completed'],
  failed: ['failed', 'cancelled'],
};

/** What the server is asked for: lists that together hold all that the filter lets through. */
export const queriesOf = (filter: Filter, search = ''): Query[] => {
  const q = search ? { q: search } : {};
  const archived = filter === 'archived';
  if (filter === 'all' || archived) return [{ ...q, archived }];
  if (filter === 'favorites') return [{ ...q, archived, favorite: true }];
  // What is not finished has no picture that could be archived.
  const aside = filter === 'done' ? { archived } : {};
  return STATUSES[filter].map((status) => ({ ...q, ...aside, status }));
};

/** What is archived is found in the archive alone. */
export const letsThrough = (filter: Filter, { status, images }: Generation): boolean => {
  const isArchived = images.some(({ archived_at }) => archived_at !== null);
  if (isArchived !== (filter === 'archived')) return false;
  if (filter === 'favorites') return images.some(({ is_favorite }) => is_favorite);
  return filter === 'all' || filter === 'archived' || STATUSES[filter].includes(status);
};

/** Whether only the server knows all that is let through: marks are set elsewhere too, and texts it compares itself. */
export const isAlwaysAsked = (filter: Filter, search: string): boolean =>
  filter === 'favorites' || filter === 'archived' || search !== '';

/** From here on older ones may be missing: a `created_at`. undefined: none is missing. */
export type Horizon = string | undefined;

/** Later than any time: nothing has been fetched. */
export const NOTHING_YET = '~';

/** All of the user's generations that one query finds, as far as they have been fetched. */
interface Row {
  query: Query;
  cursor?: string;
  horizon: Horizon;
}

/** The generations that some queries find, the newest first, page by page from the server. */
export class Rows {
  readonly #client: Client;
  readonly #limit: number;
  readonly #rows: Row[];
  readonly #found = new Map<string, Generation>();

  constructor(client: Client, queries: Query[], limit: number) {
    this.#client = client;
    this.#limit = limit;
    this.#rows = queries.map((query) => ({ query, horizon: NOTHING_YET }));
  }

  get found(): Generation[] {
    return [...this.#found.values()];
  }

  get horizon(): Horizon {
    const all = this.#rows.flatMap(({ horizon }) => horizon ?? []);
    return all.toSorted().at(-1);
  }

  /** Fetches the next page of those that hold the others up; where that fails, the next call tries again. */
  async more(): Promise<void> {
    const from = this.horizon;
    const behind = this.#rows.filter(({ horizon }) => horizon !== undefined && horizon === from);
    await Promise.all(behind.map((row) => this.#next(row)));
  }

  set(one: Generation): void {
    if (this.#found.has(one.id)) this.#found.set(one.id, one);
  }

  async #next(row: Row): Promise<void> {
    const { query, cursor } = row;
    const list = this.#client.list({ ...query, limit: this.#limit, ...(cursor ? { cursor } : {}) });
    for await (const page of list.pages()) {
      for (const one of page.generations) this.#found.set(one.id, one);
      if (page.next_cursor) row.cursor = page.next_cursor;
      // The server looks at so many at a time: among those none may have been found.
      if (page.next_cursor && page.generations.length === 0) continue;
      row.horizon = page.next_cursor ? page.generations.at(-1)?.created_at : undefined;
      return;
    }
  }
}

/** What is shown of the two: what the page knows live counts, and nothing below which something may be missing. */
export function merged(
  lets: (one: Generation) => boolean,
  live: Generation[],
  found: Generation[],
  horizon: Horizon,
): Generation[] {
  const all = new Map(found.map((one) => [one.id, one]));
  for (const one of live) {
    // Of marks that were set elsewhere only the server tells.
    const images = all.get(one.id)?.images ?? [];
    all.set(one.id, one.images.length > 0 && images.length > 0 ? { ...one, images } : one);
  }
  return [...all.values()]
    .filter((one) => lets(one) && (!horizon || one.created_at >= horizon))
    .sort((a, b) => compare(b.created_at, a.created_at) || compare(b.id, a.id));
}

/** How far down all is known by one or the other. */
export const further = (a: Horizon, b: Horizon): Horizon =>
  a === undefined || b === undefined ? undefined : a < b ? a : b;

/** Times as the server writes them sort as text. */
const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));
