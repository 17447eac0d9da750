import type { Generation, Model } from 'picture-queue';
import { usePictureQueue } from 'picture-queue/react';
import { type ChangeEvent, type DragEvent, useEffect, useEffectEvent, useId, useRef, useState } from 'react';
import { pictures } from '../lib/files.ts';
import { Button, IconButton } from '../ui/Button.tsx';
import { Slider } from '../ui/fields.tsx';
import { Icon } from '../ui/Icon.tsx';
import { type Draft, pixelsOf } from './draft.ts';
import { OwnPictures } from './OwnPictures.tsx';

interface SourceFieldProps {
  draft: Draft;
  model: Model;
  own: Generation[];
  change: (change: Partial<Draft>) => void;
  onUploading: (uploading: boolean) => void;
  onProblem: (error: unknown) => void;
}

const LARGEST = 10 * 1024 * 1024;

/** The picture to start from: a file that is picked, dropped or pasted, or one of the user's own pictures. */
export function SourceField({ draft, model, own, change, onUploading, onProblem }: SourceFieldProps) {
  const client = usePictureQueue();
  const [over, setOver] = useState(false);
  const [choosing, setChoosing] = useState(false);
  const [preview, setPreview] = useState<string>();
  const upload = useRef<AbortController>(undefined);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const { source } = draft;

  const stop = () => {
    upload.current?.abort();
    upload.current = undefined;
    setPreview(undefined);
    onUploading(false);
  };

  const take = async (files: Iterable<File>) => {
    const [file] = pictures(files);
    if (!file) return onProblem(new Error('Only PNG, JPEG and WebP pictures can be used.'));
    if (file.size > LARGEST) return onProblem(new Error('The picture is larger than 10 MB.'));
    stop();
    onProblem(undefined);
    const mine = new AbortController();
    upload.current = mine;
    const url = URL.createObjectURL(file);
    setPreview(url);
    onUploading(true);
    try {
      const { source_id } = await client.uploadSource(file, { signal: mine.signal });
      if (upload.current !== mine) return;
      change({ source: { kind: 'upload', id: source_id, url, name: file.name || 'Pasted picture' } });
      stop();
    } catch (error) {
      if (upload.current !== mine) return;
      stop();
      URL.revokeObjectURL(url);
      onProblem(error);
    }
  };

  const onPaste = useEffectEvent((event: ClipboardEvent) => {
    const files = pictures(event.clipboardData?.files ?? []);
    if (files.length === 0 || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    void take(files);
  });
  useEffect(() => {
    const listener = (event: ClipboardEvent) => onPaste(event);
    document.addEventListener('paste', listener);
    return () => document.removeEventListener('paste', listener);
  }, []);
  const leave = useEffectEvent(stop);
  useEffect(() => () => leave(), []);

  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files);
  };
  const picked = (event: ChangeEvent<HTMLInputElement>) => {
    if (event.target.files?.length) void take(event.target.files);
    event.target.value = ''; // the same file once more is a change too
  };
  const remove = () => {
    stop();
    change({ source: undefined });
    input.current?.focus();
  };

  const shown = preview ?? source?.url;
  return (
    <fieldset className="source">
      <legend>
        <span>Picture to start from</span>
        {!model.supports.source_image_required && <span className="optional"> optional</span>}
      </legend>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is one of three ways; the buttons are the others. */}
      <div
        className={`dropzone${over ? ' over' : ''}${shown ? ' filled' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        {shown && (
          <div className="source-shown">
            <img
              src={shown}
              alt={source ? `Picture to start from: ${source.name}` : 'The picture that is being uploaded'}
            />
            {preview && <span className="spinner large" role="status" aria-label="Uploading" />}
            <IconButton icon="close" label="Remove the picture to start from" onClick={remove} />
          </div>
        )}
        <div className="source-ways">
          <label className="button quiet file">
            <Icon name="image" />
            <span>{shown ? 'Replace' : 'Upload a picture'}</span>
            <input
              ref={input}
              id={id}
              type="file"
              accept="image/png,image/jpeg,image/webp"
              aria-label="Upload a picture"
              onChange={picked}
            />
          </label>
          {own.length > 0 && (
            <Button kind="quiet" aria-haspopup="dialog" onClick={() => setChoosing(true)}>
              Choose one of yours
            </Button>
          )}
          {!shown && <p className="hint">You can also drop or paste a picture here.</p>}
        </div>
      </div>
      {source && model.supports.strength && (
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
          onClose={() => setChoosing(false)}
          onPick={(one) => {
            stop();
            const [image] = one.images;
            if (image)
              change({
                source: {
                  kind: 'generation',
                  id: one.id,
                  url: image.url,
                  name: one.prompt,
                  pixels: pixelsOf(image),
                },
              });
            setChoosing(false);
          }}
        />
      )}
    </fieldset>
  );
}
