import { type FormEvent, useId, useState } from 'react';
import type { Auth, Outcome } from '../../../src/auth/session.ts';
import { Banner } from '../../../src/ui/Banner.tsx';
import { Button } from '../../../src/ui/Button.tsx';
import { Header } from './Header.tsx';

/** Accounts are made, and passwords renewed, in the studio: the session is the same. */
export function SignIn({ auth }: { auth: Auth }) {
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
    setResult(await auth.signIn(email, password));
    setBusy(false);
  };
  return (
    <>
      <Header />
      <main className="page narrow" id="main">
        <h1>Sign in to the dashboard</h1>
        <p className="lead">For those who run this installation: an account with the role “admin”.</p>
        {auth.ended && (
          <Banner tone="calm" title="You have been signed out">
            Sign in again to continue.
          </Banner>
        )}
        <form className="stack panel" onSubmit={send}>
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
          <div className="field">
            <label htmlFor={`${ids}password`}>Password</label>
            <input
              id={`${ids}password`}
              type="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          </div>
          {result && !result.ok && (
            <p className="error" role="alert">
              {result.why}
            </p>
          )}
          <Button kind="primary" type="submit" busy={busy}>
            Sign in
          </Button>
        </form>
        <p>
          <a className="text-link" href="/">
            Create an account, or choose a new password, in the studio
          </a>
        </p>
      </main>
    </>
  );
}
