import type { Generation } from 'picture-queue';
import { memo, type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { ago, money } from '../lib/format.ts';
import { useNow } from '../lib/now.ts';
import { Button } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import { cardId, useActions, useFeed } from './feed.ts';
import { Heart } from './Heart.tsx';
import { Picture } from './Picture.tsx';
import { PictureActions } from './PictureActions.tsx';
import { hasEnded, modelName, outlook, statusName, whyFailed } from './wording.ts';

const MINUTE_MS = 60_000;
interface CardProps {
  one: Generation;
  onOpen: (id: string) => void;
}

/** One generation in a list, from waiting in line to the finished picture. */
export const Card = memo(function Card({ one, onOpen }: CardProps) {
  const { models } = useFeed();
  const now = useNow(MINUTE_MS);
  const name = `${cardId(one.id)}-prompt`;
  const card = useRef<HTMLElement>(null);
  const frame = useFocusKept(card, one.status);
  return (
    <article
      className={`card ${one.status}`}
      id={cardId(one.id)}
      aria-labelledby={name}
      ref={card}
      tabIndex={-1}
    >
      <div className="frame" ref={frame}>
        {one.status === 'completed' ? (
          <>
            <Picture one={one} onOpen={() => onOpen(one.id)} />
            <Heart one={one} />
          </>
        ) : (
          <Unfinished one={one} />
        )}
      </div>
      <p className="card-prompt" id={name} translate="no">
        {one.prompt}
      </p>
      <p className="card-meta">
        <span translate="no">{modelName(models, one.model_id)}</span>
        {one.cost_usd !== null && <span translate="no">{money(one.cost_usd)}</span>}
        <time dateTime={one.created_at}>{ago(one.created_at, now)}</time>
      </p>
      {one.parent_id && <From id={one.parent_id} onOpen={onOpen} />}
      {one.status === 'completed' && <PictureActions one={one} />}
    </article>
  );
});

function From({ id, onOpen }: { id: string; onOpen: (id: string) => void }) {
  return (
    <button type="button" className="text-button from" aria-haspopup="dialog" onClick={() => onOpen(id)}>
      From an earlier picture
    </button>
  );
}

/** Where the focused button goes with a stage, such as Cancel, the card itself takes the focus. */
function useFocusKept(card: RefObject<HTMLElement | null>, status: Generation['status']) {
  const frame = useRef<HTMLDivElement>(null);
  const hadFocus = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: with each stage the frame has other contents.
  useLayoutEffect(() => {
    if (hadFocus.current && document.activeElement === document.body) card.current?.focus();
    const element = frame.current;
    const note = () => {
      hadFocus.current = element?.contains(document.activeElement) ?? false;
    };
    note();
    // What is removed with the focus on it tells nothing, so that the last note stays.
    document.addEventListener('focusin', note);
    return () => document.removeEventListener('focusin', note);
  }, [status]);
  return frame;
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
        <span>{statusName(one)}</span>
        {!waiting && <span className="percent" translate="no">{` ${one.progress} %`}</span>}
      </p>
      <p className="outlook">{outlook(one)}</p>
      <div
        className="bar"
        role="progressbar"
        aria-label={`${statusName(one)}: ${one.prompt.slice(0, 80)}`}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(waiting ? { 'aria-valuetext': outlook(one) || 'Waiting' } : { 'aria-valuenow': one.progress })}
      >
        <span style={{ transform: `scaleX(${waiting ? 0 : Math.max(one.progress, 4) / 100})` }} />
      </div>
      {/* From `downloading` on the picture is made and paid for. */}
      {one.status !== 'downloading' && (
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
      )}
    </div>
  );
}

/** For so long a press was meant for what stood there before, Cancel for one: it does not spend. Milliseconds. */
const SETTLING_MS = 600;

function useSettling(): boolean {
  const [settling, setSettling] = useState(true);
  useEffect(() => {
    const timer = setTimeout(() => setSettling(false), SETTLING_MS);
    return () => clearTimeout(timer);
  }, []);
  return settling;
}

function Ended({ one }: { one: Generation }) {
  const { retry, edit, remove } = useActions(one);
  const [retrying, setRetrying] = useState(false);
  const settling = useSettling();
  const failed = one.status === 'failed';
  const why = failed ? whyFailed(one) : one.error?.message;
  return (
    <div className="ended">
      <Icon name={failed ? 'alert' : 'close'} />
      <p className="state">{statusName(one)}</p>
      {why && <p className="why">{why}</p>}
      <div className="ways">
        {retry && (
          <Button
            icon="retry"
            busy={retrying}
            waiting={settling}
            acts
            onClick={async () => {
              setRetrying(true);
              await retry.act();
              setRetrying(false);
            }}
          >
            {`Retry · ${retry.price}`}
          </Button>
        )}
        <Button icon="edit" onClick={edit}>
          Edit
        </Button>
        <Button kind="quiet" acts onClick={remove}>
          Dismiss
        </Button>
      </div>
    </div>
  );
}
