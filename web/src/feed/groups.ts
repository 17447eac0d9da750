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

/** A part of the list as it is shown. */
export interface Block {
  /** How many are in each of its groups, as the code of a character: of far ones that is all that is held. */
  sizes: string;
  /** undefined: let go of. */
  groups: Group[] | undefined;
}

export const blockOf = (groups: Group[]): Block => ({ sizes: sizesOf(groups), groups });

const sizesOf = (groups: Group[]) => String.fromCharCode(...groups.map(({ all }) => all.length));

/** How many are in all of these groups. */
export function countOf(sizes: string): number {
  let sum = 0;
  for (let index = 0; index < sizes.length; index += 1) sum += sizes.charCodeAt(index);
  return sum;
}

/** The finished ones of the blocks that are held on both sides of one. */
export function finishedAround(blocks: readonly Block[], id: string): Generation[] {
  const at = blocks.findIndex(({ groups }) => groups?.some(({ all }) => all.some((one) => one.id === id)));
  let [from, to] = [at, at];
  while (blocks[from - 1]?.groups) from -= 1;
  while (blocks[to + 1]?.groups) to += 1;
  return finishedOf(at < 0 ? blocks : blocks.slice(from, to + 1));
}

export const finishedOf = (blocks: readonly Block[]): Generation[] =>
  blocks.flatMap(({ groups }) => groups?.flatMap(({ all }) => all) ?? []).filter(isFinished);

const isFinished = ({ status }: Generation) => status === 'completed';

/** How far all of it is, in percent. */
export function progressOf(all: Generation[]): number {
  const sum = all.reduce((before, { status, progress }) => before + (status === 'queued' ? 0 : progress), 0);
  return Math.round(sum / all.length);
}
