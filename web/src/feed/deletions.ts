import type { Generation } from 'picture-queue';
import { type RefObject, useCallback, useEffect, useEffectEvent, useRef, useState } from 'react';
import { explain } from '../lib/explain.ts';
import { count } from '../lib/format.ts';
import type { Remover } from '../lib/remove.ts';
import { useMessages } from '../ui/messages.tsx';
import { cardId } from './feed.ts';

export interface Deletions {
  /** Those that are shown no more: deleted, or about to be. */
  gone: ReadonlySet<string>;
  /** @param focusThen where the focus goes on, if the picture has it by a key */
  remove: (one: Generation, focusThen?: () => HTMLElement | null | undefined) => void;
}

const without = (ids: ReadonlySet<string>, some: string[]) =>
  new Set([...ids].filter((id) => !some.includes(id)));

/** Deleting: the card goes at once, the rest of it once it can no longer be undone, or the page is left. */
export function useDeletions({ prepare, remove: send, removeAndLeave }: Remover): Deletions {
  const { say, withdraw } = useMessages();
  const [gone, setGone] = useState<ReadonlySet<string>>(new Set());
  const pending = useRef<Generation[]>([]);

  /** It is shown again: who takes it for deleted would leave its address open to all who have it. */
  const failed = useCallback(
    (id: string, error: unknown) => {
      setGone((all) => without(all, [id]));
      const { title, text } = explain(error);
      say(`Not deleted. ${title}: ${text}`);
    },
    [say],
  );

  const remove = useCallback<Deletions['remove']>(
    (one, focusThen) => {
      prepare();
      pending.current = [...pending.current, one];
      setGone((all) => new Set(all).add(one.id));
      say(whatWent(pending.current), {
        kind: 'delete',
        label: 'Undo',
        take: () => {
          const back = taken(pending);
          setGone((all) => without(all, back));
          const [first = ''] = back;
          requestAnimationFrame(() => document.getElementById(cardId(first))?.focus());
        },
        lapse: () => {
          for (const id of taken(pending)) send(id).catch((error: unknown) => failed(id, error));
        },
        focusThen,
      });
    },
    [prepare, send, say, failed],
  );

  const leave = useEffectEvent(() => {
    if (pending.current.length > 0) withdraw();
    for (const id of taken(pending)) removeAndLeave(id).catch((error: unknown) => failed(id, error));
  });
  useEffect(() => {
    const listener = () => {
      if (document.visibilityState === 'hidden') leave();
    };
    // A phone may end a page that is hidden without another word.
    document.addEventListener('visibilitychange', listener);
    addEventListener('pagehide', leave);
    return () => {
      document.removeEventListener('visibilitychange', listener);
      removeEventListener('pagehide', leave);
      leave();
    };
  }, []);
  return { gone, remove };
}

function taken(pending: RefObject<Generation[]>): string[] {
  const ids = pending.current.map(({ id }) => id);
  pending.current = [];
  return ids;
}

/** `Picture deleted.`, `3 pictures deleted.`; of those that never came to be, `Dismissed.` */
function whatWent(all: Generation[]): string {
  const pictures = all.filter(({ status }) => status === 'completed').length;
  if (pictures === 0) return all.length > 1 ? `${all.length} dismissed.` : 'Dismissed.';
  if (pictures < all.length) return `${all.length} deleted.`;
  return pictures > 1 ? `${count(pictures, 'picture')} deleted.` : 'Picture deleted.';
}
