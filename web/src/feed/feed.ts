import type { GenerateParams, Generation, Model } from 'picture-queue';
import { ConflictError } from 'picture-queue';
import { usePictureQueue } from 'picture-queue/react';
import { createContext, useCallback, useContext, useMemo } from 'react';
import { explain } from '../lib/explain.ts';
import { download, fileName } from '../lib/files.ts';
import { useMessages } from '../ui/messages.tsx';
import { again, type FollowUp, followUp } from './follow-ups.ts';
import type { Mark } from './marks.ts';
import { priceOf, unknownSources } from './wording.ts';

/** What the cards need of the studio around them; it stays the same while pictures change. */
export interface FeedContext {
  models: Model[];
  refresh: () => Promise<void>;
  /** Starts something, shows it and remembers what it was. */
  start: (params: GenerateParams, control: string) => Promise<void>;
  /** Starts the same once more with another seed, and shows it. */
  runAgain: (id: string, control: string) => Promise<void>;
  /** Takes a picture into the composer, to start another one from it. */
  takeAsSource: (one: Generation) => void;
  /** Puts what was asked for into the composer. */
  edit: (one: Generation) => void;
  /** Sets a mark on its picture. */
  mark: (one: Generation, marks: Mark) => void;
  /** Puts its picture aside, which can be undone for a while. */
  archive: (one: Generation, focusThen?: () => HTMLElement | null | undefined) => void;
  /** Deletes it, which can be undone for a while. */
  remove: (one: Generation) => void;
}

export const FeedProvider = createContext<FeedContext | null>(null);

export function useFeed(): FeedContext {
  const feed = useContext(FeedProvider);
  if (!feed) throw new Error('There is no FeedProvider around this.');
  return feed;
}

/** Of the card's element. */
export const cardId = (id: string) => `card-${id}`;

export interface Actions {
  cancel: () => Promise<void>;
  /** undefined: this browser does not know what was asked for. */
  retry: { act: () => Promise<void>; price: string } | undefined;
  download: () => Promise<void>;
  copyLink: () => Promise<void>;
  make: (operation: FollowUp) => Promise<void>;
  runAgain: () => Promise<void>;
  takeAsSource: () => void;
  edit: () => void;
  remove: () => void;
}

const STARTED: Record<FollowUp, string> = {
  variation: 'A variation is on its way.',
  upscale: 'Upscaling has started.',
  remove_background: 'The background is being removed.',
};

/** Does something, and says what came of it. */
export function useGuarded() {
  const { say } = useMessages();
  return useCallback(
    async (work: () => Promise<unknown>, done?: string) => {
      try {
        await work();
        if (done) say(done);
      } catch (error) {
        const { title, text } = explain(error);
        say(`${title}: ${text}`);
      }
    },
    [say],
  );
}

/** Cancels each of some; what is made meanwhile stays. */
export function useCancelAll(): (all: Generation[]) => Promise<void> {
  const client = usePictureQueue();
  const guarded = useGuarded();
  const { refresh } = useFeed();
  return useCallback(
    (all) =>
      guarded(async () => {
        const cancel = async ({ id }: Generation) => {
          await client.cancel(id).catch((error: unknown) => {
            if (!(error instanceof ConflictError)) throw error; // it is made, or was faster
          });
        };
        await Promise.all(all.map(cancel)).finally(refresh);
      }),
    [client, guarded, refresh],
  );
}

/** What can be done with a generation; what goes wrong is said. */
export function useActions(one: Generation): Actions {
  const client = usePictureQueue();
  const { say } = useMessages();
  const guarded = useGuarded();
  const { start, runAgain, models, takeAsSource, edit, remove, refresh } = useFeed();
  return useMemo(() => {
    const [image] = one.images;
    const params = one.status === 'completed' ? undefined : again(one);
    return {
      cancel: () =>
        guarded(async () => {
          try {
            await client.cancel(one.id);
          } catch (error) {
            if (!(error instanceof ConflictError)) throw error;
            say('Too late to cancel: it is made already, or has ended.');
          }
          await refresh();
        }),
      retry: params && {
        act: () => guarded(() => start(params, `retry ${one.id}`), 'Trying again.'),
        price: priceOf(
          models.find(({ id }) => id === params.model_id),
          params.scale,
          unknownSources(params),
        ),
      },
      download: () =>
        guarded(async () => image && (await download(image.url, fileName(one.prompt, image.format)))),
      copyLink: () =>
        guarded(async () => image && (await navigator.clipboard.writeText(image.url)), 'Link copied.'),
      make: (operation) =>
        guarded(async () => {
          const next = followUp(operation, one, models);
          if (!next) throw new Error('No model can do that at the moment.');
          await start(next, operation);
        }, STARTED[operation]),
      runAgain: () => guarded(() => runAgain(one.id, 'run again'), 'Another one is on its way.'),
      takeAsSource: () => takeAsSource(one),
      edit: () => edit(one),
      remove: () => remove(one),
    };
  }, [client, say, guarded, start, runAgain, models, takeAsSource, edit, remove, refresh, one]);
}
