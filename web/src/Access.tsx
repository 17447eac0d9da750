import type { ReactNode } from 'react';
import { type Account, type Auth, useAuth } from './auth/session.ts';
import { type Config, useConfig } from './lib/config.ts';
import { useOnline } from './lib/online.ts';
import { Banner } from './ui/Banner.tsx';
import { Button } from './ui/Button.tsx';
import { MessagesProvider } from './ui/messages.tsx';

interface AccessProps {
  /** What opens behind it, as a sentence begins with it: “The studio”. */
  name: string;
  header: ReactNode;
  /** The class of the page while it is not known who is there. */
  className: string;
  /** For who is not signed in, or chooses a new password. */
  signedOut: (auth: Auth) => ReactNode;
  signedIn: (account: Account, auth: Auth, config: Config) => ReactNode;
}

/** What both pages begin with: where the installation is, and who is signed in. */
export function Access(props: AccessProps) {
  const { config, failed, retry } = useConfig();
  return (
    <MessagesProvider>
      {config ? <WithConfig config={config} {...props} /> : <Loading {...{ failed, retry }} {...props} />}
    </MessagesProvider>
  );
}

function WithConfig({ config, ...props }: AccessProps & { config: Config }) {
  const auth = useAuth(config);
  if (auth.account === undefined) return <Loading failed={false} retry={() => {}} {...props} />;
  if (!auth.account || auth.recovering) return props.signedOut(auth);
  return props.signedIn(auth.account, auth, config);
}

/** For the moment until it is known who is there; said in words where it does not come about. */
function Loading(props: AccessProps & { failed: boolean; retry: () => void }) {
  const { failed, retry, name, header, className } = props;
  const online = useOnline();
  return (
    <>
      {header}
      <main className={className} aria-busy={!failed}>
        {failed ? (
          <Banner
            tone="bad"
            title={`${name} cannot open`}
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
