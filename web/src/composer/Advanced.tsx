import type { Model, Range } from 'picture-queue';
import { useId } from 'react';
import { IconButton } from '../ui/Button.tsx';
import { Choices, Slider } from '../ui/fields.tsx';
import { Icon } from '../ui/Icon.tsx';
import type { Draft } from './draft.ts';

interface AdvancedProps {
  draft: Draft;
  model: Model;
  change: (change: Partial<Draft>) => void;
}

/** What few need: of the model's settings only those that it has. */
export function Advanced({ draft, model, change }: AdvancedProps) {
  const ids = useId();
  const { formats, format: usual } = model.output;
  const { steps, guidance, seed, negative_prompt, styles } = model.supports;
  return (
    <details className="advanced">
      <summary>
        <span>Advanced settings</span>
        <Icon name="chevron" />
      </summary>
      <div className="stack">
        {styles.length > 0 && (
          <div className="field">
            <label htmlFor={`${ids}style`}>Style</label>
            <select
              id={`${ids}style`}
              value={styles.includes(draft.style) ? draft.style : ''}
              onChange={(event) => change({ style: event.target.value })}
            >
              <option value="">Default</option>
              {styles.map((style) => (
                <option key={style} value={style}>
                  {style.replaceAll('_', ' ')}
                </option>
              ))}
            </select>
          </div>
        )}
        {formats.length > 1 && (
          <div className="field">
            <label htmlFor={`${ids}format`}>File format</label>
            <select
              id={`${ids}format`}
              value={formats.includes(draft.format) ? draft.format : ''}
              onChange={(event) => change({ format: event.target.value })}
            >
              <option value="">{usual ? `Default (${usual.toUpperCase()})` : 'Default'}</option>
              {formats.map((format) => (
                <option key={format} value={format}>
                  {format.toUpperCase()}
                </option>
              ))}
            </select>
          </div>
        )}
        {negative_prompt && (
          <div className="field">
            <label htmlFor={`${ids}negative`}>Negative prompt</label>
            <textarea
              id={`${ids}negative`}
              rows={2}
              value={draft.negative}
              placeholder="What to leave out, such as text or people"
              onChange={(event) => change({ negative: event.target.value })}
            />
          </div>
        )}
        {steps && (
          <RangeField
            label="Steps"
            range={steps}
            step={1}
            most={50}
            value={draft.steps}
            onChange={(value) => change({ steps: value })}
          />
        )}
        {guidance && (
          <RangeField
            label="Guidance"
            range={guidance}
            step={0.1}
            most={20}
            value={draft.guidance}
            onChange={(value) => change({ guidance: value })}
          />
        )}
        {seed && (
          <div className="field">
            <label htmlFor={`${ids}seed`}>Seed</label>
            <div className="with-button">
              <input
                id={`${ids}seed`}
                inputMode="numeric"
                autoComplete="off"
                value={draft.seed}
                placeholder="Random"
                onChange={(event) => change({ seed: event.target.value.replace(/\D/g, '').slice(0, 10) })}
              />
              <IconButton
                icon="shuffle"
                label="Random seed"
                onClick={() => change({ seed: String(Math.floor(Math.random() * 4_294_967_296)) })}
              />
            </div>
          </div>
        )}
        <Choices
          label="Priority"
          value={draft.priority}
          choices={[
            { value: 'low', label: 'Low' },
            { value: 'normal', label: 'Normal' },
            { value: 'high', label: 'High' },
          ]}
          onChange={(priority) => change({ priority })}
        />
      </div>
    </details>
  );
}

interface RangeFieldProps {
  label: string;
  range: Range;
  step: number;
  /** The upper end where the model names none. */
  most: number;
  value: number | undefined;
  onChange: (value: number) => void;
}

function RangeField({ label, range, step, most, value, onChange }: RangeFieldProps) {
  const min = range.min ?? 0;
  const max = range.max ?? most;
  const shown = Math.min(max, Math.max(min, value ?? range.default ?? min));
  return <Slider {...{ label, min, max, step, onChange }} value={shown} />;
}
