import { type KeyboardEvent, type SyntheticEvent, useEffect, useState } from 'react';
import type { Paints } from '../../../client/src/openapi.ts';
import { explain, type Notice } from '../lib/explain.ts';
import { Banner } from '../ui/Banner.tsx';
import { Button } from '../ui/Button.tsx';
import { Dialog } from '../ui/Dialog.tsx';
import { Choices, Slider } from '../ui/fields.tsx';
import { type Bitmap, bitmapFor } from './bitmap.ts';
import { bitmapOf } from './load.ts';
import './painter.css';
import { maskPng } from './png.ts';
import { Stage } from './Stage.tsx';
import { usePainting } from './use-painting.ts';

export interface MaskPainterProps {
  /** The picture that the mask is for. */
  picture: { name: string; url: string; width?: number | undefined; height?: number | undefined };
  /** The colour that is made anew. */
  paints: Paints;
  /** To go on from. */
  before: { file: Blob; paints: Paints } | undefined;
  /** Takes the mask, as large as the picture; what it throws is shown. */
  onDone: (mask: Blob) => Promise<void>;
  onClose: () => void;
}

interface Size {
  width: number;
  height: number;
}

/** What was painted when the dialog was closed without using it: nobody loses it by a press of Escape. */
let unfinished: { url: string; file: Blob | undefined; bitmap: Bitmap } | undefined;

/** A dialog in which what is to be made anew is painted over the picture. */
export function MaskPainter({ picture, paints, before, onDone, onClose }: MaskPainterProps) {
  const [size, setSize] = useState<Size | undefined>(
    picture.width && picture.height ? { width: picture.width, height: picture.height } : undefined,
  );
  const [bitmap, setBitmap] = useState<Bitmap>();
  const [broken, setBroken] = useState(false);
  const loaded = ({ currentTarget: { naturalWidth, naturalHeight } }: SyntheticEvent<HTMLImageElement>) =>
    setSize((known) => known ?? { width: naturalWidth, height: naturalHeight });
  useEffect(() => {
    if (!size) return;
    let isWanted = true;
    const fresh = bitmapFor(size.width, size.height);
    const start = async () => {
      // Another mask may have been chosen since.
      if (unfinished?.url === picture.url && unfinished.file === before?.file)
        return setBitmap(unfinished.bitmap);
      const old = before && (await bitmapOf(before.file, before.paints).catch(() => undefined));
      const fits = old?.width === fresh.width && old.height === fresh.height;
      const first = fits ? old : fresh;
      if (!isWanted) return;
      unfinished = { url: picture.url, file: before?.file, bitmap: first };
      setBitmap(first);
    };
    void start();
    return () => {
      isWanted = false;
    };
  }, [size, before, picture.url]);
  return (
    <Dialog title="Paint a mask" size="large" onClose={onClose}>
      {broken && (
        <div className="painter-problem">
          <Banner tone="bad" title="The picture cannot be shown">
            <span>Check your connection and try again, or upload a mask.</span>
          </Banner>
        </div>
      )}
      {bitmap && size ? (
        <Painter {...{ picture, paints, bitmap, size, onDone, onClose }} onBroken={() => setBroken(true)} />
      ) : (
        <div className="painter-wait">
          <span className="spinner large" role="status" aria-label="Loading the picture" />
          {/* Only to learn its size, where nobody has said it. */}
          {!size && (
            <img
              className="hidden"
              style={{ imageOrientation: 'none' }}
              src={picture.url}
              alt=""
              onLoad={loaded}
              onError={() => setBroken(true)}
            />
          )}
        </div>
      )}
    </Dialog>
  );
}

interface PainterProps extends Pick<MaskPainterProps, 'picture' | 'paints' | 'onDone' | 'onClose'> {
  bitmap: Bitmap;
  size: Size;
  onBroken: () => void;
}

type Tool = 'paint' | 'erase';

function Painter({ picture, paints, bitmap, size, onDone, onClose, onBroken }: PainterProps) {
  const painting = usePainting(bitmap);
  const [tool, setTool] = useState<Tool>('paint');
  const [brush, setBrush] = useState(12);
  const [busy, setBusy] = useState(false);
  const [notice, setNotice] = useState<Notice>();
  const percent = Math.round(painting.share * 100);
  const isEmpty = painting.share === 0;

  const use = async () => {
    if (isEmpty) {
      setNotice({ title: 'Nothing is painted yet', text: 'Paint over what is to be made anew.' });
      return;
    }
    setBusy(true);
    setNotice(undefined);
    try {
      await onDone(await maskPng(bitmap, size.width, size.height, paints));
      unfinished = undefined;
      onClose();
    } catch (error) {
      setNotice(explain(error));
      setBusy(false);
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const isUndo = event.key.toLowerCase() === 'z' && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    if (!isUndo) return;
    event.preventDefault();
    painting.undo();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a shortcut for the button Undo in it.
    <div className="painter" onKeyDown={onKeyDown}>
      <div className="painter-tools">
        <Choices
          label="Tool"
          hideLabel
          value={tool}
          choices={[
            { value: 'paint', label: 'Paint' },
            { value: 'erase', label: 'Erase' },
          ]}
          onChange={setTool}
        />
        <Slider label="Brush size" value={brush} min={1} max={50} step={1} onChange={setBrush} />
        <fieldset className="painter-steps" aria-label="Change all of it">
          <Button kind="quiet" waiting={!painting.canUndo} onClick={painting.undo}>
            Undo
          </Button>
          <Button kind="quiet" waiting={isEmpty} onClick={painting.clear}>
            Clear
          </Button>
          <Button kind="quiet" onClick={painting.invert}>
            Invert
          </Button>
        </fieldset>
      </div>
      <Stage {...{ picture, bitmap, painting, brush, onBroken }} erases={tool === 'erase'} />
      <div className="painter-foot">
        {notice && (
          <Banner tone="bad" title={notice.title}>
            <span>{notice.text}</span>
          </Banner>
        )}
        <p className="hint" id="painter-hint">
          Paint over what is to be made anew, with a mouse, a finger or a pen. Without one, close this and
          upload a mask.
        </p>
        <div className="painter-end">
          <p className="hint" role="status">
            {isEmpty ? 'Nothing is painted yet' : `${percent < 1 ? 'Less than 1' : percent} % is made anew`}
          </p>
          <Button kind="primary" icon="check" busy={busy} onClick={use}>
            Use this mask
          </Button>
        </div>
      </div>
    </div>
  );
}
