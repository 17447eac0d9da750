import type { Generation, Model } from 'picture-queue';
import { type FormEvent, type KeyboardEvent, useRef, useState } from 'react';
import type { Usage } from '../../../client/src/openapi.ts';
import { explain, type Notice } from '../lib/explain.ts';
import { count, duration, money } from '../lib/format.ts';
import { noteAct } from '../lib/press.ts';
import { Button } from '../ui/Button.tsx';
import { Stepper } from '../ui/fields.tsx';
import { Icon } from '../ui/Icon.tsx';
import { Advanced } from './Advanced.tsx';
import { excessOf, usedLine } from './allowance.ts';
import { fittedTo, keptAside, sourcesFor } from './chosen.ts';
import {
  type Change,
  costOf,
  type Draft,
  MOST_PICTURES,
  picturesOf,
  toParams,
  whatIsMissing,
} from './draft.ts';
import { MaskField } from './MaskField.tsx';
import { ModelPicker } from './ModelPicker.tsx';
import { Limit, Problem } from './Problem.tsx';
import { Prompts } from './Prompts.tsx';
import { ScaleField } from './ScaleField.tsx';
import { ShapeField } from './ShapeField.tsx';
import { SourceField } from './SourceField.tsx';

interface ComposerProps {
  models: Model[];
  model: Model;
  draft: Draft;
  change: Change;
  /** The user's finished pictures, to start from. */
  own: Generation[];
  start: (params: ReturnType<typeof toParams>) => Promise<unknown>;
  online: boolean;
  /** undefined: it is not known. */
  usage: Usage | undefined;
}

/** Everything that can be said about a picture to be made. */
export function Composer({ models, model, draft, change, own, start, online, usage }: ComposerProps) {
  const [picking, setPicking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [uploading, upload] = useState({ source: false, mask: false });
  const isUploading = uploading.source || uploading.mask;
  const [notice, setNotice] = useState<Notice>();
  const form = useRef<HTMLFormElement>(null);
  const { supports } = model;
  const pictures = picturesOf(draft, model);
  const cost = costOf(draft, model);
  const excess = usage && excessOf(usage, pictures, cost?.reserved);
  const [source] = sourcesFor(draft, model);
  const aside = keptAside(draft, model);

  const update: Change = (changes) => {
    setNotice(undefined);
    change(changes);
  };
  const onProblem = (error: unknown) => setNotice(error === undefined ? undefined : explain(error));

  const sending = useRef(false);
  const submit = async (event?: FormEvent) => {
    event?.preventDefault();
    if (sending.current || isUploading) return;
    const missing = whatIsMissing(draft, model);
    if (missing) {
      setNotice({ title: 'Something is missing', text: missing });
      if (missing.startsWith('Describe')) form.current?.querySelector('textarea')?.focus();
      return;
    }
    sending.current = true;
    noteAct();
    setBusy(true);
    setNotice(undefined);
    try {
      await start(toParams(draft, model));
    } catch (error) {
      setNotice(explain(error));
    } finally {
      sending.current = false;
      setBusy(false);
    }
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || (event.target instanceof Element && event.target.closest('dialog'))) return;
    const isWriting = event.target instanceof HTMLTextAreaElement;
    const sends = event.metaKey || event.ctrlKey;
    // Held down it would send again and again; in a text it makes lines.
    if (event.repeat && (sends || !isWriting)) event.preventDefault();
    else if (sends) void submit();
  };

  return (
    <>
      <form
        className="composer"
        aria-label="New picture"
        ref={form}
        onSubmit={submit}
        onKeyDown={onKeyDown}
        noValidate
      >
        <div className="composer-fields">
          {supports.prompt && <Prompts draft={draft} change={update} />}
          <div className="field">
            <span className="label" id="model-label">
              Model
            </span>
            <button
              type="button"
              className="model-button"
              id="model-button"
              aria-labelledby="model-label model-button"
              aria-haspopup="dialog"
              onClick={() => setPicking(true)}
            >
              <span className="model-name" translate="no">
                {model.name}
              </span>
              <span className="model-facts">
                {`${model.price ? `${money(model.price.usd_per_image)} a picture · ` : ''}about ${duration(model.estimated_seconds)}`}
              </span>
              <span className="model-about">{`${model.description}.`}</span>
              <Icon name="chevron" />
            </button>
          </div>
          {supports.max_source_images > 0 && (
            <SourceField
              {...{ draft, model, own, onProblem }}
              change={update}
              onUploading={(is) => upload((now) => ({ ...now, source: is }))}
            />
          )}
          {source && supports.mask && (
            <MaskField
              {...{ draft, model, source, paints: supports.mask, onProblem }}
              change={update}
              onUploading={(is) => upload((now) => ({ ...now, mask: is }))}
            />
          )}
          {draft.lacks && (
            <div className="aside">
              <p className="hint">
                {`Not all that it was made from is still there. Choose another ${draft.lacks}, or do without it.`}
              </p>
              <button type="button" className="text-button" onClick={() => update({ lacks: undefined })}>
                Do without it
              </button>
            </div>
          )}
          <ScaleField draft={draft} model={model} change={update} />
          {aside && (
            <div className="aside" role="status">
              <p className="hint">{aside}</p>
              <button
                type="button"
                className="text-button"
                onClick={() => update((before) => fittedTo(before, model))}
              >
                Do not keep it
              </button>
            </div>
          )}
          <ShapeField draft={draft} model={model} change={update} />
          {(draft.mode === 'one' || !supports.prompt) && (
            <Stepper
              label="Number of pictures"
              value={draft.count}
              min={1}
              max={MOST_PICTURES}
              onChange={(value) => update({ count: value })}
            />
          )}
          <Advanced draft={draft} model={model} change={update} />
        </div>
        <div className="composer-foot">
          {notice && <Problem notice={notice} onOver={() => setNotice(undefined)} />}
          {!notice && excess && <Limit excess={excess} />}
          <Button kind="primary" type="submit" icon="sparkle" busy={busy || isUploading} disabled={!online}>
            {doing({ busy, uploading: isUploading, pictures })}
          </Button>
          <p className="hint cost">
            <span>{priceLine(online, pictures, cost?.expected)}</span>
            {cost && cost.reserved > cost.expected * 1.01 && (
              <span>{`${money(cost.reserved)} is set aside until it is done`}</span>
            )}
            {usage && <span className="used">{usedLine(usage)}</span>}
            <span className="keys" aria-hidden="true">
              {/Mac/.test(navigator.userAgent) ? '⌘ Enter' : 'Ctrl + Enter'}
            </span>
          </p>
        </div>
      </form>
      {/* Beside the form: Enter in its search would send the form. */}
      {picking && (
        <ModelPicker
          models={models}
          current={model.id}
          onClose={() => setPicking(false)}
          onPick={(modelId) => {
            // Steps and the like mean something else to another model.
            update({ modelId, steps: undefined, guidance: undefined, strength: undefined });
            setPicking(false);
          }}
        />
      )}
    </>
  );
}

/** What the button says that it does, or is doing. */
function doing({ busy, uploading, pictures }: { busy: boolean; uploading: boolean; pictures: number }) {
  if (uploading) return 'Uploading the picture';
  if (busy) return 'Starting';
  return `Make ${pictures > 1 ? count(pictures, 'picture') : 'picture'}`;
}

function priceLine(online: boolean, pictures: number, cost: number | undefined) {
  if (!online) return 'Waiting for the network';
  if (pictures === 0) return '';
  return cost === undefined ? 'Price not known' : `${money(cost)} in total`;
}
