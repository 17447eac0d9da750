import { ApiError, ConnectionError, type Generation, PictureQueueError } from 'picture-queue';
import { type Generations, usePictureQueue } from 'picture-queue/react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { type Filter, isAlwaysAsked, letsThrough, merged, type Part, queriesOf } from './filter.ts';
import { alone, type Block, blockOf, grouped } from './groups.ts';
import { keyOf, NEWEST, OLDEST } from './reader.ts';
import { Shelf, type Stretch, type Wish } from './shelf.ts';
import { hasEnded } from './wording.ts';

const PAGE = 24;
/** So long after a failure what is wanted is asked for again. Milliseconds. */
const AGAIN_MS = 5_000;

/** What the server has answered, for one choice of the filter and one text to look for. */
interface Asked {
  filter: Filter;
  search: string;
  shelf: Shelf;
  /** The key of the newest that the list knew then. */
  top: string;
  stretches: readonly Stretch[];
  isLoading: boolean;
  error: PictureQueueError | null;
}

export interface Shown {
  blocks: readonly Block[];
  isLoading: boolean;
  error: PictureQueueError | null;
  /** There are older ones. */
  hasMore: boolean;
  loadMore: () => Promise<void>;
  /** Which blocks are wanted, and which need not be let go of. */
  hold: (wish: Wish) => void;
}

/**
 * Of all the user's generations those that the filter lets through, and whose prompt has the text in it: where the list does not hold them
 * all, the server is asked. What is far from where one looks is let go of, and asked for again when one comes back.
 *
 * @param marked puts the latest marks on one
 * @param gone have been deleted here
 */
