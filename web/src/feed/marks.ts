import type { GeneratedImage, Generation } from 'picture-queue';
import type { Library } from 'picture-queue/library';
import { useCallback, useRef, useState } from 'react';
import { explain } from '../lib/explain.ts';
import { useMessages } from '../ui/messages.tsx';

/** What can be set on a picture. */
export interface Mark {
  is_favorite?: boolean;
  archived?: boolean;
}

type Marks = Pick<GeneratedImage, 'is_favorite' | 'archived_at'>;

const marksOf = ({ is_favorite, archived_at }: Marks): Marks => ({ is_favorite, archived_at });

/** As it will be once the server has done it. */
const withMark = (before: Marks, { is_favorite = before.is_favorite, archived }: Mark): Marks => ({
  is_favorite,
  archived_at: archived === undefined ? before.archived_at : archived ? new Date().toISOString() : null,
});

/** Marks on pictures: shown at once, sent one after the other, and taken back where the server refuses. */
export function useMarks({ markImage: send }: Library) {
  const { say } = useMessages();
  /** By the image's id, where it differs from what the lists say. */
  const [own, setOwn] = useState<ReadonlyMap<string, Marks>>(new Map());
  const latest = useRef(new Map<string, Promise<unknown>>());

  const mark = useCallback(
    (one: Generation, changes: Mark) => {
      const [image] = one.images;
      if (!image) return;
      const set = (marks: Marks) => setOwn((all) => new Map(all).set(image.id, marksOf(marks)));
      set(withMark(image, changes));
      const before = latest.current.get(image.id) ?? Promise.resolve();
      const work = before.then(() => send(image.id, changes));
      const over = work.then(
        (answer) => {
          // What was pressed meanwhile is still on its way.
          if (latest.current.get(image.id) === over) set(answer);
        },
        (error: unknown) => {
          if (latest.current.get(image.id) === over) set(image);
          const { title, text } = explain(error);
          say(`${title}: ${text}`);
        },
      );
      latest.current.set(image.id, over);
    },
    [send, say],
  );

  /** The same object for the same marks, so that a card is drawn anew only where something of it has changed. */
  const made = useRef(new WeakMap<Generation, [Marks, Generation]>());
  const marked = useCallback(
    (one: Generation): Generation => {
      const [image] = one.images;
      const marks = image && own.get(image.id);
      if (!marks) return one;
      const before = made.current.get(one);
      if (before?.[0] === marks) return before[1];
      const now = { ...one, images: [{ ...image, ...marks }] };
      made.current.set(one, [marks, now]);
      return now;
    },
    [own],
  );
  return { mark, marked };
}
