import { Button } from '../../../src/ui/Button.tsx';
import { ThemeButton } from '../../../src/ui/ThemeButton.tsx';
import { LiveState } from './LiveState.tsx';

interface HeaderProps {
  email?: string;
  onSignOut?: () => void;
  /** Leads past the navigation. Not a link: what is behind # is the page's address here. */
  onSkip?: () => void;
}

export function Header({ email, onSignOut, onSkip }: HeaderProps) {
  return (
    <header className="header">
      {onSkip && (
        <button type="button" className="skip" onClick={onSkip}>
          Skip to the page
        </button>
      )}
      <a className="brand" href="#/">
        <img src="/icon.svg" alt="" width="26" height="26" />
        <span>
          <span translate="no">Picture Queue</span>
          <span className="brand-page">Dashboard</span>
        </span>
      </a>
      <div className="header-tools">
        {onSignOut && <LiveState />}
        {email && (
          <span className="email" translate="no">
            {email}
          </span>
        )}
        <ThemeButton />
        {onSignOut && (
          <Button kind="quiet" onClick={onSignOut}>
            Sign out
          </Button>
        )}
      </div>
    </header>
  );
}
