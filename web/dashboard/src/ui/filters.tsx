import { type FormEvent, useId, useState } from 'react';
import { Button } from '../../../src/ui/Button.tsx';
import { address, choose, useRoute } from '../lib/route.ts';

interface SelectProps {
  label: string;
  /** Its name in the address. */
  name: string;
  /** The first is what is shown where the address names none. */
  choices: readonly (readonly [value: string, label: string])[];
}

/** One of several, kept in the page's address. */
export function Select({ label, name, choices }: SelectProps) {
  const id = useId();
  const { query } = useRoute();
  return (
    <div className="filter">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={query.get(name) ?? choices[0]?.[0]}
        onChange={({ target: { value } }) =>
          choose({ [name]: value === choices[0]?.[0] ? undefined : value, cursor: undefined })
        }
      >
        {choices.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

interface TextFilterProps {
  label: string;
  name: string;
  /** The button's. */
  submit?: string;
  type?: 'search' | 'date';
  /** Where the address names none. */
  standard?: string;
}

/** What is typed, kept in the page's address once it is sent. */
export function TextFilter({
  label,
  name,
  submit = 'Filter',
  type = 'search',
  standard = '',
}: TextFilterProps) {
  const id = useId();
  const { query } = useRoute();
  const chosen = query.get(name) ?? standard;
  const [text, setText] = useState(chosen);
  const [before, setBefore] = useState(chosen);
  if (before !== chosen) {
    setBefore(chosen);
    setText(chosen);
  }
  const send = (event?: FormEvent) => {
    event?.preventDefault();
    const value = text.trim();
    choose({ [name]: value === standard ? undefined : value, cursor: undefined });
  };
  return (
    <form className="filter" onSubmit={send}>
      <label htmlFor={id}>{label}</label>
      <div className="filter-field">
        <input
          id={id}
          type={type}
          value={text}
          autoComplete="off"
          onChange={(event) => setText(event.target.value)}
        />
        <Button type="submit">{submit}</Button>
      </div>
    </form>
  );
}

/** From page to page, by addresses: the browser's way back leads back. */
export function Pager({ next }: { next: string | null }) {
  const { page, id, query } = useRoute();
  const here = Object.fromEntries(query);
  const isFirst = !query.get('cursor');
  if (isFirst && !next) return null;
  return (
    <nav className="pager" aria-label="More of the list">
      {!isFirst && (
        <a className="button plain" href={address(page, id, { ...here, cursor: undefined })}>
          To the first page
        </a>
      )}
      {next && (
        <a className="button plain" href={address(page, id, { ...here, cursor: next })}>
          Next page
        </a>
      )}
    </nav>
  );
}
