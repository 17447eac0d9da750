import type { Generation } from 'picture-queue';
import type { Generations } from 'picture-queue/react';
import { useEffect, useEffectEvent } from 'react';
import { explain } from '../lib/explain.ts';
import { useSettled } from '../lib/settled.ts';
import { Button } from '../ui/Button.tsx';
import { Choices } from '../ui/fields.tsx';
import { Card } from './Card.tsx';
import { Empty } from './Empty.tsx';
import type { Filter } from './filter.ts';
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

const SKELETONS = ['a', 'b', 'c', 'd', 'e', 'f'];

interface FeedProps {
  list: Generations;
  /** With the marks that have just been set. */
  marked: (one: Generation) => Generation;
  filter: Filter;
  /** As it is being typed. */
  search: string;
  onFilter: (filter: Filter) => void;
  onSearch: (search: string) => void;
  onTryExample: (prompt: string) => void;
}

/** The user's pictures, those that are being made first of all since they are the newest. */
export function Feed({ list, marked, filter, search, onFilter, onSearch, onTryExample }: FeedProps) {
  const text = useSettled(search);
  const { generations: shown, isLoading, hasMore, loadMore, error } = useFiltered(filter, text, list, marked);
  const finished = shown.filter(({ status }) => status === 'completed');
  const { one: viewed, open, close } = useViewed(finished, marked);
  // What is wrong with the list itself is said above it.
  const failure = error !== list.error && error ? explain(error) : undefined;
  const isFirstLoad = isLoading && shown.length === 0;
  const isEmpty = !isLoading && !hasMore && !error && shown.length === 0;
  const isNew = isEmpty && filter === 'all' && !text && list.generations.length === 0;
  // Of the newest ones all may be archived.
  const lacks = filter === 'all' && !text && !isLoading && !error && hasMore && shown.length === 0;
  const fetchMore = useEffectEvent(() => void loadMore());
  useEffect(() => {
    if (!lacks) return;
    // Not within the end of the fetch before, which would be taken for the same one.
    const timer = setTimeout(fetchMore);
    return () => clearTimeout(timer);
  }, [lacks]);

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
          {text ? `Nothing matches “${text}”.` : NOTHING[filter]}
        </p>
      )}
      {shown.length > 0 && (
        <ul className="grid">
          {shown.map((one) => (
            <li key={one.id}>
              <Card one={one} onOpen={open} />
            </li>
          ))}
        </ul>
      )}
      {failure && (
        <p className="nothing" role="alert">
          {`${failure.title}. ${failure.text}`}
        </p>
      )}
      {hasMore && !isFirstLoad && (
        <div className="more">
          <Button busy={isLoading} onClick={() => void loadMore()}>
            {failure ? 'Try again' : 'Show older pictures'}
          </Button>
        </div>
      )}
      {viewed && <Viewer list={finished} one={viewed} onMove={open} onClose={close} />}
    </section>
  );
}
