import type { Generation } from 'picture-queue';
import { type KeyboardEvent, useId } from 'react';
import { ago, duration, money, size } from '../lib/format.ts';
import { IconButton } from '../ui/Button.tsx';
import { Dialog } from '../ui/Dialog.tsx';
import { useFeed } from './feed.ts';
import { PictureActions } from './PictureActions.tsx';
import { modelName } from './wording.ts';

interface ViewerProps {
  /** The finished ones, to go through with the arrows. */
  list: Generation[];
  id: string;
  onMove: (id: string) => void;
  onClose: () => void;
}

/** A picture in large, with all that is known of it. */
export function Viewer({ list, id, onMove, onClose }: ViewerProps) {
  const { models } = useFeed();
  const heading = useId();
  const index = list.findIndex((one) => one.id === id);
  const one = list[index];
  const image = one?.images[0];
  if (!one || !image) return null;
  const go = (by: number) => {
    const next = list[index + by];
    if (next) onMove(next.id);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') go(-1);
    if (event.key === 'ArrowRight') go(1);
  };
  return (
    <Dialog title="Picture" size="large" onClose={onClose} onKeyDown={onKeyDown}>
      <div className="viewer">
        <div className="viewer-picture">
          <img
            key={one.id}
            className={one.operation === 'remove_background' ? 'cut-out' : undefined}
            src={image.url}
            alt={one.prompt}
            width={image.width}
            height={image.height}
            decoding="async"
          />
          {list.length > 1 && (
            <div className="viewer-moves">
              {/* At an end they do nothing: a button that vanished would take the focus along. */}
              <IconButton
                icon="back"
                label="Newer picture"
                aria-disabled={index === 0}
                onClick={() => go(-1)}
              />
              <IconButton
                icon="forward"
                label="Older picture"
                aria-disabled={index === list.length - 1}
                onClick={() => go(1)}
              />
            </div>
          )}
        </div>
        <div className="viewer-text">
          <p className="viewer-prompt" id={heading} translate="no">
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
          {one.adjustments.length > 0 && (
            <div className="adjustments">
              <h3>Fitted to the model</h3>
              <ul>
                {one.adjustments.map(({ field, reason }) => (
                  <li key={field}>{reason || field}</li>
                ))}
              </ul>
            </div>
          )}
          <PictureActions one={one} words />
        </div>
      </div>
    </Dialog>
  );
}

function factsOf(one: Generation, model: string): [string, string][] {
  const [image] = one.images;
  const took =
    one.started_at && one.completed_at
      ? (Date.parse(one.completed_at) - Date.parse(one.started_at)) / 1_000
      : undefined;
  return [
    ['Model', model],
    ['Size', image ? `${image.width} × ${image.height}` : ''],
    ['File', image ? `${image.format.toUpperCase()}, ${size(image.bytes)}` : ''],
    ['Not in it', one.negative_prompt ?? ''],
    ['Seed', one.seed === null ? '' : String(one.seed)],
    ['Took', took === undefined ? '' : duration(took)],
    ['Cost', one.cost_usd === null ? '' : money(one.cost_usd)],
    ['Made', ago(one.created_at)],
  ].filter((fact): fact is [string, string] => fact[1] !== '');
}
