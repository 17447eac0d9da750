import type { ButtonHTMLAttributes, KeyboardEvent, MouseEvent } from 'react';
import { Icon, type IconName } from './Icon.tsx';

type Native = Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'className' | 'aria-label' | 'children'>;

interface ButtonProps extends Native {
  kind?: 'primary' | 'plain' | 'quiet';
  icon?: IconName;
  /** Its work is under way: it stays in place and takes no second click. */
  busy?: boolean;
  /** What it says, one string. */
  children: string;
}

/** A key that is held down is one press. */
function once(event: KeyboardEvent) {
  if (event.repeat) event.preventDefault();
}

/** Not `disabled`: that would throw the focus out. */
function guarded(busy: boolean, onClick: Native['onClick']) {
  return {
    'aria-disabled': busy || undefined,
    'aria-busy': busy || undefined,
    onKeyDown: once,
    onClick: (event: MouseEvent<HTMLButtonElement>) => {
      if (busy) event.preventDefault();
      else onClick?.(event);
    },
  };
}

export function Button({ kind = 'plain', icon, busy = false, children, onClick, ...native }: ButtonProps) {
  return (
    <button type="button" {...native} className={`button ${kind}`} {...guarded(busy, onClick)}>
      {busy ? <span className="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {/* In an element of its own: a page that is translated has other text nodes than React knows of. */}
      <span>{children}</span>
    </button>
  );
}

interface IconButtonProps extends Native {
  icon: IconName;
  /** What it does: its name, and shown when pointed at. */
  label: string;
  /** As a Button's. */
  busy?: boolean;
}

export function IconButton({ icon, label, busy = false, onClick, ...native }: IconButtonProps) {
  return (
    <button
      type="button"
      title={label}
      {...native}
      className="icon-button"
      aria-label={label}
      {...guarded(busy, onClick)}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : <Icon name={icon} />}
    </button>
  );
}
