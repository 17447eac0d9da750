import type { Generation } from 'picture-queue';
import type { Generations } from 'picture-queue/react';
import { useState } from 'react';
import { Button } from '../ui/Button.tsx';
import { Choices } from '../ui/fields.tsx';
import { Card } from './Card.tsx';
import { Empty } from './Empty.tsx';
import { Viewer } from './Viewer.tsx';
import { hasEnded } from './wording.ts';

type Filter = 'all' | 'open' | 'done' | 'failed';

const MATCHES: Record<Filter, (one: Generation) => boolean> = {
  all: () => true,
  open: ({ status }) => !hasEnded(status),
  done: ({ status }) => status === 'completed',
  failed: ({ status }) => status === 'failed' || status === 'cancelled',
};

const NOTHING: Record<Exclude<Filter, 'all'>, string> = {
  open: 'Nothing is being made at the moment.',
  done: 'No finished pictures here yet.',
  failed: 'Nothing has failed.',
};

const SKELETONS = ['a', 'b', 'c', 'd', 'e', 'f'];

interface FeedProps {
  list: Generations;
  onTryExample: (prompt: string) => void;
}

/** The user's pictures, those that are being made first of all since they are the newest. */
export function Feed({ list, onTryExample }: FeedProps) {
  const { generations, isLoading, hasMore, loadMore, error } = list;
  const [filter, setFilter] = useState<Filter>('all');
  const [viewed, setViewed] = useState<string>();
  const shown = generations.filter(MATCHES[filter]);
  const finished = shown.filter(MATCHES.done);
  const isFirstLoad = isLoading && generations.length === 0;

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
          ]}
          onChange={setFilter}
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
      {!isLoading && !error && generations.length === 0 && <Empty onTry={onTryExample} />}
      {filter !== 'all' && generations.length > 0 && shown.length === 0 && (
        <p className="nothing">{NOTHING[filter]}</p>
      )}
      {shown.length > 0 && (
        <ul className="grid">
          {shown.map((one) => (
            <li key={one.id}>
              <Card one={one} onOpen={setViewed} />
            </li>
          ))}
        </ul>
      )}
      {hasMore && (
        <div className="more">
          <Button busy={isLoading} onClick={() => void loadMore()}>
            Show older pictures
          </Button>
        </div>
      )}
      {viewed && (
        <Viewer list={finished} id={viewed} onMove={setViewed} onClose={() => setViewed(undefined)} />
      )}
    </section>
  );
}
