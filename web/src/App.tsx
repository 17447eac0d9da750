import { Access } from './Access.tsx';
import type { Auth } from './auth/session.ts';
import { Welcome } from './auth/Welcome.tsx';
import { Header } from './Header.tsx';
import { useOnline } from './lib/online.ts';
import { Studio } from './Studio.tsx';
import { Banner } from './ui/Banner.tsx';

export function App() {
  return (
    <Access
      name="The studio"
      header={<Header />}
      className="loading"
      signedOut={(auth) => <SignedOut auth={auth} />}
      signedIn={(account, auth, config) => <Studio key={account.id} {...{ config, account, auth }} />}
    />
  );
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
