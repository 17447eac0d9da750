import type { Generation } from 'picture-queue';
import { NotFoundError } from 'picture-queue';
import { usePictureQueue } from 'picture-queue/react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useGuarded } from './feed.ts';

interface Viewed {
  id: string;
  /** Where it has been fetched for this, since the page does not show it. */
  fetched?: Generation;
}

/**
 * The picture that is looked at in large.
 *
 * @param list the finished ones that the page shows
 * @param marked puts the latest marks on one
 * @returns the picture, and what opens another one by its id, whether the page shows it or not
 */
export function useViewed(list: Generation[], marked: (one: Generation) => Generation) {
  const client = usePictureQueue();
  const guarded = useGuarded();
  const [viewed, view] = useState<Viewed>();
  const shown = useRef(list);
  useEffect(() => {
    shown.current = list;
  }, [list]);

  const open = useCallback(
    (id: string) => {
      if (shown.current.some((one) => one.id === id)) return view({ id });
      void guarded(async () => {
        const fetched = await client.get(id).catch((error: unknown) => {
          throw error instanceof NotFoundError ? new Error('That picture has been deleted.') : error;
        });
        if (fetched.images.length === 0) throw new Error('That one has no picture.');
        view({ id, fetched });
      });
    },
    [client, guarded],
  );
  const close = useCallback(() => view(undefined), []);
  const fetched = viewed?.fetched && marked(viewed.fetched);
  const one = list.find(({ id }) => id === viewed?.id) ?? fetched;
  return { one, open, close };
}
