import { useState } from 'react';
import { Banner } from '../ui/Banner.tsx';
import { Artwork } from './Artwork.tsx';
import { SignForm, type Way } from './SignForm.tsx';
import type { Auth } from './session.ts';

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
        <SignForm key={way} way={way} auth={auth} submit={words.submit} />
        {way !== 'reset' && <Elsewhere way={way} go={setWay} />}
      </section>
    </main>
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
