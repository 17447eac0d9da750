import { type KeyboardEvent, type ReactNode, useEffect, useId, useLayoutEffect, useRef } from 'react';
import { afterPaint } from '../lib/after-paint.ts';
import { IconButton } from './Button.tsx';
import { MessagesOutlet } from './messages.tsx';

interface DialogProps {
  title: string;
  onClose: () => void;
  size?: 'small' | 'large';
  /** Keys that do something wherever in it the focus is. */
  onKeyDown?: (event: KeyboardEvent) => void;
  children: ReactNode;
}

const FOCUSABLE =
  'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), [tabindex="0"]';

/** It is out of sight at once, and closed a frame later: the page behind it is styled anew then. */
function leave(dialog: HTMLDialogElement): void {
  dialog.classList.add('leaving');
  afterPaint(() => dialog.close());
}

/** A modal dialog while it is rendered: holds the focus, gives it back, closes with Escape or beside it. */
export function Dialog({ title, onClose, size = 'small', onKeyDown, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();

  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);

  // WebKit does not close it by Escape where nothing in it has the focus: after a click on a button, for one.
  useEffect(() => {
    const onEscape = (event: globalThis.KeyboardEvent) => {
      const dialog = ref.current;
      if (event.key !== 'Escape' || event.isComposing || !dialog?.open) return;
      event.preventDefault();
      leave(dialog);
    };
    document.addEventListener('keydown', onEscape);
    return () => document.removeEventListener('keydown', onEscape);
  }, []);

  /** Browsers let the focus out to their own buttons at either end; here it goes round. */
  const goRound = (event: KeyboardEvent<HTMLDialogElement>) => {
    if (event.key !== 'Tab') return;
    const all = [...event.currentTarget.querySelectorAll<HTMLElement>(FOCUSABLE)].filter(
      (element) => element.tabIndex >= 0 && element.offsetParent !== null,
    );
    const leaves = event.shiftKey ? all[0] : all.at(-1);
    if (document.activeElement !== leaves) return;
    event.preventDefault();
    (event.shiftKey ? all.at(-1) : all[0])?.focus();
  };

  return (
    <dialog
      ref={ref}
      className={`dialog ${size}`}
      aria-labelledby={heading}
      onClose={onClose}
      onCancel={(event) => {
        // A picker of files within it has a cancel of its own.
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        leave(event.currentTarget);
      }}
      onKeyDown={(event) => {
        goRound(event);
        onKeyDown?.(event);
      }}
      onClick={(event) => event.target === event.currentTarget && leave(event.currentTarget)}
    >
      <div className="dialog-inside">
        <header className="dialog-head">
          <h2 id={heading}>{title}</h2>
          <IconButton icon="close" label="Close" onClick={() => ref.current && leave(ref.current)} />
        </header>
        {children}
      </div>
      <MessagesOutlet />
    </dialog>
  );
}
