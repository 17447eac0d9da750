import type { Generation, Model } from 'picture-queue';
import { type ChangeEvent, type DragEvent, useEffect, useEffectEvent, useRef, useState } from 'react';
import { pictures } from '../lib/files.ts';
import { Button } from '../ui/Button.tsx';
import { Slider } from '../ui/fields.tsx';
import { Icon } from '../ui/Icon.tsx';
import { type Chosen, keyOf, ownPicture, sourcesFor } from './chosen.ts';
import type { Change, Draft } from './draft.ts';
import { OwnPictures } from './OwnPictures.tsx';
import { SourceList } from './SourceList.tsx';
import { useIntake } from './use-intake.ts';

interface SourceFieldProps {
  draft: Draft;
  model: Model;
  own: Generation[];
  change: Change;
  onUploading: (uploading: boolean) => void;
  onProblem: (error: unknown) => void;
}

/** The pictures to start from: files that are picked, dropped or pasted, or the user's own pictures. */
export function SourceField({ draft, model, own, change, onUploading, onProblem }: SourceFieldProps) {
  const [over, setOver] = useState(false);
  const [choosing, setChoosing] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const most = model.supports.max_source_images;
  const takesMany = most > 1;
  const sent = sourcesFor(draft, model);
  const count = sent.length;

  /** Where one alone is taken, another one takes its place. */
  const add = (more: Chosen[]) =>
    change(({ sources }) => {
      if (!takesMany) return { sources: [...more.slice(0, 1), ...sources.slice(1)] };
      const there = new Set(sources.map(keyOf));
      const fresh = more.filter((one) => !there.has(keyOf(one)));
      // What this model does not take stays behind those that it does.
      return { sources: [...sources.slice(0, most), ...fresh, ...sources.slice(most)] };
    });
  const { arriving, take, stop } = useIntake({
    room: takesMany ? most - count : 1,
    most,
    onTaken: add,
    onUploading,
    onProblem,
  });
  const accept = (files: Iterable<File>) => {
    const found = pictures(files);
    if (!takesMany) stop();
    // Of several pictures for one place the first, as always.
    void take(takesMany ? found : found.slice(0, 1));
  };

  const onPaste = useEffectEvent((event: ClipboardEvent) => {
    const files = pictures(event.clipboardData?.files ?? []);
    if (files.length === 0 || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    accept(files);
  });
  useEffect(() => {
    const listener = (event: ClipboardEvent) => onPaste(event);
    document.addEventListener('paste', listener);
    return () => document.removeEventListener('paste', listener);
  }, []);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    accept(event.dataTransfer.files);
  };
  const picked = (event: ChangeEvent<HTMLInputElement>) => {
    if (event.target.files?.length) accept(event.target.files);
    event.target.value = ''; // the same file once more is a change too
  };

  const isFull = takesMany && count + arriving.length >= most;
  const isEmpty = count + arriving.length === 0;
  return (
    <fieldset className="source">
      <legend>
        <span>{takesMany ? 'Pictures to start from' : 'Picture to start from'}</span>
        <span className="optional">
          {takesMany && count > 0
            ? ` ${count} of ${most}`
            : model.supports.source_image_required
              ? ''
              : ' optional'}
        </span>
      </legend>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is one of three ways; the buttons are the others. */}
      <div
        className={`dropzone${over ? ' over' : ''}${isEmpty ? '' : ' filled'}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <SourceList
          {...{ sources: sent, arriving, takesMany, change }}
          onStop={stop}
          onEmpty={() => input.current?.focus()}
        />
        <div className="source-ways">
          <label className="button quiet file">
            <Icon name="image" />
            <span>{wayName(takesMany, isEmpty)}</span>
            <input
              ref={input}
              type="file"
              accept="image/png,image/jpeg,image/webp"
              multiple={takesMany}
              disabled={isFull}
              aria-label={takesMany ? 'Upload pictures' : 'Upload a picture'}
              onChange={picked}
            />
          </label>
          {own.length > 0 && (
            <Button kind="quiet" aria-haspopup="dialog" waiting={isFull} onClick={() => setChoosing(true)}>
              {takesMany ? 'Choose from yours' : 'Choose one of yours'}
            </Button>
          )}
          {isEmpty && (
            <p className="hint">
              {takesMany
                ? `You can also drop or paste up to ${most} pictures here.`
                : 'You can also drop or paste a picture here.'}
            </p>
          )}
          {isFull && <p className="hint">This model takes no more. Remove one to add another one.</p>}
        </div>
      </div>
      {count > 0 && model.supports.strength && (
        <Slider
          label="Strength"
          value={draft.strength ?? model.defaults.strength ?? 0.8}
          min={0}
          max={1}
          step={0.05}
          ends={['closer to the picture', 'closer to the prompt']}
          onChange={(strength) => change({ strength })}
        />
      )}
      {choosing && (
        <OwnPictures
          own={own}
          room={takesMany ? most - count : 1}
          taken={new Set(sent.map(({ id }) => id))}
          onClose={() => setChoosing(false)}
          onPick={(all) => {
            if (!takesMany) stop();
            onProblem(undefined);
            add(all.flatMap((one) => ownPicture(one) ?? []));
            setChoosing(false);
          }}
        />
      )}
    </fieldset>
  );
}

function wayName(takesMany: boolean, isEmpty: boolean): string {
  if (takesMany) return isEmpty ? 'Upload pictures' : 'Add pictures';
  return isEmpty ? 'Upload a picture' : 'Replace';
}
