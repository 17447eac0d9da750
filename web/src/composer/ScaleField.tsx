import type { Model } from 'picture-queue';
import { useId, useState } from 'react';
import { money } from '../lib/format.ts';
import { Choices, NumberInput } from '../ui/fields.tsx';
import { scaleFor, sourcesFor } from './chosen.ts';
import { pixelsOf, priceFor, scalesOf } from './cost.ts';
import type { Change, Draft } from './draft.ts';

interface ScaleFieldProps {
  draft: Draft;
  model: Model;
  change: Change;
}

const OTHER = 'other';
/** Of a factor that is typed. */
const STEP = 0.1;

/** How many times as large the picture gets, and what that costs. */
export function ScaleField({ draft, model, change }: ScaleFieldProps) {
  const [isTyped, setTyped] = useState(false);
  const id = useId();
  const { scale, scales } = model.supports;
  if (!scale) return null;
  const [source] = sourcesFor(draft, model);
  const usual = scale.default ?? scale.max ?? 1;
  const asked = scaleFor(draft, model);
  const value = asked ?? usual;
  const offered = scalesOf(model);
  const isOther = scales.length === 0 && (isTyped || !offered.includes(value));
  const size = source?.width && source.height ? { width: source.width, height: source.height } : undefined;
  const from = source ? [{ pixels: pixelsOf(source), isOwn: source.kind === 'generation' }] : [];
  const priceAt = (one: number) => {
    const price = priceFor(model, one, from);
    return price ? ` · ${money(price.expected)}` : '';
  };
  const { min, max } = { min: scale.min ?? 1, max: scale.max ?? 10 };
  return (
    <div className="field">
      <Choices
        label="Enlarge"
        look="chips"
        value={isOther ? OTHER : String(value)}
        choices={[
          ...offered.map((one) => ({ value: String(one), label: `${one}×${priceAt(one)}` })),
          ...(scales.length === 0 ? [{ value: OTHER, label: 'Other' }] : []),
        ]}
        onChange={(chosen) => {
          setTyped(chosen === OTHER);
          if (chosen !== OTHER) change({ scale: Number(chosen) });
        }}
      />
      {isOther && (
        <div className="field row">
          <label htmlFor={id}>{`Factor, ${min} to ${max}`}</label>
          <NumberInput
            {...{ id, value, min, max }}
            step={STEP}
            describedBy={`${id}size`}
            onChange={(typed) => change({ scale: Math.round(typed * 10) / 10 })}
          />
        </div>
      )}
      <p className="hint" id={`${id}size`}>
        {hint(value, size, isOther ? priceAt(value) : '')}
      </p>
    </div>
  );
}

function hint(factor: number, size: { width: number; height: number } | undefined, price: string): string {
  const times = factor === 1 ? 'As wide and as high as the picture' : `${factor} times as wide and as high`;
  if (!size) return `${times}${price}`;
  const side = (length: number) => Math.round(length * factor).toLocaleString('en');
  return `${times}: ${side(size.width)} × ${side(size.height)} pixels${price}`;
}
