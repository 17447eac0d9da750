import type { Model } from 'picture-queue';
import { useId, useMemo } from 'react';
import { Choices, NumberInput } from '../ui/fields.tsx';
import type { Draft } from './draft.ts';
import { shapesOf, takesAnySize } from './shapes.ts';

interface ShapeFieldProps {
  draft: Draft;
  model: Model;
  change: (change: Partial<Draft>) => void;
}

/** The picture's form: a ratio that the model offers, or width and height where it takes any. */
export function ShapeField({ draft, model, change }: ShapeFieldProps) {
  const shapes = useMemo(() => shapesOf(model), [model]);
  if (shapes.length === 0) return null;
  const free = takesAnySize(model);
  const known = shapes.some(({ ratio }) => ratio === draft.shape) || (free && draft.shape === 'custom');
  const shape = known ? draft.shape : 'auto';
  return (
    <>
      <Choices
        label="Aspect ratio"
        look="chips"
        value={shape}
        choices={[
          { value: 'auto', label: 'Auto' },
          ...shapes.map(({ ratio, width, height }) => ({
            value: ratio,
            label: ratio,
            picture: <Outline width={width} height={height} />,
          })),
          ...(free ? [{ value: 'custom', label: 'Custom' }] : []),
        ]}
        onChange={(chosen) => {
          const of = shapes.find(({ ratio }) => ratio === chosen);
          change({ shape: chosen, ...(of ? { width: of.width, height: of.height } : {}) });
        }}
      />
      {shape === 'custom' && (
        <div className="sides">
          <Side
            label="Width"
            value={draft.width}
            limit={model.limits.width}
            onChange={(width) => change({ width })}
          />
          <Side
            label="Height"
            value={draft.height}
            limit={model.limits.height}
            onChange={(height) => change({ height })}
          />
        </div>
      )}
    </>
  );
}

/** The ratio as a little frame. */
function Outline({ width, height }: { width: number; height: number }) {
  const scale = 14 / Math.max(width, height);
  return (
    <span className="outline" aria-hidden="true">
      <span style={{ width: Math.max(4, width * scale), height: Math.max(4, height * scale) }} />
    </span>
  );
}

interface SideProps {
  label: string;
  value: number;
  limit: Model['limits']['width'];
  onChange: (value: number) => void;
}

function Side({ label, value, limit, onChange }: SideProps) {
  const id = useId();
  const min = limit?.min ?? 16;
  const max = limit?.max ?? 8_192;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <NumberInput
        {...{ id, value, min, max, onChange }}
        step={limit?.multiple_of ?? 1}
        describedBy={`${id}hint`}
      />
      <p className="hint" id={`${id}hint`}>
        {`${min} to ${max} pixels`}
      </p>
    </div>
  );
}
