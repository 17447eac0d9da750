import { type FormEvent, useState } from 'react';
import { Button } from '../../../src/ui/Button.tsx';
import { address } from '../lib/route.ts';

/** Leads to what an id names, whatever it is of. */
export function FindForm() {
  const [id, setId] = useState('');
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (id.trim()) location.hash = address('find', undefined, { id: id.trim() });
    setId('');
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: <search> is newer than our browsers
    <form className="find" role="search" onSubmit={send}>
      <input
        type="search"
        aria-label="Find by any id"
        placeholder="Any id or email"
        autoComplete="off"
        spellCheck={false}
        value={id}
        onChange={(event) => setId(event.target.value)}
      />
      <Button type="submit">Find</Button>
    </form>
  );
}
