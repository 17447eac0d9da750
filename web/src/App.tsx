import { useMemo } from 'react';
import { type Auth, useAuth } from './auth/session.ts';
import { Welcome } from './auth/Welcome.tsx';
import { Header } from './Header.tsx';
import { type Config, useConfig } from './lib/config.ts';
import { useOnline } from './lib/online.ts';
import { Studio } from './Studio.tsx';
import { Banner } from './ui/Banner.tsx';
import { Button } from './ui/Button.tsx';
import { MessagesProvider } from './ui/messages.tsx';

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
  if (!auth.account || auth.recovering) return <SignedOut auth={auth} />;
  return <Studio key={auth.account.id} {...{ config, auth }} account={auth.account} />;
}

function SignedOut({ auth }: { auth: Auth }) {
  const online = useOnline();
  return (
    <>
      <Header />
      <div className="banners">
        {!online && (
          <Banner tone="warn" icon="offline" title="You are offline">
            You can sign in when you are back online.
          </Banner>
        )}
      </div>
      <Welcome auth={auth} />
    </>
  );
}

/** For the moment until it is known who is there; said in words where it does not come about. */
function Loading({ failed, retry }: { failed: boolean; retry: () => void }) {
  const online = useOnline();
  const text = useMemo(
    () => (online ? 'The server could not be reached.' : 'You are offline. Check your connection.'),
    [online],
  );
  return (
    <>
      <Header />
      <main className="loading" aria-busy={!failed}>
        {failed ? (
          <Banner
            tone="bad"
            title="The studio cannot open"
            action={<Button onClick={retry}>Try again</Button>}
          >
            {text}
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
