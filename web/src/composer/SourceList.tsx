import { useLayoutEffect, useRef } from 'react';
import { useShown } from '../lib/uploads.ts';
import { IconButton } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import { useMessages } from '../ui/messages.tsx';
import { type Chosen, keyOf } from './chosen.ts';
import type { Change } from './draft.ts';
import type { Arriving } from './use-intake.ts';

interface SourceListProps {
  sources: Chosen[];
  arriving: Arriving[];
  takesMany: boolean;
  change: Change;
  /** Ends an upload. */
  onStop: (key: number) => void;
  /** The last one has been removed: something else takes the focus. */
  onEmpty: () => void;
}

/** The chosen pictures in their order, and those that are on their way. */
export function SourceList({ sources, arriving, takesMany, change, onStop, onEmpty }: SourceListProps) {
  const list = useRef<HTMLOListElement>(null);
  const { announce } = useMessages();
  /** The button that has the focus once the list is drawn anew: the browser loses it when an element moves. */
  const focusOn = useRef<{ index: number; button: string }>(undefined);
  const total = sources.length;
  useLayoutEffect(() => {
    const { index, button } = focusOn.current ?? {};
    focusOn.current = undefined;
    if (index === undefined) return;
    const item = list.current?.children[Math.min(index, list.current.children.length - 1)];
    const target = item?.querySelector<HTMLElement>(`[data-does=${button}]`);
    if (target) target.focus();
    else onEmpty();
  });

  const move = (index: number, by: number) => {
    const to = index + by;
    const one = sources[index];
    if (!one || to < 0 || to >= total) return;
    focusOn.current = { index: to, button: by < 0 ? 'earlier' : 'later' };
    change(({ sources: before }) => {
      const after = before.toSpliced(index, 1);
      after.splice(to, 0, one);
      return { sources: after };
    });
    announce(`${one.name} is picture ${to + 1} of ${total}`);
  };
  const remove = (index: number) => {
    focusOn.current = { index, button: 'remove' };
    change(({ sources: before }) => ({ sources: before.filter((_, at) => at !== index) }));
  };

  if (total + arriving.length === 0) return null;
  // One that is replaced is shown as the one that takes its place.
  if (!takesMany) {
    const [one] = arriving.length > 0 ? [] : sources;
    const [coming] = arriving;
    return (
      <div className="source-shown">
        {coming ? (
          <ComingPicture one={coming} />
        ) : (
          one && <ChosenPicture one={one} alt={`Picture to start from: ${one.name}`} />
        )}
        <IconButton
          icon="close"
          label="Remove the picture to start from"
          onClick={() => {
            for (const { key } of arriving) onStop(key);
            change(({ sources: before }) => ({ sources: before.slice(1) }));
            onEmpty();
          }}
        />
      </div>
    );
  }
  return (
    <ol className="sources" ref={list} aria-label="Pictures to start from">
      {sources.map((one, index) => (
        <li key={keyOf(one)}>
          <ChosenPicture one={one} alt={`Picture ${index + 1} of ${total}: ${one.name}`} />
          <span className="source-number" aria-hidden="true">
            {index + 1}
          </span>
          <div className="source-tools">
            <IconButton
              icon="back"
              label={`Move picture ${index + 1} forward`}
              data-does="earlier"
              aria-disabled={index === 0 || undefined}
              onClick={() => move(index, -1)}
            />
            <IconButton
              icon="forward"
              label={`Move picture ${index + 1} back`}
              data-does="later"
              aria-disabled={index === total - 1 || undefined}
              onClick={() => move(index, 1)}
            />
            <IconButton
              icon="close"
              label={`Remove picture ${index + 1}`}
              data-does="remove"
              onClick={() => remove(index)}
            />
          </div>
        </li>
      ))}
      {arriving.map((one) => (
        <li key={one.key}>
          <ComingPicture one={one} />
          <div className="source-tools">
            <IconButton icon="close" label={`Stop uploading ${one.name}`} onClick={() => onStop(one.key)} />
          </div>
        </li>
      ))}
    </ol>
  );
}

function ComingPicture({ one }: { one: Arriving }) {
  return (
    <>
      <img src={one.url} alt={`Being uploaded: ${one.name}`} />
      <span className="spinner large" role="status" aria-label="Uploading" />
    </>
  );
}

/** A chosen picture, or its place where it cannot be shown here. */
export function ChosenPicture({ one, alt }: { one: Chosen; alt: string }) {
  const url = useShown(one);
  if (url) return <img src={url} alt={alt} />;
  return (
    <span className="source-unseen" role="img" aria-label={alt}>
      <Icon name="image" />
      <span>{one.name}</span>
    </span>
  );
}
