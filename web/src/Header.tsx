import { useTheme } from './lib/theme.ts';
import { Button, IconButton } from './ui/Button.tsx';

interface HeaderProps {
  email?: string;
  onSignOut?: () => void;
}

export function Header({ email, onSignOut }: HeaderProps) {
  const [theme, choose] = useTheme();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <header className="header">
      <a className="brand" href="/">
        <img src="/icon.svg" alt="" width="28" height="28" />
        <span translate="no">Picture Queue</span>
      </a>
      <div className="header-tools">
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
