import { ConnectionError, type Generation, PictureQueueError } from 'picture-queue';
import { type Generations, usePictureQueue } from 'picture-queue/react';
import { useCallback, useEffect, useMemo, useState } from 'react';
import {
  type Filter,
  further,
  isAlwaysAsked,
  letsThrough,
  merged,
  NOTHING_YET,
  queriesOf,
  Rows,
} from './filter.ts';
import { hasEnded } from './wording.ts';

const PAGE = 24;

/** What the server has answered, for one choice of the filter and one text to look for. */
interface Asked {
  filter: Filter;
  search: string;
  rows: Rows;
  found: Generation[];
  isLoading: boolean;
  error: PictureQueueError | null;
}

/**
 * Of all the user's generations those that the filter lets through, and whose prompt has the text in it: where the list does not hold them
 * all, the server is asked.
 *
 * @param marked puts the latest marks on one
 * @param gone have been deleted here
 */
export function useFiltered(
  filter: Filter,
  search: string,
  list: Generations,
  marked: (one: Generation) => Generation,
  gone: ReadonlySet<string>,
): Generations {
  const client = usePictureQueue();
  const [latest, setAsked] = useState<Asked>();
  const asked = latest?.filter === filter && latest.search === search ? latest : undefined;
  const isAlways = isAlwaysAsked(filter, search);
  const isAsked = isAlways || (filter !== 'all' && list.hasMore);

  const fetchMore = useCallback(async (rows: Rows) => {
    const change = (changes: Partial<Asked>) =>
      setAsked((now) => (now?.rows === rows ? { ...now, found: rows.found, ...changes } : now));
    change({ isLoading: true });
    try {
      await rows.more();
      change({ isLoading: false, error: null });
    } catch (error) {
      change({ isLoading: false, error: ours(error) });
    }
  }, []);

  useEffect(() => {
    if (!isAsked) return setAsked(undefined);
    const rows = new Rows(client, queriesOf(filter, search), PAGE);
    setAsked({ filter, search, rows, found: [], isLoading: true, error: null });
    void fetchMore(rows);
  }, [client, filter, search, isAsked, fetchMore]);

  const rows = asked?.rows;
  useEffect(() => {
    if (!rows || filter !== 'open') return;
    const set = (one: Generation) => {
      rows.set(one);
      setAsked((now) => (now?.rows === rows ? { ...now, found: rows.found } : now));
    };
    const controller = new AbortController();
    // The list hears of those that are in it.
    client.subscribeAll(
      ({ generationId, status, progress, queuePosition, estimatedSeconds }) => {
        const known = rows.found.find(({ id }) => id === generationId);
        if (!known) return;
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
  }, [client, filter, rows]);

  return useMemo(() => {
    const { generations, hasMore, loadMore } = list;
    const isIn = (one: Generation) => letsThrough(filter, one);
    if (filter === 'all' && !isAlways) return { ...list, generations: generations.filter(isIn) };
    const listed = hasMore ? generations.at(-1)?.created_at : undefined;
    const known = isAlways ? NOTHING_YET : listed;
    const horizon = further(known, asked ? asked.rows.horizon : known);
    const found = asked?.found.filter(({ id }) => !gone.has(id)).map(marked) ?? [];
    const foundIds = new Set(found.map(({ id }) => id));
    const text = search.toLowerCase();
    const lets = (one: Generation) =>
      isIn(one) && (foundIds.has(one.id) || one.prompt.toLowerCase().includes(text));
    return {
      ...list,
      generations: merged(lets, generations, found, horizon),
      isLoading: list.isLoading || (isAsked && (asked?.isLoading ?? true)),
      error: list.error ?? asked?.error ?? null,
      hasMore: horizon !== undefined,
      loadMore: async () => (asked ? fetchMore(asked.rows) : loadMore()),
    };
  }, [filter, search, list, marked, gone, isAlways, isAsked, asked, fetchMore]);
}

function ours(error: unknown): PictureQueueError {
  if (error instanceof PictureQueueError) return error;
  return new ConnectionError('The server could not be reached.', { cause: error });
}
