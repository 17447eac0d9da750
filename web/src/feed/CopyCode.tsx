import type { Generation } from 'picture-queue';
import { useMemo } from 'react';
import { Button } from '../ui/Button.tsx';
import { useGuarded } from './feed.ts';
import { again } from './follow-ups.ts';
import { asCurl, asTypeScript } from './snippets.ts';

/** The picture's request as code, where this browser knows it. */
export function CopyCode({ one }: { one: Generation }) {
  const guarded = useGuarded();
  const params = useMemo(() => again(one), [one]);
  if (!params) return null;
  const copy = (name: string, text: string) =>
    guarded(() => navigator.clipboard.writeText(text), `${name} copied, without a token.`);
  return (
    <fieldset className="actions words" aria-label="Copy as code">
      <Button kind="quiet" icon="code" onClick={() => copy('cURL', asCurl(location.origin, params))}>
        Copy as cURL
      </Button>
      <Button
        kind="quiet"
        icon="code"
        onClick={() => copy('TypeScript', asTypeScript(location.origin, params))}
      >
        Copy as TypeScript
      </Button>
    </fieldset>
  );
}
