import type { Usage } from '../../client/src/openapi.ts';
import { leftParts } from './composer/allowance.ts';
import { Button } from './ui/Button.tsx';
import { Icon } from './ui/Icon.tsx';
import { ThemeButton } from './ui/ThemeButton.tsx';

interface HeaderProps {
  email?: string;
  /** undefined: it is not known. */
  usage?: Usage | undefined;
  onAccount?: () => void;
  onSignOut?: () => void;
}

export function Header({ email, usage, onAccount, onSignOut }: HeaderProps) {
  return (
    <header className="header">
      <a className="brand" href="/">
        <img src="/icon.svg" alt="" width="28" height="28" />
        <span translate="no">Picture Queue</span>
      </a>
      {usage && (
        <p className="left">
          {leftParts(usage).map((part) => (
            <span key={part}>{part}</span>
          ))}
        </p>
      )}
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
