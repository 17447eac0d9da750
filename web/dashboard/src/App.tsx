import { useMemo, useState } from 'react';
import { Access } from '../../src/Access.tsx';
import type { Account, Auth } from '../../src/auth/session.ts';
import type { Config } from '../../src/lib/config.ts';
import { ApiProvider } from './api/api.ts';
import { caller } from './api/call.ts';
import { Header } from './frame/Header.tsx';
import { Refused } from './frame/Refused.tsx';
import { Shell } from './frame/Shell.tsx';
import { SignIn } from './frame/SignIn.tsx';

export function App() {
  return (
    <Access
      name="The dashboard"
      header={<Header />}
      className="page"
      signedOut={(auth) => <SignIn auth={auth} />}
      signedIn={(account, auth, config) => <SignedIn key={account.id} {...{ account, auth, config }} />}
    />
  );
}

interface SignedInProps {
  config: Config;
  account: Account;
  auth: Auth;
}

function SignedIn({ config, account, auth }: SignedInProps) {
  const { getToken, renew } = auth;
  const [isRefused, setRefused] = useState(false);
  const [checks, setChecks] = useState(0);
  const api = useMemo(
    () => ({ call: caller(config, { getToken, renew }), refused: () => setRefused(true) }),
    [config, getToken, renew],
  );
  const again = () => {
    setRefused(false);
    setChecks(checks + 1);
  };
  if (isRefused) return <Refused {...{ account, auth, again }} wasChecked={checks > 0} />;
  return (
    <ApiProvider value={api}>
      <Shell account={account} auth={auth} />
    </ApiProvider>
  );
}
