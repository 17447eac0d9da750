import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from 'react';

const SHOWN_MS = 5_000;

interface Messages {
  /** Shows a short sentence for a while, and has it read out. */
  say: (text: string) => void;
  /** Has it read out only: for what can be seen anyway. */
  announce: (text: string) => void;
}

const Context = createContext<Messages>({ say: () => {}, announce: () => {} });

export const useMessages = (): Messages => useContext(Context);

export function MessagesProvider({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<{ text: string; at: number }>();
  const [spoken, setSpoken] = useState('');
  const say = useCallback((text: string) => setShown({ text, at: Date.now() }), []);
  useEffect(() => {
    if (!shown) return;
    const timer = setTimeout(() => setShown(undefined), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [shown]);
  const [messages] = useState<Messages>(() => ({ say, announce: setSpoken }));
  return (
    <Context value={messages}>
      {children}
      <div className="hidden" aria-live="polite" role="log" aria-label="Progress">
        {spoken}
      </div>
      <div className="toasts" role="status">
        {shown && (
          <div className="toast" key={shown.at}>
            {shown.text}
          </div>
        )}
      </div>
    </Context>
  );
}
