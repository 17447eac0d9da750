import { useMemo, useState } from 'react';
import { type Account, type Auth, useAuth } from '../../src/auth/session.ts';
import { type Config, useConfig } from '../../src/lib/config.ts';
import { useOnline } from '../../src/lib/online.ts';
import { Banner } from '../../src/ui/Banner.tsx';
import { Button } from '../../src/ui/Button.tsx';
import { MessagesProvider } from '../../src/ui/messages.tsx';
import { ApiProvider } from './api/api.ts';
import { caller } from './api/call.ts';
import { Header } from './frame/Header.tsx';
import { Refused } from './frame/Refused.tsx';
import { Shell } from './frame/Shell.tsx';
import { SignIn } from './frame/SignIn.tsx';

export function App() {
  const { config, failed, retry } = useConfig();
  return (
    <MessagesProvider>
      {config ? <WithConfig config={config} /> : <Loading failed={failed} retry={retry} />}
    </MessagesProvider>
  );
}

function WithConfig({ config }: { config: Config }) {
  const auth = useAuth(config);
  if (auth.account === undefined) return <Loading failed={false} retry={() => {}} />;
  if (!auth.account || auth.recovering) return <SignIn auth={auth} />;
  return <SignedIn key={auth.account.id} config={config} account={auth.account} auth={auth} />;
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

/** For the moment until it is known who is there; said in words where it does not come about. */
function Loading({ failed, retry }: { failed: boolean; retry: () => void }) {
  const online = useOnline();
  return (
    <>
      <Header />
      <main className="page" aria-busy={!failed}>
        {failed ? (
          <Banner
            tone="bad"
            title="The dashboard cannot open"
            action={<Button onClick={retry}>Try again</Button>}
          >
            {online ? 'The server could not be reached.' : 'You are offline. Check your connection.'}
          </Banner>
        ) : (
          <span className="hidden" role="status">
            Loading
          </span>
        )}
      </main>
    </>
  );
}
