import { type FormEvent, useId, useState } from 'react';
import { Banner } from '../ui/Banner.tsx';
import { Button } from '../ui/Button.tsx';
import { Password } from '../ui/Password.tsx';
import { Result } from '../ui/Result.tsx';
import { Artwork } from './Artwork.tsx';
import type { Auth, Outcome } from './session.ts';

type Way = 'in' | 'up' | 'forgot' | 'reset';

const WORDS: Record<Way, { title: string; submit: string; text: string }> = {
  in: { title: 'Welcome back', submit: 'Sign in', text: 'Sign in to make pictures.' },
  up: {
    title: 'Create your account',
    submit: 'Create account',
    text: 'All you need is an email address and a password.',
  },
  forgot: {
    title: 'Forgot your password?',
    submit: 'Send the link',
    text: 'We send you a link to choose a new one.',
  },
  reset: {
    title: 'Choose a new password',
    submit: 'Save password',
    text: 'You will be signed in right away.',
  },
};

/** For a visitor who is not signed in. */
export function Welcome({ auth }: { auth: Auth }) {
  const [chosen, setWay] = useState<Way>('in');
  const way = auth.recovering ? 'reset' : chosen;
  const words = WORDS[way];
  return (
    <main className="welcome">
      <section className="welcome-art" aria-hidden="true">
        <Artwork />
        <p className="tagline">Say what you see. Watch it take shape.</p>
      </section>
      <section className="welcome-form" aria-labelledby="welcome-title">
        <h1 id="welcome-title">{words.title}</h1>
        <p className="lead">{words.text}</p>
        {auth.farewell && (
          <p className="note" role="status">
            {auth.farewell}
          </p>
        )}
        {auth.ended && way === 'in' && (
          <Banner tone="calm" title="You have been signed out">
            Sign in again to continue. Your pictures are safe.
          </Banner>
        )}
        <Form key={way} way={way} auth={auth} submit={words.submit} />
        {way !== 'reset' && <Elsewhere way={way} go={setWay} />}
      </section>
    </main>
  );
}

function Form({ way, auth, submit }: { way: Way; auth: Auth; submit: string }) {
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
    <form className="stack" onSubmit={send}>
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

function Elsewhere({ way, go }: { way: Way; go: (way: Way) => void }) {
  const link = (to: Way, text: string) => (
    <button type="button" className="text-button" onClick={() => go(to)}>
      {text}
    </button>
  );
  return (
    <div className="elsewhere">
      {way === 'in' && (
        <>
          <p>
            <span>New here?</span> {link('up', 'Create an account')}
          </p>
          <p>{link('forgot', 'Forgot your password?')}</p>
        </>
      )}
      {way === 'up' && (
        <p>
          <span>Have an account?</span> {link('in', 'Sign in')}
        </p>
      )}
      {way === 'forgot' && <p>{link('in', 'Back to signing in')}</p>}
    </div>
  );
}
