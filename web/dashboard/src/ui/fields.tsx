import { useId } from 'react';

interface FieldProps {
  label: string;
  /** In the form that is sent. */
  name: string;
  /** What stands in it first. */
  value: string;
  hint?: string;
  type?: 'text' | 'number' | 'password';
  min?: number;
  max?: number;
  step?: number | 'any';
  required?: boolean;
}

/** A field of a form that is confirmed. */
export function Field({ label, name, value, hint, type = 'text', ...native }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        name={name}
        type={type}
        defaultValue={value}
        autoComplete={type === 'password' ? 'new-password' : 'off'}
        spellCheck={false}
        aria-describedby={hint ? `${id}hint` : undefined}
        {...native}
      />
      {hint && (
        <p className="hint" id={`${id}hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface PickProps {
  label: string;
  name: string;
  value: string;
  choices: readonly (readonly [value: string, label: string])[];
  /** What is chosen now, where other fields depend on it. */
  onChoose?: (value: string) => void;
}

/** One of several, in a form that is confirmed. */
export function Pick({ label, name, value, choices, onChoose }: PickProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} name={name} defaultValue={value} onChange={(event) => onChoose?.(event.target.value)}>
        {choices.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
