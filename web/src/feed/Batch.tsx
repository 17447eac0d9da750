import type { Generation } from 'picture-queue';
import { useId, useState } from 'react';
import { count } from '../lib/format.ts';
import { Button } from '../ui/Button.tsx';
import { Card } from './Card.tsx';
import { useCancelAll } from './feed.ts';
import { progressOf } from './groups.ts';
import { hasEnded } from './wording.ts';

interface BatchProps {
  all: Generation[];
  onOpen: (id: string) => void;
}

/** The pictures that were started together, how far they are together, and what ends them together. */
export function Batch({ all, onOpen }: BatchProps) {
  const heading = useId();
  const open = all.filter(({ status }) => !hasEnded(status));
  return (
    <section className="batch" aria-labelledby={heading}>
      <header className="batch-head">
        <h3 id={heading}>{`${count(all.length, 'picture')}, started together`}</h3>
        <p className="batch-state">{stateOf(all)}</p>
        {open.length > 0 && (
          <>
            <div
              className="bar"
              role="progressbar"
              aria-labelledby={heading}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={progressOf(all)}
            >
              <span style={{ transform: `scaleX(${progressOf(all) / 100})` }} />
            </div>
            <CancelAll open={open} />
          </>
        )}
      </header>
      <ul className="grid">
        {all.map((one) => (
          <li key={one.id}>
            <Card one={one} onOpen={onOpen} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function CancelAll({ open }: { open: Generation[] }) {
  const cancelAll = useCancelAll();
  const [busy, setBusy] = useState(false);
  // From `downloading` on a picture is made and paid for.
  const rest = open.filter(({ status }) => status !== 'downloading');
  if (rest.length === 0) return null;
  return (
    <Button
      kind="quiet"
      busy={busy}
      onClick={async () => {
        setBusy(true);
        await cancelAll(rest);
        setBusy(false);
      }}
    >
      {rest.length === 1 ? 'Cancel the last one' : `Cancel all ${rest.length}`}
    </Button>
  );
}

/** `2 of 4 done · 1 failed`. */
function stateOf(all: Generation[]): string {
  const are = (...statuses: Generation['status'][]) =>
    all.filter(({ status }) => statuses.includes(status)).length;
  const done = are('completed');
  const failed = are('failed');
  const cancelled = are('cancelled');
  return [
    done === all.length ? 'All done' : `${done} of ${all.length} done`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(cancelled > 0 ? [`${cancelled} cancelled`] : []),
  ].join(' · ');
}
