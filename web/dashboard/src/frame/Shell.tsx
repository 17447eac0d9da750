import { useCallback, useEffect, useId, useRef } from 'react';
import type { Account, Auth } from '../../../src/auth/session.ts';
import { Boundary } from '../../../src/ui/Boundary.tsx';
import { OverviewProvider, useApi, useAsk } from '../api/api.ts';
import { setClock } from '../lib/clock.ts';
import { address, useRoute } from '../lib/route.ts';
import { conditionsOf } from '../pages/Conditions.tsx';
import { ActionsProvider } from '../ui/actions.tsx';
import { BROKEN } from './broken.ts';
import { FindForm } from './FindForm.tsx';
import { Header } from './Header.tsx';
import { PAGES } from './pages.ts';
import { Troubles } from './Troubles.tsx';

/** How often the overview is asked for: where it is looked at, and for what the frame shows of it. Milliseconds. */
const OFTEN_MS = 2_000;
const SELDOM_MS = 15_000;

/** The frame of all pages: who is there, where one can go, and whether what is shown is of now. */
export function Shell({ account, auth }: { account: Account; auth: Auth }) {
  const { page, id } = useRoute();
  const entry = PAGES.find(({ path }) => path === page);
  const overview = useAsk('admin_overview', {}, page === '' ? OFTEN_MS : SELDOM_MS);
  const { call } = useApi();
  /** What the navigation counts, by page. */
  const counts: Record<string, readonly [number: number, says: string]> = {
    '': [overview.data ? conditionsOf(overview.data, call).length : 0, 'need attention'],
    alerts: [overview.data?.alerts.length ?? 0, 'open'],
  };
  const at = overview.data?.at;
  useEffect(() => {
    if (at) setClock(at);
  }, [at]);
  const main = useRef<HTMLElement>(null);
  const toMain = useCallback(() => main.current?.querySelector<HTMLElement>('h1')?.focus(), []);
  const here = `${page}/${id ?? ''}`;
  const before = useRef(here);

  useEffect(() => {
    document.title = `${entry?.title ?? 'Not found'} · Dashboard · Picture Queue`;
    // Where a link has led to another page, reading begins at its head; not when the dashboard is opened.
    if (before.current === here) return;
    before.current = here;
    scrollTo(0, 0);
    toMain();
  }, [entry, here, toMain]);

  return (
    <>
      <Header email={account.email} onSignOut={() => void auth.signOut()} onSkip={toMain} />
      <div className="nav">
        <nav aria-label="Pages">
          <ul>
            {PAGES.filter(({ isListed }) => isListed).map(({ path, title }) => (
              <li key={path}>
                <NavLink path={path} title={title} isHere={path === page} counted={counts[path]} />
              </li>
            ))}
          </ul>
        </nav>
        <FindForm />
      </div>
      <Troubles />
      <Boundary key={here} className="page" text={BROKEN}>
        <OverviewProvider value={overview}>
          <ActionsProvider>
            <main className="page" ref={main}>
              {entry ? <entry.Page key={here} id={id} /> : <NotFound />}
            </main>
          </ActionsProvider>
        </OverviewProvider>
      </Boundary>
    </>
  );
}

interface NavLinkProps {
  path: string;
  title: string;
  isHere: boolean;
  counted: readonly [number: number, says: string] | undefined;
}

function NavLink({ path, title, isHere, counted: [number, says] = [0, ''] }: NavLinkProps) {
  const id = useId();
  return (
    <>
      <a
        href={address(path)}
        aria-current={isHere ? 'page' : undefined}
        aria-describedby={number > 0 ? id : undefined}
      >
        <span>{title}</span>
        {number > 0 && (
          <span className="tag warn" aria-hidden="true">
            {number}
          </span>
        )}
      </a>
      <span hidden id={id}>
        {`${number} ${says}`}
      </span>
    </>
  );
}

function NotFound() {
  return (
    <>
      <h1 tabIndex={-1}>There is no such page</h1>
      <p>
        <a className="text-link" href="#/">
          To the overview
        </a>
      </p>
    </>
  );
}
