import { useEffect } from 'react';
import type { Notice } from '../lib/explain.ts';
import { clock, duration } from '../lib/format.ts';
import { useNow } from '../lib/now.ts';
import { Banner } from '../ui/Banner.tsx';
import type { Excess } from './allowance.ts';

/** Why nothing was started, and from when on it may be. */
export function Problem({ notice, onOver }: { notice: Notice; onOver: () => void }) {
  const { title, text, retryAt } = notice;
  return (
    <Banner tone="bad" title={title}>
      <span>{text}</span>
      {retryAt && <Countdown until={retryAt} onOver={onOver} />}
    </Banner>
  );
}

/** What the plan does not allow any more, before it is asked for. */
export function Limit({ excess: { text, until } }: { excess: Excess }) {
  return (
    <Banner tone="warn" title="Limit reached">
      <span>{text}</span>
      {until && (
        <>
          {' '}
          <span>It starts again at</span> <time dateTime={until.toISOString()}>{clock(until)}</time>
          <span>.</span>
        </>
      )}
    </Banner>
  );
}

function Countdown({ until, onOver }: { until: Date; onOver: () => void }) {
  const left = (until.getTime() - useNow(1_000)) / 1_000;
  const isOver = left <= 0;
  useEffect(() => {
    if (isOver) onOver();
  }, [isOver, onOver]);
  return (
    <>
      {' '}
      <span>Try again at</span> <time dateTime={until.toISOString()}>{clock(until)}</time>
      {/* Counted for the eye alone: read out each second it would be a torment. */}
      <span aria-hidden="true">{` (in ${duration(left)})`}</span>
      <span>.</span>
    </>
  );
}
