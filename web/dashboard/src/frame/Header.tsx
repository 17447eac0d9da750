import { useTheme } from '../../../src/lib/theme.ts';
import { Button, IconButton } from '../../../src/ui/Button.tsx';
import { LiveState } from './LiveState.tsx';

interface HeaderProps {
  email?: string;
  onSignOut?: () => void;
  /** Leads past the navigation. Not a link: what is behind # is the page's address here. */
  onSkip?: () => void;
}

export function Header({ email, onSignOut, onSkip }: HeaderProps) {
  const [theme, choose] = useTheme();
  const other = theme === 'dark' ? 'light' : 'dark';
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
        <IconButton
          icon={theme === 'dark' ? 'sun' : 'moon'}
          label={`Switch to ${other} theme`}
          onClick={() => choose(other)}
        />
        {onSignOut && (
          <Button kind="quiet" onClick={onSignOut}>
            Sign out
          </Button>
        )}
      </div>
    </header>
  );
}
