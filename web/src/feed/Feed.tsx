import type { Generation } from 'picture-queue';
import type { Generations } from 'picture-queue/react';
import { memo, useDeferredValue, useMemo } from 'react';
import { explain } from '../lib/explain.ts';
import { count } from '../lib/format.ts';
import { useSettled } from '../lib/settled.ts';
import { Choices } from '../ui/fields.tsx';
import { Empty } from './Empty.tsx';
import type { Filter } from './filter.ts';
import { countOf, finishedAround, finishedOf } from './groups.ts';
import { useHeld } from './held.ts';
import { More } from './More.tsx';
import { Pictures } from './Pictures.tsx';
import { Search } from './Search.tsx';
import { useShown } from './use-shown.ts';
import { Viewer } from './Viewer.tsx';
import { useViewed } from './viewed.ts';

const NOTHING: Record<Filter, string> = {
  all: 'All your pictures are archived.',
  open: 'Nothing is in progress.',
  done: 'No finished pictures yet.',
  failed: 'Nothing has failed.',
  favorites: 'No favourites yet. The heart on a picture makes it one.',
  archived: 'Nothing is archived.',
};

/** From so many on the end of them is worth a word. */
const MANY = 12;

const SKELETONS = ['a', 'b', 'c', 'd', 'e', 'f'];

interface FeedProps {
  list: Generations;
  /** With the marks that have just been set. */
  marked: (one: Generation) => Generation;
  /** Those that have been deleted here. */
  gone: ReadonlySet<string>;
  filter: Filter;
  /** As it is being typed. */
  search: string;
  onFilter: (filter: Filter) => void;
  onSearch: (search: string) => void;
  onTryExample: (prompt: string) => void;
}

/** The user's pictures, those that are being made first of all since they are the newest. */
export const Feed = memo(function Feed(props: FeedProps) {
  const { list, marked, gone, filter, search, onFilter, onSearch, onTryExample } = props;
  const text = useSettled(search);
  // The choice is shown at once, what it lets through as soon as that is drawn.
  const drawn = useDeferredValue(filter);
  const { blocks, isLoading, hasMore, loadMore, error, hold } = useShown(drawn, text, list, marked, gone);
  const amount = useMemo(() => blocks.reduce((sum, { sizes }) => sum + countOf(sizes), 0), [blocks]);
  const finished = useMemo(() => finishedOf(blocks), [blocks]);
  const { one: viewed, open, close } = useViewed(finished, marked);
  const viewedId = viewed?.id;
  /** The arrows go from one to the next: what has been let go of in between would be passed over. */
  const around = useMemo(() => (viewedId ? finishedAround(blocks, viewedId) : []), [blocks, viewedId]);
  const setNear = useHeld(blocks, viewedId, hold);
  const whole = drawn === 'all' && !text;
  // What is wrong with the list itself is said above it.
  const failure = error !== list.error && error ? explain(error) : undefined;
  const isFirstLoad = isLoading && amount === 0;
  const isEmpty = !isLoading && !hasMore && !error && amount === 0;
  const isNew = isEmpty && whole && list.generations.length === 0;

  return (
    <section className="feed" aria-labelledby="feed-title" aria-busy={isFirstLoad}>
      <header className="feed-head">
        <h2 id="feed-title" tabIndex={-1}>
          Your pictures
        </h2>
        <Search value={search} onChange={onSearch} />
        <Choices
          label="Show"
          hideLabel
          value={filter}
          choices={[
            { value: 'all', label: 'All' },
            { value: 'open', label: 'In progress' },
            { value: 'done', label: 'Finished' },
            { value: 'failed', label: 'Failed' },
            { value: 'favorites', label: 'Favourites' },
            { value: 'archived', label: 'Archived' },
          ]}
          onChange={onFilter}
        />
      </header>
      {isFirstLoad && (
        <div className="grid" aria-hidden="true">
          {SKELETONS.map((key) => (
            <div className="card skeleton" key={key}>
              <div className="frame" />
              <div className="line" />
              <div className="line short" />
            </div>
          ))}
        </div>
      )}
      {isNew && <Empty onTry={onTryExample} />}
      {isEmpty && !isNew && (
        <p className="nothing" role="status">
          {text ? `Nothing matches “${text}”.` : NOTHING[drawn]}
        </p>
      )}
      {amount > 0 && <Pictures blocks={blocks} hasMore={hasMore} onOpen={open} onNear={setNear} />}
      {failure && (
        <p className="nothing" role="alert">
          {`${failure.title}. ${failure.text}`}
        </p>
      )}
      {hasMore && !isFirstLoad && <More isLoading={isLoading} failed={error !== null} loadMore={loadMore} />}
      {!hasMore && !isLoading && amount >= MANY && (
        <p className="nothing" role="status">
          {`That is all: ${count(amount, 'picture')}.`}
        </p>
      )}
      {viewed && (
        <Viewer
          list={around}
          one={viewed}
          gone={gone}
          onEnd={hasMore && !isLoading && !error ? loadMore : undefined}
          onMove={open}
          onClose={close}
        />
      )}
    </section>
  );
});
