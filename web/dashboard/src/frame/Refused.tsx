import { useState } from 'react';
import type { Account, Auth } from '../../../src/auth/session.ts';
import { Button } from '../../../src/ui/Button.tsx';
import { Header } from './Header.tsx';

interface RefusedProps {
  account: Account;
  auth: Auth;
  /** It was asked for once more, in vain. */
  wasChecked: boolean;
  /** Asks the database once more. */
  again: () => void;
}

const WHY =
  'needs the role “admin”. Somebody who runs this installation gives it, in the SQL editor of its Supabase project:';

/** For a user without the role: who gives it, and what then. */
export function Refused({ account, auth, wasChecked, again }: RefusedProps) {
  const [busy, setBusy] = useState(false);
  const check = async () => {
    setBusy(true);
    // The role is in the token: one from before does not have it.
    await auth.renew();
    setBusy(false);
    again();
  };
  return (
    <>
      <Header email={account.email} onSignOut={() => void auth.signOut()} />
      <main className="page narrow" id="main">
        <h1>This account may not use the dashboard</h1>
        <p className="lead">
          <span translate="no">{account.email}</span>
          <span>{` ${WHY}`}</span>
        </p>
        {wasChecked && (
          <p className="error" role="status">
            Checked again: the account does not have the role yet.
          </p>
        )}
        <pre className="code" translate="no">
          {`update auth.users
set raw_app_meta_data = coalesce(raw_app_meta_data, '{}') || '{"role": "admin"}'
where email = '${account.email.replaceAll("'", "''")}';`}
        </pre>
        <div className="row-of-buttons">
          <Button kind="primary" busy={busy} onClick={() => void check()}>
            Check again
          </Button>
          <Button onClick={() => void auth.signOut()}>Sign in with another account</Button>
          <a className="text-link" href="/">
            To the studio
          </a>
        </div>
      </main>
    </>
  );
}