export function useShown(
  filter: Filter,
  search: string,
  list: Generations,
  marked: (one: Generation) => Generation,
  gone: ReadonlySet<string>,
): Shown {
  const client = usePictureQueue();
  /** That of all generations stays while a filter is chosen. */
  const [latest, setLatest] = useState<{ whole?: Asked; part?: Asked }>({});
  const isWhole = filter === 'all' && search === '';
  const kind = isWhole ? 'whole' : 'part';
  const found = latest[kind];
  const asked = found?.filter === filter && found.search === search ? found : undefined;
  const isAlways = isAlwaysAsked(filter, search);
  const isAsked = isAlways || (filter !== 'all' && list.hasMore);
  const listed = useRef({ top: NEWEST, end: OLDEST });
  const [newest] = list.generations;
  const oldest = list.generations.at(-1);
  useEffect(() => {
    if (newest && oldest) listed.current = { top: keyOf(newest), end: keyOf(oldest) };
  }, [newest, oldest]);

  const change = useCallback((shelf: Shelf, changes: Partial<Asked> = {}) => {
    setLatest((now) => {
      const own = now.whole?.shelf === shelf ? 'whole' : 'part';
      const one = now[own];
      return one?.shelf === shelf
        ? { ...now, [own]: { ...one, stretches: shelf.stretches, ...changes } }
        : now;
    });
  }, []);
  const begin = useCallback(
    (to: 'whole' | 'part', of: Filter, text: string) => {
      const shelf = new Shelf(client, queriesOf(of, text), PAGE);
      const { top } = listed.current;
      const one = { filter: of, search: text, shelf, top, stretches: [], isLoading: true, error: null };
      setLatest((now) => ({ ...now, [to]: one }));
      return shelf;
    },
    [client],
  );

  const growing = useRef(new WeakMap<Shelf, Promise<void>>());
  /** @param past the key down to which all is known already */
  const grow = useCallback(
    (shelf: Shelf, past = NEWEST) => {
      const work = async () => {
        change(shelf, { isLoading: true });
        try {
          do await shelf.grow();
          while (shelf.until !== OLDEST && shelf.until >= past);
          change(shelf, { isLoading: false, error: null });
        } catch (error) {
          change(shelf, { isLoading: false, error: ours(error) });
        }
        growing.current.delete(shelf);
      };
      const own = growing.current.get(shelf) ?? work();
      growing.current.set(shelf, own);
      return own;
    },
    [change],
  );

  useEffect(() => {
    if (!isAsked) return setLatest(({ whole }) => (whole ? { whole } : {}));
    void grow(begin('part', filter, search));
  }, [filter, search, isAsked, begin, grow]);

  // So many are new since the server was asked that some are in neither its answer nor the list.
  const isPast = (one: Asked | undefined) =>
    list.hasMore && one !== undefined && oldest !== undefined && keyOf(oldest) > one.top;
  const [isWholePast, isPartPast] = [isPast(latest.whole), !isWhole && isPast(asked)];
  useEffect(() => {
    if (isWholePast) setLatest(({ part }) => (part ? { part } : {}));
  }, [isWholePast]);
  useEffect(() => {
    if (isPartPast) void grow(begin('part', filter, search));
  }, [isPartPast, begin, grow, filter, search]);

  const shelf = asked?.shelf;
  const isOpen = asked?.stretches.some(({ found: some }) => some?.some(({ status }) => !hasEnded(status)));
  useEffect(() => {
    if (!shelf || !isOpen) return;
    const controller = new AbortController();
    const set = (one: Generation) => {
      shelf.set(one);
      change(shelf);
    };
    // The list hears of those that are in it.
    client.subscribeAll(
      ({ generationId, status, progress, queuePosition, estimatedSeconds }) => {
        const known = shelf.stretches.flatMap((one) => one.found ?? []).find(({ id }) => id === generationId);
        if (!known || hasEnded(known.status)) return;
        if (hasEnded(status)) void client.get(generationId).then(set, () => {});
        else
          set({
            ...known,
            status,
            progress,
            queue_position: queuePosition,
            estimated_seconds: estimatedSeconds,
          });
      },
      // The list's own subscription ends as well, and says so.
      { signal: controller.signal, onError: () => {} },
    );
    return () => controller.abort();
  }, [client, shelf, isOpen, change]);

  const stretches = asked?.stretches;
  const blocks = useMemo(() => {
    const { generations } = list;
    const group = isWhole ? grouped : alone;
    const isIn = (one: Generation) => letsThrough(filter, one);
    const text = search.toLowerCase();
    const shownOf = (part: Part, some: Generation[] = []) => {
      const those = some.filter(({ id }) => !gone.has(id)).map(marked);
      const ids = new Set(those.map(({ id }) => id));
      const lets = (one: Generation) =>
        isIn(one) && (ids.has(one.id) || one.prompt.toLowerCase().includes(text));
      return blockOf(group(merged(lets, generations, those, part)));
    };
    const all: Block[] = (stretches ?? []).map((one) =>
      one.found ? shownOf(one, one.found) : { sizes: one.sizes, groups: undefined },
    );
    const after = stretches?.at(-1)?.until ?? NEWEST;
    // As far as the server has not been asked yet, the list knows.
    if (!isAlways && after !== OLDEST) all.push(shownOf({ after, until: OLDEST }));
    return all;
  }, [filter, search, list, marked, gone, isWhole, isAlways, stretches]);

  const holding = useRef<Wish>(undefined);
  const again = useRef<ReturnType<typeof setTimeout>>(undefined);
  const isGone = useRef(false);
  useEffect(() => {
    isGone.current = false;
    return () => {
      isGone.current = true;
      clearTimeout(again.current);
    };
  }, []);
  const sizes = useRef<readonly Block[]>(blocks);
  useEffect(() => {
    sizes.current = blocks;
  }, [blocks]);
  const hold = useCallback(
    (wish: Wish) => {
      holding.current = wish;
      if (!shelf) return;
      const before = shelf.stretches;
      const read = shelf.hold(wish, (index) => sizes.current[index]?.sizes ?? '');
      if (shelf.stretches !== before) change(shelf);
      read?.then(
        () => change(shelf),
        (cause: unknown) => {
          const error = ours(cause);
          // What could be read beside it is there. A refusal would come again.
          if (isFinal(error)) return change(shelf, { error });
          change(shelf);
          clearTimeout(again.current);
          if (isGone.current) return;
          again.current = setTimeout(() => holding.current && hold(holding.current), AGAIN_MS);
        },
      );
    },
    [shelf, change],
  );

  return useMemo(() => {
    const until = asked?.stretches.at(-1)?.until;
    return {
      blocks,
      isLoading: list.isLoading || (asked?.isLoading ?? isAsked),
      error: list.error ?? asked?.error ?? null,
      hasMore: until === undefined ? isAlways || list.hasMore : until !== OLDEST,
      loadMore: () => {
        if (asked) return grow(asked.shelf);
        return isWhole ? grow(begin('whole', filter, search), listed.current.end) : list.loadMore();
      },
      hold,
    };
  }, [blocks, list, asked, isAsked, isAlways, isWhole, filter, search, grow, begin, hold]);
}

const isFinal = (error: PictureQueueError): boolean =>
  error instanceof ApiError && error.status < 500 && error.status !== 429;

function ours(error: unknown): PictureQueueError {
  if (error instanceof PictureQueueError) return error;
  return new ConnectionError('The server could not be reached.', { cause: error });
}
