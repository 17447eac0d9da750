import type { Generation, Status } from 'picture-queue';
import { keyOf, newestFirst, type Query } from './reader.ts';

export type Filter = 'all' | 'open' | 'done' | 'failed' | 'favorites' | 'archived';

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

/** A part of the list, by the keys of what it is between. */
export interface Part {
  after: string;
  until: string;
}

/** What is shown of the two in a part of the list: what the page knows live counts. */
export function merged(
  lets: (one: Generation) => boolean,
  live: Generation[],
  found: Generation[],
  { after, until }: Part,
): Generation[] {
  const all = new Map(found.map((one) => [one.id, one]));
  for (const one of live) {
    const key = keyOf(one);
    if (key >= until && key < after) all.set(one.id, withMarksOf(all.get(one.id), one));
  }
  return newestFirst([...all.values()].filter(lets));
}

/** Of marks that were set elsewhere only the server tells. The same object where it tells nothing else. */
function withMarksOf(found: Generation | undefined, live: Generation): Generation {
  const [[told], [known]] = [found?.images ?? [], live.images];
  if (!found || !told || !known) return live;
  const isSame = told.is_favorite === known.is_favorite && told.archived_at === known.archived_at;
  return isSame ? live : { ...live, images: found.images };
}
