import type { Generation } from 'picture-queue';
import { useState } from 'react';
import { ago, money } from '../lib/format.ts';
import { useNow } from '../lib/now.ts';
import { Button } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import { useActions, useFeed } from './feed.ts';
import { Picture } from './Picture.tsx';
import { PictureActions } from './PictureActions.tsx';
import { hasEnded, modelName, outlook, statusName, whyFailed } from './wording.ts';

const MINUTE_MS = 60_000;

/** One generation, from waiting in line to the finished picture. */
export function Card({ one, onOpen }: { one: Generation; onOpen: () => void }) {
  const { models } = useFeed();
  const now = useNow(MINUTE_MS);
  const name = `card-${one.id}`;
  return (
    <article className={`card ${one.status}`} aria-labelledby={name}>
      <div className="frame">
        {one.status === 'completed' ? <Picture one={one} onOpen={onOpen} /> : <Unfinished one={one} />}
      </div>
      <p className="card-prompt" id={name}>
        {one.prompt}
      </p>
      <p className="card-meta">
        <span>{modelName(models, one.model_id)}</span>
        {one.cost_usd !== null && <span>{money(one.cost_usd)}</span>}
        <time dateTime={one.created_at}>{ago(one.created_at, now)}</time>
      </p>
      {one.status === 'completed' && <PictureActions one={one} />}
    </article>
  );
}

function Unfinished({ one }: { one: Generation }) {
  return hasEnded(one.status) ? <Ended one={one} /> : <Underway one={one} />;
}

function Underway({ one }: { one: Generation }) {
  const { cancel } = useActions(one);
  const [cancelling, setCancelling] = useState(false);
  const waiting = one.status === 'queued';
  return (
    <div className={`underway ${one.status}`}>
      <p className="state">
        <span className="pulse" aria-hidden="true" />
        {statusName(one.status)}
        {!waiting && <span className="percent"> {one.progress} %</span>}
      </p>
      <p className="outlook">{outlook(one)}</p>
      <div
        className="bar"
        role="progressbar"
        aria-label={`${statusName(one.status)}: ${one.prompt.slice(0, 80)}`}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(waiting ? { 'aria-valuetext': outlook(one) || 'Waiting' } : { 'aria-valuenow': one.progress })}
      >
        <span style={{ transform: `scaleX(${waiting ? 0 : Math.max(one.progress, 4) / 100})` }} />
      </div>
      <Button
        kind="quiet"
        busy={cancelling}
        onClick={async () => {
          setCancelling(true);
          await cancel();
          setCancelling(false);
        }}
      >
        Cancel
      </Button>
    </div>
  );
}

function Ended({ one }: { one: Generation }) {
  const { retry } = useActions(one);
  const [retrying, setRetrying] = useState(false);
  const failed = one.status === 'failed';
  return (
    <div className="ended">
      <Icon name={failed ? 'alert' : 'close'} />
      <p className="state">{statusName(one.status)}</p>
      {failed && <p className="why">{whyFailed(one)}</p>}
      {!failed && one.error?.message && <p className="why">{one.error.message}</p>}
      {retry && (
        <Button
          icon="retry"
          busy={retrying}
          onClick={async () => {
            setRetrying(true);
            await retry();
            setRetrying(false);
          }}
        >
          Retry
        </Button>
      )}
    </div>
  );
}
