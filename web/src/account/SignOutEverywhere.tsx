import { useId, useState } from 'react';
import type { Auth, Outcome } from '../auth/session.ts';
import { Button } from '../ui/Button.tsx';
import { Result } from '../ui/Result.tsx';

interface SignOutEverywhereProps {
  auth: Auth;
  forget: () => void;
}

export function SignOutEverywhere({ auth, forget }: SignOutEverywhereProps) {
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Outcome>();
  const heading = useId();
  return (
    <section className="stack" aria-labelledby={heading}>
      <h3 id={heading}>Sign out everywhere</h3>
      <p className="hint">
        For a phone that is lost, or a computer that others use. A page that is open there may still be used
        for up to an hour.
      </p>
      <Result result={result} />
      <Button
        busy={busy}
        onClick={async () => {
          setBusy(true);
          const outcome = await auth.signOutEverywhere();
          if (outcome.ok) return forget();
          setResult(outcome);
          setBusy(false);
        }}
      >
        Sign out on all devices
      </Button>
    </section>
  );
}
