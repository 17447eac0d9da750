import type { Model } from 'picture-queue';
import { type ChangeEvent, type ComponentType, useRef, useState } from 'react';
import { pictures } from '../lib/files.ts';
import { useShown, useUploads } from '../lib/uploads.ts';
import type { MaskPainterProps } from '../painter/MaskPainter.tsx';
import { Button, IconButton } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import { type Chosen, keyOf, maskFor } from './chosen.ts';
import { type Change, type Draft, needsMask } from './draft.ts';
import { misfitOf } from './intake.ts';
import { ChosenPicture } from './SourceList.tsx';
import { useIntake } from './use-intake.ts';

interface MaskFieldProps {
  draft: Draft;
  model: Model;
  /** The picture that it lies over. */
  source: Chosen;
  paints: NonNullable<Model['supports']['mask']>;
  change: Change;
  onUploading: (uploading: boolean) => void;
  onProblem: (error: unknown) => void;
}

const LOST = 'The painter could not be loaded. Check your connection and try again, or upload a mask.';

/** What of the picture is made anew: painted over it here, or the file of a mask. */
export function MaskField({ draft, model, source, paints, change, onUploading, onProblem }: MaskFieldProps) {
  const uploads = useUploads();
  const shown = useShown(source);
  const [Painter, setPainter] = useState<ComponentType<MaskPainterProps>>();
  const [before, setBefore] = useState<MaskPainterProps['before']>();
  const [busy, setBusy] = useState<'paint' | 'turn'>();
  const input = useRef<HTMLInputElement>(null);
  const mask = maskFor(draft, model);
  const isTurned = mask && mask.paints !== paints;
  const kept = paints === 'white' ? 'black' : 'white';

  const put = (made: Chosen, colour = paints) =>
    change({ mask: { ...made, of: keyOf(source), paints: colour } });
  const { arriving, take, stop } = useIntake({
    room: 1,
    most: 1,
    onTaken: ([made]) => {
      const why = made && misfitOf(made, source);
      if (why) onProblem(new Error(why));
      else if (made) put(made);
    },
    onUploading,
    onProblem,
  });
  const picked = (event: ChangeEvent<HTMLInputElement>) => {
    stop();
    if (event.target.files?.length) void take(pictures(event.target.files).slice(0, 1));
    event.target.value = '';
  };

  const during = async (what: 'paint' | 'turn', work: () => Promise<void>) => {
    setBusy(what);
    onProblem(undefined);
    try {
      await work();
    } catch (error) {
      onProblem(error);
    }
    setBusy(undefined);
  };
  const paint = () =>
    during('paint', async () => {
      const file = mask && (await uploads.read(mask.id));
      setBefore(file && mask ? { file, paints: mask.paints } : undefined);
      const { MaskPainter } = await import('../painter/MaskPainter.tsx').catch(() => {
        throw new Error(LOST);
      });
      setPainter(() => MaskPainter);
    });
  const turn = () =>
    during('turn', async () => {
      const file = mask && (await uploads.read(mask.id));
      if (!file) throw new Error('The mask is not there any more. Paint or upload it again.');
      const { turned } = await import('../painter/load.ts').catch(() => {
        throw new Error(LOST);
      });
      put(await uploads.send(await turned(file, mask.paints), mask.name));
    });
  const [coming] = arriving;
  return (
    <fieldset className="source mask">
      <legend>
        <span>Mask</span>
        <span className="optional">{needsMask(model) ? '' : ' optional'}</span>
      </legend>
      <p className="hint" id="mask-hint">
        Paint over what is to be made anew; the rest stays as it is.
      </p>
      {(mask || coming) && (
        <div className="source-shown mask-shown">
          <ChosenPicture one={source} alt="" />
          {coming ? (
            <>
              <img src={coming.url} alt={`Being uploaded: ${coming.name}`} />
              <span className="spinner large" role="status" aria-label="Uploading" />
            </>
          ) : (
            mask && <ChosenPicture one={mask} alt={`Mask: ${mask.name}`} />
          )}
          {mask && (
            <IconButton
              icon="close"
              label="Remove the mask"
              onClick={() => {
                change({ mask: undefined });
                input.current?.focus();
              }}
            />
          )}
        </div>
      )}
      {isTurned && (
        <div className="mask-turned" role="status">
          <p className="hint">
            {`With this model, ${paints} is made anew. In this mask it is ${mask.paints}, so that it would change the rest.`}
          </p>
          <Button kind="quiet" icon="retry" busy={busy === 'turn'} onClick={turn}>
            Turn the mask round
          </Button>
        </div>
      )}
      <div className="source-ways">
        <Button
          kind="quiet"
          icon="edit"
          aria-haspopup="dialog"
          busy={busy === 'paint'}
          waiting={!shown}
          onClick={paint}
        >
          {mask ? 'Change the mask' : 'Paint a mask'}
        </Button>
        <label className="button quiet file">
          <Icon name="image" />
          <span>{mask ? 'Upload another one' : 'Upload a mask'}</span>
          <input
            ref={input}
            type="file"
            accept="image/png,image/jpeg,image/webp"
            aria-label="Upload a mask"
            aria-describedby="mask-file"
            onChange={picked}
          />
        </label>
      </div>
      <p className="hint" id="mask-file">
        {`In a file, ${paints} is made anew and ${kept} stays.${sizeLine(source)}`}
      </p>
      {Painter && shown && (
        <Painter
          picture={{ name: source.name, url: shown, width: source.width, height: source.height }}
          paints={paints}
          before={before}
          onDone={async (file) => put(await uploads.send(file, 'painted.png'))}
          onClose={() => setPainter(undefined)}
        />
      )}
    </fieldset>
  );
}

const sizeLine = ({ width, height }: Chosen) =>
  width && height ? ` It has the size of the picture, ${width} × ${height} pixels.` : '';
