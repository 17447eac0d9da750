import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Icon, type IconName } from './Icon.tsx';

type Native = Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'className' | 'aria-label'>;

interface ButtonProps extends Native {
  kind?: 'primary' | 'plain' | 'quiet';
  icon?: IconName;
  /** Its work is under way: it stays in place and takes no second click. */
  busy?: boolean;
  children: ReactNode;
}

export function Button({ kind = 'plain', icon, busy = false, children, onClick, ...native }: ButtonProps) {
  return (
    <button
      type="button"
      {...native}
      className={`button ${kind}`}
      // Not `disabled`: that would throw the focus out.
      aria-disabled={busy || undefined}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface IconButtonProps extends Native {
  icon: IconName;
  /** What it does: its name, and shown when pointed at. */
  label: string;
}

export function IconButton({ icon, label, ...native }: IconButtonProps) {
  return (
    <button type="button" title={label} {...native} className="icon-button" aria-label={label}>
      <Icon name={icon} />
    </button>
  );
}
