import { type ReactNode, useId, useState } from 'react';
import { IconButton } from './Button.tsx';

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  /** What the two ends mean. */
  ends?: [string, string];
  onChange: (value: number) => void;
}

export function Slider({ label, value, min, max, step, ends, onChange }: SliderProps) {
  const id = useId();
  return (
    <div className="field">
      <div className="field-head">
        <label htmlFor={id}>{label}</label>
        <output htmlFor={id}>{value}</output>
      </div>
      <input
        id={id}
        type="range"
        {...{ min, max, step, value }}
        onChange={(event) => onChange(event.target.valueAsNumber)}
      />
      {ends && (
        <div className="ends" aria-hidden="true">
          <span>{ends[0]}</span>
          <span>{ends[1]}</span>
        </div>
      )}
    </div>
  );
}

interface NumberInputProps {
  id: string;
  value: number;
  min: number;
  max: number;
  step?: number;
  describedBy?: string;
  /** What is typed goes beyond a limit: which one; undefined: it does not. */
  onBeyond?: (limit: string | undefined) => void;
  onChange: (value: number) => void;
}

/**
 * A number that is typed, whole where `step` is: what stands in the field is the user's until it is left, what it is taken for is
 * always within the limits. Empty it is taken for nothing, so that the number stays what it was.
 */
export function NumberInput(props: NumberInputProps) {
  const { id, value, min, max, step = 1, describedBy, onBeyond, onChange } = props;
  const [text, setText] = useState<string>();
  const type = (typed: string) => {
    setText(typed);
    const number = Number(typed);
    const isNone = typed.trim() === '' || !Number.isFinite(number);
    onBeyond?.(isNone ? undefined : limitOf(number, min, max));
    if (isNone) return;
    onChange(Math.min(max, Math.max(min, Math.round(number / step) * step)));
  };
  return (
    <input
      id={id}
      type="number"
      inputMode={Number.isInteger(step) ? 'numeric' : 'decimal'}
      {...{ min, max, step }}
      value={text ?? value}
      aria-describedby={describedBy}
      onChange={(event) => type(event.target.value)}
      onBlur={() => {
        setText(undefined);
        onBeyond?.(undefined);
      }}
    />
  );
}

function limitOf(number: number, min: number, max: number): string | undefined {
  if (number > max) return `At most ${max}`;
  return number < min ? `At least ${min}` : undefined;
}

interface StepperProps {
  label: string;
  value: number;
  min: number;
  max: number;
  onChange: (value: number) => void;
}

export function Stepper({ label, value, min, max, onChange }: StepperProps) {
  const id = useId();
  const [limit, setLimit] = useState<string>();
  return (
    <div className="field row">
      <div>
        <label htmlFor={id}>{label}</label>
        <p className="hint limit" id={`${id}limit`} role="status">
          {limit}
        </p>
      </div>
      <div className="stepper">
        <IconButton
          icon="minus"
          label="One fewer"
          onClick={() => onChange(value - 1)}
          disabled={value <= min}
        />
        <NumberInput {...{ id, value, min, max, onChange }} describedBy={`${id}limit`} onBeyond={setLimit} />
        <IconButton icon="add" label="One more" onClick={() => onChange(value + 1)} disabled={value >= max} />
      </div>
    </div>
  );
}

interface ChoicesProps<T extends string> {
  label: string;
  /** The label is read out, and not shown. */
  hideLabel?: boolean;
  value: T;
  choices: { value: T; label: string; picture?: ReactNode }[];
  look?: 'segments' | 'chips';
  onChange: (value: T) => void;
}

/** One of a few, as radio buttons in another dress. */
export function Choices<T extends string>(props: ChoicesProps<T>) {
  const { label, hideLabel, value, choices, look = 'segments', onChange } = props;
  const name = useId();
  return (
    <fieldset className={`choices ${look}`}>
      <legend className={hideLabel ? 'hidden' : undefined}>{label}</legend>
      <div className="choices-list">
        {choices.map((choice) => (
          <label key={choice.value}>
            <input
              type="radio"
              name={name}
              checked={choice.value === value}
              onChange={() => onChange(choice.value)}
            />
            {choice.picture}
            <span>{choice.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
