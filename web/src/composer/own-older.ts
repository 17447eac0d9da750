import type { Generation } from 'picture-queue';
import { usePictureQueue } from 'picture-queue/react';
import { useRef, useState } from 'react';

export interface Older {
  /** Those of the page, and older ones as they are fetched. */
  all: Generation[];
  hasMore: boolean;
  isLoading: boolean;
  failed: boolean;
  more: () => Promise<void>;
}

/**
 * The user's finished pictures past those that the page knows.
 *
 * @param own those that it knows, the newest first
 */
export function useOlder(own: Generation[]): Older {
  const client = usePictureQueue();
  const [older, setOlder] = useState<Generation[]>([]);
  const [state, setState] = useState<'some' | 'loading' | 'failed' | 'all'>('some');
  /** Where the next page begins; undefined: at the newest. */
  const cursor = useRef<string>(undefined);
  const known = new Set(own.map(({ id }) => id));
  const all = [...own, ...older.filter(({ id }) => !known.has(id))];

  /** Up to the first page that has some which are not there yet. */
  const more = async () => {
    setState('loading');
    const ids = new Set(all.map(({ id }) => id));
    try {
      const from = cursor.current === undefined ? {} : { cursor: cursor.current };
      for await (const page of client.list({ status: 'completed', archived: false, ...from }).pages()) {
        cursor.current = page.next_cursor ?? undefined;
        const found = page.generations.filter(({ id, images }) => images.length > 0 && !ids.has(id));
        setOlder((before) => [...before, ...found]);
        if (page.next_cursor === null) return setState('all');
        if (found.length > 0) break;
      }
      setState('some');
    } catch {
      setState('failed');
    }
  };
  return { all, hasMore: state !== 'all', isLoading: state === 'loading', failed: state === 'failed', more };
}
