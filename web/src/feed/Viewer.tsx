import type { Generation } from 'picture-queue';
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef } from 'react';
import { Dialog } from '../ui/Dialog.tsx';
import { Adjustments } from './Adjustments.tsx';
import { CopyCode } from './CopyCode.tsx';
import { factsOf } from './facts.ts';
import { useFeed } from './feed.ts';
import { Heart } from './Heart.tsx';
import { Lineage } from './Lineage.tsx';
import { MadeFrom } from './MadeFrom.tsx';
import { PictureActions } from './PictureActions.tsx';
import { type PictureKeys, ViewerPicture } from './ViewerPicture.tsx';
import { modelName } from './wording.ts';

/** So many before the last one older ones are fetched. */
const AHEAD = 2;

interface ViewerProps {
  /** The finished ones, to go through with the arrows. */
  list: Generation[];
  /** One of them, or one that the page does not show otherwise. */
  one: Generation;
  /** Those that have been deleted here. */
  gone: ReadonlySet<string>;
  /** Fetches older ones, where there are any: the last one of the list is not the last. */
  onEnd: (() => unknown) | undefined;
  onMove: (id: string) => void;
  onClose: () => void;
}

/** A picture in large, with all that is known of it. */
export function Viewer({ list, one, gone, onEnd, onMove, onClose }: ViewerProps) {
  const { models } = useFeed();
  const prompt = useRef<HTMLParagraphElement>(null);
  const keys = useRef<PictureKeys>(null);
  // What was pressed may have gone with the picture before.
  // biome-ignore lint/correctness/useExhaustiveDependencies: with each picture.
  useLayoutEffect(() => {
    if (document.activeElement === document.body) prompt.current?.focus();
  }, [one.id]);
  const index = list.findIndex(({ id }) => id === one.id);
  const isEnd = index >= 0 && index >= list.length - AHEAD;
  useEffect(() => {
    if (isEnd) onEnd?.();
  }, [isEnd, onEnd]);
  const near = (by: number) => (index < 0 ? undefined : list[index + by]);
  if (!one.images[0]) return null;
  const go = (by: number) => {
    const next = near(by);
    if (next) onMove(next.id);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Those belong to the browser, which enlarges the page.
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys.current?.press(event.key)) return event.preventDefault();
    if (event.key === 'ArrowLeft') go(-1);
    if (event.key === 'ArrowRight') go(1);
  };
  const leave = () => {
    const next = near(1) ?? near(-1);
    if (next) onMove(next.id);
    else onClose();
  };
  return (
    <Dialog title="Picture" size="large" onClose={onClose} onKeyDown={onKeyDown}>
      <div className="viewer">
        <ViewerPicture one={one} isFirst={!near(-1)} isLast={!near(1)} go={go} keys={keys} />
        <div className="viewer-text">
          <p className="viewer-prompt" ref={prompt} tabIndex={-1} translate="no">
            {one.prompt}
          </p>
          <dl>
            {factsOf(one, modelName(models, one.model_id)).map(([term, value]) => (
              <div key={term}>
                <dt>{term}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          <Adjustments one={one} model={models.find(({ id }) => id === one.model_id)} />
          <Heart one={one} words />
          <PictureActions one={one} words onRemove={leave} onLeave={onClose} />
          <MadeFrom one={one} onOpen={onMove} />
          <Lineage one={one} list={list} gone={gone} onOpen={onMove} />
          <CopyCode one={one} />
        </div>
      </div>
    </Dialog>
  );
}
