import type { ButtonHTMLAttributes, KeyboardEvent, MouseEvent } from 'react';
import { isMeant } from '../lib/press.ts';
import { Icon, type IconName } from './Icon.tsx';

type Native = Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'className' | 'aria-label' | 'children'>;

interface ButtonProps extends Native {
  kind?: 'primary' | 'plain' | 'quiet' | 'danger';
  icon?: IconName;
  /** Its work is under way: it stays in place and takes no second click. */
  busy?: boolean;
  /** It takes no click yet. */
  waiting?: boolean;
  /** It spends or deletes, which moves the page: see isMeant(). */
  acts?: boolean;
  /** What it says, one string. */
  children: string;
}

/** A key that is held down is one press. */
function once(event: KeyboardEvent) {
  if (event.repeat) event.preventDefault();
}

/** Not `disabled`: that would throw the focus out. */
function guarded(busy: boolean, waiting: boolean, acts: boolean, onClick: Native['onClick']) {
  return {
    ...(busy || waiting ? { 'aria-disabled': true } : {}),
    'aria-busy': busy || undefined,
    onKeyDown: once,
    onClick: (event: MouseEvent<HTMLButtonElement>) => {
      if (busy || waiting || (acts && !isMeant(event))) event.preventDefault();
      else onClick?.(event);
    },
  };
}

export function Button(props: ButtonProps) {
  const { kind = 'plain', icon, busy = false, waiting = false, acts = false, ...more } = props;
  const { children, onClick, ...native } = more;
  return (
    <button type="button" {...native} className={`button ${kind}`} {...guarded(busy, waiting, acts, onClick)}>
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
  acts?: boolean;
  /** Beside the icon: what it costs. */
  note?: string | undefined;
}

export function IconButton(props: IconButtonProps) {
  const { icon, label, busy = false, acts = false, note, onClick, ...native } = props;
  return (
    <button
      type="button"
      title={label}
      {...native}
      className={note ? 'icon-button noted' : 'icon-button'}
      aria-label={note ? `${label} · ${note}` : label}
      {...guarded(busy, false, acts, onClick)}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : <Icon name={icon} />}
      {note && <span translate="no">{note}</span>}
    </button>
  );
}
