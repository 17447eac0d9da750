import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useEffectEvent,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { Button } from './Button.tsx';

const SHOWN_MS = 5_000;
/** For so long something can be taken back. */
const OFFERED_MS = 8_000;

/** Something that can still be done about what is said. */
export interface Offer {
  /** One takes the place of another; of its own kind, that is part of it and does not lapse. */
  kind: 'archive' | 'delete' | 'undo';
  label: string;
  take: () => void;
  /** It was not taken, and is gone. */
  lapse: () => void;
  /** It was asked for by a key: it takes the focus, so that the next press takes it; Escape goes on there. */
  focusThen?: (() => HTMLElement | null | undefined) | undefined;
}

interface Messages {
  /** Shows a short sentence for a while, and has it read out. One with an offer stands beside the others. */
  say: (text: string, offer?: Offer) => void;
  /** Takes the offer away without its lapsing. */
  withdraw: () => void;
  /** Has it read out only: for what can be seen anyway. */
  announce: (text: string) => void;
}

interface Message {
  text: string;
  at: number;
  offer?: Offer | undefined;
}

interface Outlets {
  said: Message | undefined;
  offered: Message | undefined;
  /** Read out where it was said: not once more when a dialog closes. */
  spoken: { text: string; outlet: string };
  /** Where they are shown: in the dialog that is open, or on the page. */
  top: string;
  open: (outlet: string) => () => void;
  over: (message: Message) => void;
}

const Context = createContext<Messages>({ say: () => {}, withdraw: () => {}, announce: () => {} });
const OutletContext = createContext<Outlets | null>(null);

export const useMessages = (): Messages => useContext(Context);

export function MessagesProvider({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState<Message>();
  const [offered, setOffered] = useState<Message>();
  const [spoken, setSpoken] = useState({ text: '', outlet: '' });
  const [top, setTop] = useState('');
  const outlets = useRef<string[]>([]);
  const current = useRef<Offer>(undefined);
  const [messages] = useState<Messages>(() => ({
    say: (text, offer) => {
      const message = { text, at: Date.now(), offer };
      if (!offer) return setSaid(message);
      const before = current.current;
      current.current = offer;
      setOffered(message);
      if (before && before.kind !== offer.kind) before.lapse();
    },
    withdraw: () => {
      current.current = undefined;
      setOffered(undefined);
    },
    announce: (text) => setSpoken({ text, outlet: outlets.current.at(-1) ?? '' }),
  }));
  const [{ open, over }] = useState<Pick<Outlets, 'open' | 'over'>>(() => ({
    open: (outlet) => {
      const change = (now: string[]) => {
        outlets.current = now;
        setTop(now.at(-1) ?? '');
      };
      change([...outlets.current, outlet]);
      return () => change(outlets.current.filter((one) => one !== outlet));
    },
    over: (message) => {
      if (current.current === message.offer) current.current = undefined;
      setSaid((now) => (now === message ? undefined : now));
      setOffered((now) => (now === message ? undefined : now));
    },
  }));
  const all = useMemo(
    () => ({ said, offered, spoken, top, open, over }),
    [said, offered, spoken, top, open, over],
  );
  return (
    <Context value={messages}>
      <OutletContext value={all}>
        {children}
        <MessagesOutlet />
      </OutletContext>
    </Context>
  );
}

/** Where messages come out: one on the page, and one in each dialog, behind which nothing is seen or read out. */
export function MessagesOutlet() {
  const outlet = useId();
  const all = useContext(OutletContext);
  const open = all?.open;
  useLayoutEffect(() => open?.(outlet), [open, outlet]);
  if (!all) return null;
  const isTop = all.top === outlet;
  return (
    <>
      <div className="hidden" aria-live="polite" role="log" aria-label="Progress">
        {all.spoken.outlet === outlet ? all.spoken.text : ''}
      </div>
      <div className="toasts" role="status">
        {isTop &&
          [all.offered, all.said].map(
            (message) => message && <Toast key={keyOf(message)} message={message} over={all.over} />,
          )}
      </div>
    </>
  );
}

const keyOf = ({ at, offer }: Message) => `${offer ? 'offered' : 'said'} ${at}`;

function Toast({ message, over }: { message: Message; over: (message: Message) => void }) {
  const { text, offer } = message;
  const box = useRef<HTMLDivElement>(null);
  // Nobody has to hurry who points at it, or has the focus in it.
  const [held, hold] = useState(false);
  const end = () => {
    over(message);
    offer?.lapse();
  };
  const onTime = useEffectEvent(end);
  const take = () => {
    over(message);
    offer?.take();
  };
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(onTime, offer ? OFFERED_MS : SHOWN_MS);
    return () => clearTimeout(timer);
  }, [held, offer]);
  useEffect(() => {
    // Not again where it is shown in another place, since a dialog has closed.
    if (offer?.focusThen && Date.now() - message.at < SHOWN_MS / 10)
      box.current?.querySelector('button')?.focus();
  }, [message, offer]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it holds the time and hears Escape of the button in it.
    <div
      className="toast"
      ref={box}
      onPointerEnter={() => hold(true)}
      onPointerLeave={() => hold(false)}
      onPointerCancel={() => hold(false)}
      onFocus={() => hold(true)}
      onBlur={() => hold(false)}
      onKeyDown={(event) => {
        const next = event.key === 'Escape' && offer?.focusThen?.();
        if (!next) return;
        event.stopPropagation();
        next.focus();
        end();
      }}
    >
      <span>{text}</span>
      {offer && (
        <Button kind="quiet" onClick={take}>
          {offer.label}
        </Button>
      )}
    </div>
  );
}
