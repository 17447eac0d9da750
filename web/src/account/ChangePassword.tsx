import { type FormEvent, useId, useState } from 'react';
import type { Auth, Outcome } from '../auth/session.ts';
import { Button } from '../ui/Button.tsx';
import { Password } from '../ui/Password.tsx';
import { Result } from '../ui/Result.tsx';

export function ChangePassword({ auth }: { auth: Auth }) {
  const [present, setPresent] = useState('');
  const [next, setNext] = useState('');
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Outcome>();
  const heading = useId();
  const send = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setResult(undefined);
    const outcome = await auth.changePassword(present, next);
    if (outcome.ok) {
      setPresent('');
      setNext('');
    }
    setResult(outcome.ok ? { ok: true, next: 'Your password has been changed.' } : outcome);
    setBusy(false);
  };
  return (
    <form className="stack" aria-labelledby={heading} onSubmit={send}>
      <h3 id={heading}>Change your password</h3>
      <Password label="Current password" value={present} onChange={setPresent} isNew={false} />
      <Password label="New password" value={next} onChange={setNext} isNew />
      <Result result={result} />
      <Button type="submit" busy={busy}>
        Change password
      </Button>
    </form>
  );
}
