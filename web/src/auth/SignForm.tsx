import { type FormEvent, useId, useState } from 'react';
import { Button } from '../ui/Button.tsx';
import { Password } from '../ui/Password.tsx';
import { Result } from '../ui/Result.tsx';
import type { Auth, Outcome } from './session.ts';

/** To sign in, to sign up, to have a link sent, to choose a new password. */
export type Way = 'in' | 'up' | 'forgot' | 'reset';

interface SignFormProps {
  way: Way;
  auth: Auth;
  /** What the button says. */
  submit: string;
  className?: string;
}

/** The fields for one of these ways, and what came of it. */
export function SignForm({ way, auth, submit, className = 'stack' }: SignFormProps) {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Outcome>();
  const ids = useId();

  const send = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setResult(undefined);
    const calls = {
      in: () => auth.signIn(email, password),
      up: () => auth.signUp(email, password),
      forgot: () => auth.sendResetMail(email),
      reset: () => auth.setPassword(password),
    };
    setResult(await calls[way]());
    setBusy(false);
  };

  return (
    <form className={className} onSubmit={send}>
      {way !== 'reset' && (
        <div className="field">
          <label htmlFor={`${ids}email`}>Email</label>
          <input
            id={`${ids}email`}
            type="email"
            autoComplete="email"
            required
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </div>
      )}
      {way !== 'forgot' && (
        <Password label="Password" value={password} onChange={setPassword} isNew={way !== 'in'} />
      )}
      <Result result={result} />
      <Button kind="primary" type="submit" busy={busy}>
        {submit}
      </Button>
    </form>
  );
}
