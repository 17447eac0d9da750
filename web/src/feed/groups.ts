import type { Generation } from 'picture-queue';

/** What stands in the list: a generation by itself, or a batch with all of it that is shown. */
export interface Group {
  id: string;
  all: [Generation, ...Generation[]];
}

/** Brings those of a batch together, where its newest stands. One of which the others are gone is by itself. */
export function grouped(generations: Generation[]): Group[] {
  const groups = new Map<string, Group>();
  for (const one of generations) {
    const id = one.batch_id ?? one.id;
    const group = groups.get(id);
    if (group) group.all.push(one);
    else groups.set(id, { id, all: [one] });
  }
  return [...groups.values()];
}

/** Each by itself. */
export const alone = (generations: Generation[]): Group[] =>
  generations.map((one) => ({ id: one.id, all: [one] }));

/** How far all of it is, in percent. */
export function progressOf(all: Generation[]): number {
  const sum = all.reduce((before, { status, progress }) => before + (status === 'queued' ? 0 : progress), 0);
  return Math.round(sum / all.length);
}
