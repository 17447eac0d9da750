import { useId, useState } from 'react';

interface PasswordProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  /** A new one is chosen: how long it must be is said. */
  isNew: boolean;
}

/** A field for a password, which can be looked at. */
export function Password({ label, value, onChange, isNew }: PasswordProps) {
  const [shown, setShown] = useState(false);
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="with-button">
        <input
          id={id}
          type={shown ? 'text' : 'password'}
          autoComplete={isNew ? 'new-password' : 'current-password'}
          minLength={isNew ? 6 : undefined}
          required
          value={value}
          aria-describedby={isNew ? `${id}hint` : undefined}
          onChange={(event) => onChange(event.target.value)}
        />
        <button type="button" className="text-button" aria-pressed={shown} onClick={() => setShown(!shown)}>
          <span>Show</span>
          <span className="hidden">{` ${label.toLowerCase()}`}</span>
        </button>
      </div>
      {isNew && (
        <p className="hint" id={`${id}hint`}>
          At least six characters.
        </p>
      )}
    </div>
  );
}
