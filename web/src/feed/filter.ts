import type { Client, Generation, Status } from 'picture-queue';

export type Filter = 'all' | 'open' | 'done' | 'failed';

/** What the server is asked for. */
export const STATUSES: Record<Exclude<Filter, 'all'>, Status[]> = {
  open: ['queued', 'processing', 'downloading'],
  done: ['completed'],
  failed: ['failed', 'cancelled'],
};

/** From here on older ones may be missing: a `created_at`. undefined: none is missing. */
export type Horizon = string | undefined;

/** Later than any time: nothing has been fetched. */
const NOTHING_YET = '~';

/** All of the user's generations with one status, as far as they have been fetched. */
interface Row {
  status: Status;
  cursor?: string;
  horizon: Horizon;
}

/** The generations with some statuses, the newest first, page by page from the server. */
export class Rows {
  readonly #client: Client;
  readonly #limit: number;
  readonly #rows: Row[];
  readonly #found = new Map<string, Generation>();

  constructor(client: Client, statuses: Status[], limit: number) {
    this.#client = client;
    this.#limit = limit;
    this.#rows = statuses.map((status) => ({ status, horizon: NOTHING_YET }));
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
    const { status, cursor } = row;
    const list = this.#client.list({ status, limit: this.#limit, ...(cursor ? { cursor } : {}) });
    for await (const page of list.pages()) {
      for (const one of page.generations) this.#found.set(one.id, one);
      if (page.next_cursor) row.cursor = page.next_cursor;
      row.horizon = page.next_cursor ? page.generations.at(-1)?.created_at : undefined;
      return;
    }
  }
}

/** What is shown of the two: what the page knows live counts, and nothing below which something may be missing. */
export function merged(
  statuses: Status[],
  live: Generation[],
  found: Generation[],
  horizon: Horizon,
): Generation[] {
  const all = new Map([...found, ...live].map((one) => [one.id, one]));
  return [...all.values()]
    .filter(({ status, created_at }) => statuses.includes(status) && (!horizon || created_at >= horizon))
    .sort((a, b) => compare(b.created_at, a.created_at) || compare(b.id, a.id));
}

/** How far down all is known by one or the other. */
export const further = (a: Horizon, b: Horizon): Horizon =>
  a === undefined || b === undefined ? undefined : a < b ? a : b;

/** Times as the server writes them sort as text. */
const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));
