import { SignForm } from '../../../src/auth/SignForm.tsx';
import type { Auth } from '../../../src/auth/session.ts';
import { Banner } from '../../../src/ui/Banner.tsx';
import { Header } from './Header.tsx';

/** Accounts are made, and passwords renewed, in the studio: the session is the same. */
export function SignIn({ auth }: { auth: Auth }) {
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
        <SignForm way="in" auth={auth} submit="Sign in" className="stack panel" />
        <p>
          <a className="text-link" href="/">
            Create an account, or choose a new password, in the studio
          </a>
        </p>
      </main>
    </>
  );
}
