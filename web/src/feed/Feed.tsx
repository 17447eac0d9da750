import type { Generation } from 'picture-queue';
import type { Generations } from 'picture-queue/react';
import { explain } from '../lib/explain.ts';
import { Button } from '../ui/Button.tsx';
import { Choices } from '../ui/fields.tsx';
import { Card } from './Card.tsx';
import { Empty } from './Empty.tsx';
import type { Filter } from './filter.ts';
import { useFiltered } from './use-filtered.ts';
import { Viewer } from './Viewer.tsx';
import { useViewed } from './viewed.ts';

const NOTHING: Record<Exclude<Filter, 'all'>, string> = {
  open: 'Nothing is in progress.',
  done: 'No finished pictures yet.',
  failed: 'Nothing has failed.',
  favorites: 'No favourites yet. The heart on a picture makes it one.',
};

const SKELETONS = ['a', 'b', 'c', 'd', 'e', 'f'];

interface FeedProps {
  list: Generations;
  /** With the marks that have just been set. */
  marked: (one: Generation) => Generation;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  onTryExample: (prompt: string) => void;
}

/** The user's pictures, those that are being made first of all since they are the newest. */
export function Feed({ list, marked, filter, onFilter, onTryExample }: FeedProps) {
  const { generations: shown, isLoading, hasMore, loadMore, error } = useFiltered(filter, list, marked);
  const finished = shown.filter(({ status }) => status === 'completed');
  const { one: viewed, open, close } = useViewed(finished, marked);
  // What is wrong with the list itself is said above it.
  const failure = error !== list.error && error ? explain(error) : undefined;
  const isFirstLoad = isLoading && shown.length === 0;
  const isEmpty = !isLoading && !hasMore && !error && shown.length === 0;

  return (
    <section className="feed" aria-labelledby="feed-title" aria-busy={isFirstLoad}>
      <header className="feed-head">
        <h2 id="feed-title" tabIndex={-1}>
          Your pictures
        </h2>
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
      {isEmpty && filter === 'all' && <Empty onTry={onTryExample} />}
      {isEmpty && filter !== 'all' && <p className="nothing">{NOTHING[filter]}</p>}
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
