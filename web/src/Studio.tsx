import { createClient, type GenerateParams, type Generation } from 'picture-queue';
import { createLibrary, type Library, type Usage } from 'picture-queue/library';
import { PictureQueueProvider, useGenerations, useModels, usePictureQueue } from 'picture-queue/react';
import { memo, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { AccountDialog } from './account/AccountDialog.tsx';
import type { Account, Auth } from './auth/session.ts';
import { Banners } from './Banners.tsx';
import { Composer } from './composer/Composer.tsx';
import { imagesOf, keyOf, ownPicture, stillThere } from './composer/chosen.ts';
import { type Change, changed, type Draft, EMPTY_DRAFT } from './composer/draft.ts';
import { draftOf } from './composer/redraft.ts';
import { chosenOf } from './composer/resolve.ts';
import { ToComposer } from './composer/ToComposer.tsx';
import { useArchive } from './feed/archive.ts';
import { useArrivals } from './feed/arrivals.ts';
import { useDeletions } from './feed/deletions.ts';
import { Feed } from './feed/Feed.tsx';
import { FeedProvider, useGuarded } from './feed/feed.ts';
import type { Filter } from './feed/filter.ts';
import { askedFor, remember } from './feed/follow-ups.ts';
import { useMarks } from './feed/marks.ts';
import { nextAfter, useComingTo } from './feed/places.ts';
import { announcement, hasEnded } from './feed/wording.ts';
import { Header } from './Header.tsx';
import type { Config } from './lib/config.ts';
import { forgetStarts, once } from './lib/once.ts';
import { useOnline } from './lib/online.ts';
import { type Remover, remover } from './lib/remove.ts';
import { renewing } from './lib/renewing.ts';
import { keep, recall } from './lib/storage.ts';
import { createUploads, UploadsProvider, useUploads } from './lib/uploads.ts';
import { useUsage } from './lib/usage.ts';
import { Boundary } from './ui/Boundary.tsx';
import { useMessages } from './ui/messages.tsx';

const PAGE = 24;
const CHOOSE_AGAIN =
  'The settings are back in the form. Not all that it was made from is still there: choose it again.';

interface StudioProps {
  config: Config;
  account: Account;
  auth: Auth;
}

/** For a user who is signed in. */
export function Studio({ config, account, auth }: StudioProps) {
  const { getToken, signOut, renew } = auth;
  const [client, library, removes, uploads] = useMemo(() => {
    const fetch = renewing(getToken, renew);
    const options = { url: location.origin, getToken, fetch };
    const client = createClient(options);
    const uploads = createUploads(client, config, account.id, getToken);
    return [client, createLibrary(options), remover(getToken, fetch), uploads];
  }, [config, account.id, getToken, renew]);
  const [isOpen, openAccount] = useState(false);
  const { usage, renew: renewUsage } = useUsage(library);
  const leave = useCallback(() => {
    forget();
    void signOut();
  }, [signOut]);
  return (
    <PictureQueueProvider client={client}>
      <a className="skip" href="#feed-title">
        Skip to your pictures
      </a>
      <Header {...{ usage }} email={account.email} onAccount={() => openAccount(true)} onSignOut={leave} />
      <Boundary>
        <UploadsProvider value={uploads}>
          <Desk {...{ library, removes, usage, renewUsage }} />
        </UploadsProvider>
        {isOpen && <AccountDialog {...{ account, auth, usage, forget }} onClose={() => openAccount(false)} />}
      </Boundary>
    </PictureQueueProvider>
  );
}

/** What a user wrote is not for the user who signs in next. */
function forget(): void {
  keep('draft', EMPTY_DRAFT);
  keep('asked', []);
  forgetStarts();
}

interface DeskProps {
  library: Library;
  removes: Remover;
  usage: Usage | undefined;
  renewUsage: () => void;
}

const Desk = memo(function Desk({ library, removes, usage, renewUsage }: DeskProps) {
  const client = usePictureQueue();
  const uploads = useUploads();
  const online = useOnline();
  const { say } = useMessages();
  const { models, error: modelsError, refresh: refreshModels } = useModels();
  const list = useGenerations({ limit: PAGE });
  const { error, refresh, isLoading, hasMore, loadMore } = list;
  const { gone, remove: removeOne } = useDeletions(removes);
  const { mark, marked } = useMarks(library);
  const arrived = useArrivals(list.generations);
  const archive = useArchive(mark);
  const generations = useMemo(
    () => arrived.filter(({ id }) => !gone.has(id)).map(marked),
    [arrived, gone, marked],
  );
  const shown = useMemo(
    () => ({ generations, isLoading, error, hasMore, loadMore, refresh }),
    [generations, isLoading, error, hasMore, loadMore, refresh],
  );
  const [draft, change] = useDraft();
  const [filter, setFilter] = useState<Filter>('all');
  const [search, setSearch] = useState('');
  const composer = useRef<HTMLDivElement>(null);
  const comeTo = useComingTo();
  useAnnouncements(generations);
  useTitle(generations);
  useEnds(list.generations, renewUsage);

  const model =
    models.find(({ id }) => id === draft.modelId) ?? models.find((one) => one.is_default) ?? models[0];
  const own = useMemo(
    () => generations.filter(({ images: [image] }) => image && image.archived_at === null),
    [generations],
  );

  const isNarrowed = useRef(false);
  useEffect(() => {
    isNarrowed.current = filter !== 'all' || search !== '';
  }, [filter, search]);
  /** Shows what was started, which a filter or a search would hide: one would start it once more. */
  const show = useCallback(
    async (ids: string[]) => {
      const wasNarrowed = isNarrowed.current;
      setFilter('all');
      setSearch('');
      await refresh();
      comeTo(ids, wasNarrowed);
    },
    [refresh, comeTo],
  );
  const start = useMemo(
    () =>
      once(async (params: GenerateParams, idempotencyKey) => {
        const started = await client.start(params, { idempotencyKey }).finally(renewUsage);
        const ids = (started.generations ?? [started]).map(({ generation_id }) => generation_id);
        remember(ids, params);
        await show(ids);
      }),
    [client, renewUsage, show],
  );
  const runAgain = useMemo(
    () =>
      once(async (id: string, idempotencyKey) => {
        // Its own seed would give the same picture.
        const rerun = library.rerun(id, { seed: null }, { idempotencyKey });
        const { generation_id } = await rerun.finally(renewUsage);
        await show([generation_id]);
      }),
    [library, renewUsage, show],
  );
  const toComposer = useCallback(() => {
    // After a dialog that closes has given the focus back.
    requestAnimationFrame(() => {
      composer.current?.scrollIntoView({ block: 'start' });
      composer.current?.querySelector('textarea')?.focus();
    });
  }, []);
  const takeAsSource = useCallback(
    (one: Generation) => {
      const picture = ownPicture(one);
      if (!picture) return;
      const most = model?.supports.max_source_images ?? 0;
      const other = models.find(({ operations }) => operations.includes('variation'));
      change(({ sources }) => {
        const rest = sources.filter((each) => keyOf(each) !== keyOf(picture));
        // It joins the others where there is room; or else it takes the place of the first.
        const isOneMore = rest.length > 0 && rest.length < most;
        return {
          sources: isOneMore ? [...rest, picture] : [picture, ...rest.slice(1)],
          ...(most > 0 || !other ? {} : { modelId: other.id }),
        };
      });
      toComposer();
    },
    [model, models, change, toComposer],
  );
  const guarded = useGuarded();
  const edits = useRef(0);
  const edit = useCallback(
    (one: Generation) =>
      guarded(async () => {
        edits.current += 1;
        const own = edits.current;
        const asked = askedFor(one);
        const { sources, mask } = imagesOf(asked);
        const named = mask ? [...sources, mask] : sources;
        const found = await Promise.all(named.map((image) => chosenOf(image, client, uploads)));
        // Another one's settings are wanted by now.
        if (own !== edits.current) return;
        const isFirstThere = found[0] !== undefined;
        const again = draftOf(
          asked,
          models.find((each) => each.id === asked.model_id),
          {
            sources: found.slice(0, sources.length).filter((each) => each !== undefined),
            // Of another picture it would be no mask.
            mask: isFirstThere ? found[sources.length] : undefined,
          },
        );
        change(again);
        toComposer();
        say(again.lacks ? CHOOSE_AGAIN : 'The prompt and its settings are back in the form.');
      }),
    [guarded, client, uploads, models, change, toComposer, say],
  );
  const onTryExample = useCallback(
    (prompt: string) => {
      change({ mode: 'one', prompts: [prompt] });
      toComposer();
    },
    [change, toComposer],
  );
  const remove = useCallback((one: Generation) => removeOne(one, nextAfter(one)), [removeOne]);
  const feed = useMemo(
    () => ({ refresh, models, start, runAgain, takeAsSource, edit, mark, archive, remove }),
    [refresh, models, start, runAgain, takeAsSource, edit, mark, archive, remove],
  );

  return (
    <FeedProvider value={feed}>
      <Banners
        online={online}
        error={error ?? modelsError}
        retry={async () => {
          await Promise.all([refresh(), models.length === 0 ? refreshModels() : undefined]);
        }}
      />
      <main className="desk">
        <h1 className="hidden">Studio</h1>
        <div className="desk-composer" ref={composer}>
          {model ? (
            <Composer {...{ models, model, draft, change, own, start, online, usage }} />
          ) : (
            <div className="composer skeleton" aria-hidden="true" />
          )}
        </div>
        <Feed
          {...{ list: shown, marked, gone, filter, search, onTryExample }}
          onFilter={setFilter}
          onSearch={setSearch}
        />
        <ToComposer composer={composer} go={toComposer} />
      </main>
    </FeedProvider>
  );
});

/** What stands in the composer, kept over reloads. */
function useDraft(): [Draft, Change] {
  const [draft, setDraft] = useState<Draft>(() => {
    const kept = recall<Partial<Draft>>('draft', {});
    return { ...EMPTY_DRAFT, ...kept, ...stillThere(kept) };
  });
  useEffect(() => keep('draft', draft), [draft]);
  const change = useCallback<Change>(
    (changes) =>
      setDraft((before) => changed(before, typeof changes === 'function' ? changes(before) : changes)),
    [],
  );
  return [draft, change];
}

/** Calls when one of them has ended, or one of another tab or app has begun. */
function useEnds(generations: Generation[], call: () => void) {
  const open = generations.filter(({ status }) => !hasEnded(status)).map(({ id }) => id);
  const key = open.join();
  const before = useRef(key);
  useEffect(() => {
    if (before.current !== key) call();
    before.current = key;
  }, [key, call]);
}

/** How many are being made, in the tab's title, for a user who looks at another page meanwhile. */
function useTitle(generations: Generation[]) {
  const open = generations.filter(({ status }) => !hasEnded(status)).length;
  useEffect(() => {
    document.title = open > 0 ? `(${open}) Picture Queue` : 'Picture Queue';
  }, [open]);
}

/** Has it read out when a generation goes on to its next stage. */
function useAnnouncements(generations: Generation[]) {
  const { announce } = useMessages();
  const before = useRef(new Map<string, Generation['status']>());
  useEffect(() => {
    const news = generations.flatMap((one) => announcement(before.current.get(one.id), one) ?? []);
    before.current = new Map(generations.map(({ id, status }) => [id, status]));
    if (news.length > 0) announce(news.join('. '));
  }, [generations, announce]);
}
