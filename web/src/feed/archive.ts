import type { Generation } from 'picture-queue';
import { useCallback, useRef } from 'react';
import { count } from '../lib/format.ts';
import { useMessages } from '../ui/messages.tsx';
import { cardId } from './feed.ts';
import type { Mark } from './marks.ts';

/**
 * Puts pictures aside, which can be undone for a while.
 *
 * @returns what does it; `focusThen` is where the focus goes on, if the picture has it by a key
 */
export function useArchive(mark: (one: Generation, changes: Mark) => void) {
  const { say } = useMessages();
  const pending = useRef<Generation[]>([]);
  return useCallback(
    (one: Generation, focusThen?: () => HTMLElement | null | undefined) => {
      mark(one, { archived: true });
      pending.current = [...pending.current, one];
      const { length } = pending.current;
      say(length > 1 ? `${count(length, 'picture')} archived.` : 'Picture archived.', {
        kind: 'archive',
        label: 'Undo',
        take: () => {
          const back = pending.current;
          pending.current = [];
          for (const each of back) mark(each, { archived: false });
          requestAnimationFrame(() => document.getElementById(cardId(back[0]?.id ?? ''))?.focus());
        },
        lapse: () => {
          pending.current = [];
        },
        focusThen,
      });
    },
    [mark, say],
  );
}
