import { type FormEvent, useId, useState } from 'react';
import type { Account, Auth, Outcome } from '../auth/session.ts';
import { Button } from '../ui/Button.tsx';
import { Result } from '../ui/Result.tsx';

interface DeleteAccountProps {
  account: Account;
  auth: Auth;
  forget: () => void;
}

/** The end of the account, for who types its address. */
export function DeleteAccount({ account, auth, forget }: DeleteAccountProps) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Outcome>();
  const ids = useId();
  const isConfirmed = typed.trim().toLowerCase() === account.email.toLowerCase();
  const send = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    if (!isConfirmed) return setResult({ ok: false, why: `Type ${account.email} to delete this account.` });
    setBusy(true);
    setResult(undefined);
    const outcome = await auth.deleteAccount(typed);
    if (outcome.ok) return forget();
    setResult(outcome);
    setBusy(false);
  };
  return (
    <details className="account-end">
      <summary id={`${ids}title`}>Delete your account</summary>
      <form className="stack" aria-labelledby={`${ids}title`} onSubmit={send} noValidate>
        <p>This deletes, for good and at once:</p>
        <ul>
          <li>your account and your settings;</li>
          <li>
            all your pictures and prompts, the archived ones too; their links stop working within minutes;
          </li>
          <li>the pictures that you have uploaded;</li>
          <li>what is being made: it is stopped, and what it has cost so far stays spent.</li>
        </ul>
        <p>It cannot be undone. Download first what you want to keep.</p>
        <div className="field">
          <label htmlFor={`${ids}email`}>Your email address, to confirm</label>
          <input
            id={`${ids}email`}
            type="email"
            autoComplete="off"
            spellCheck={false}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </div>
        <Result result={result} />
        <Button kind="danger" type="submit" busy={busy}>
          Delete my account
        </Button>
      </form>
    </details>
  );
}
