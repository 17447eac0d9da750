import { useTheme } from './lib/theme.ts';
import { Button, IconButton } from './ui/Button.tsx';
import { Icon } from './ui/Icon.tsx';

interface HeaderProps {
  email?: string;
  onAccount?: () => void;
  onSignOut?: () => void;
}

export function Header({ email, onAccount, onSignOut }: HeaderProps) {
  const [theme, choose] = useTheme();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <header className="header">
      <a className="brand" href="/">
        <img src="/icon.svg" alt="" width="28" height="28" />
        <span translate="no">Picture Queue</span>
      </a>
      <div className="header-tools">
        {onAccount && (
          <button
            type="button"
            className="account-button"
            aria-haspopup="dialog"
            title="Your account"
            onClick={onAccount}
          >
            <Icon name="account" />
            <span className="hidden">Your account</span>
            <span className="email" translate="no">
              {email}
            </span>
          </button>
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
