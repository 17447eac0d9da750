import type { Generation } from 'picture-queue';
import type { Generations } from 'picture-queue/react';
import { memo, useDeferredValue, useMemo } from 'react';
import { explain } from '../lib/explain.ts';
import { count } from '../lib/format.ts';
import { useSettled } from '../lib/settled.ts';
import { Choices } from '../ui/fields.tsx';
import { Batch } from './Batch.tsx';
import { Card } from './Card.tsx';
import { Empty } from './Empty.tsx';
import type { Filter } from './filter.ts';
import { alone, type Group, grouped } from './groups.ts';
import { KeptPlace } from './KeptPlace.tsx';
import { More } from './More.tsx';
import { Search } from './Search.tsx';
import { useFiltered } from './use-filtered.ts';
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

/** So many cards are drawn whole at once, before it is known what is on the screen. */
const FIRST = 12;
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
  const {
    generations: shown,
    isLoading,
    hasMore,
    loadMore,
    error,
  } = useFiltered(drawn, text, list, marked, gone);
  const finished = useMemo(() => shown.filter(({ status }) => status === 'completed'), [shown]);
  const { one: viewed, open, close } = useViewed(finished, marked);
  const whole = drawn === 'all' && !text;
  const groups = useMemo(() => (whole ? grouped(shown) : alone(shown)), [whole, shown]);
  // What is wrong with the list itself is said above it.
  const failure = error !== list.error && error ? explain(error) : undefined;
  const isFirstLoad = isLoading && shown.length === 0;
  const isEmpty = !isLoading && !hasMore && !error && shown.length === 0;
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
      {shown.length > 0 && <Pictures groups={groups} onOpen={open} />}
      {failure && (
        <p className="nothing" role="alert">
          {`${failure.title}. ${failure.text}`}
        </p>
      )}
      {hasMore && !isFirstLoad && <More isLoading={isLoading} failed={error !== null} loadMore={loadMore} />}
      {!hasMore && !isLoading && shown.length >= MANY && (
        <p className="nothing" role="status">
          {`That is all: ${count(shown.length, 'picture')}.`}
        </p>
      )}
      {viewed && <Viewer list={finished} one={viewed} gone={gone} onMove={open} onClose={close} />}
    </section>
  );
});

interface PicturesProps {
  groups: Group[];
  onOpen: (id: string) => void;
}

const Pictures = memo(function Pictures({ groups, onOpen }: PicturesProps) {
  return (
    <KeptPlace list={groups}>
      <ul className="grid">
        {groups.map(({ id, all }, index) =>
          all.length > 1 ? (
            <li key={id} className="together">
              <Batch all={all} onOpen={onOpen} isFirst={index < FIRST} />
            </li>
          ) : (
            <Card key={id} one={all[0]} onOpen={onOpen} isFirst={index < FIRST} />
          ),
        )}
      </ul>
    </KeptPlace>
  );
});
