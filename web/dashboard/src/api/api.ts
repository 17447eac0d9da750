import { createContext, useContext } from 'react';
import { type Polled, usePoll } from '../lib/poll.ts';
import { allRows, type Call, isRefused } from './call.ts';
import type { Calls, Overview } from './contract.ts';

export interface Api {
  call: Call;
  /** The account has no longer, or never had, the role. */
  refused: () => void;
}

const Context = createContext<Api | null>(null);
export const ApiProvider = Context.Provider;

export function useApi(): Api {
  const api = useContext(Context);
  if (!api) throw new Error('nobody is signed in here');
  return api;
}

/**
 * Asks one function of the contract while it is looked at; see usePoll().
 *
 * @param question where the arguments go with the time: what the same question is told by
 */
export function useAsk<N extends keyof Calls>(
  name: N,
  args: Calls[N]['args'],
  everyMs: number,
  question = JSON.stringify(args),
): Polled<Calls[N]['answer']> {
  const { call } = useApi();
  return useAnswer(`${name} ${question}`, (signal) => call(name, args, signal), everyMs);
}

/** The same, of a function that may answer more rows than one call gives. */
export function useRows<N extends 'admin_analytics'>(
  name: N,
  args: Calls[N]['args'],
  everyMs: number,
): Polled<Calls[N]['answer']> {
  const { call } = useApi();
  return useAnswer(`${name} ${JSON.stringify(args)}`, (signal) => allRows(call, name, args, signal), everyMs);
}

function useAnswer<T>(
  question: string,
  ask: (signal: AbortSignal) => Promise<T>,
  everyMs: number,
): Polled<T> {
  const { refused } = useApi();
  const watched = (signal: AbortSignal) =>
    ask(signal).catch((error: unknown) => {
      if (isRefused(error)) refused();
      throw error;
    });
  return usePoll(question, watched, everyMs);
}

const OverviewContext = createContext<Polled<Overview> | null>(null);
/** Asked for by the frame: every page shows some of it. */
export const OverviewProvider = OverviewContext.Provider;

export function useOverview(): Polled<Overview> {
  const overview = useContext(OverviewContext);
  if (!overview) throw new Error('the frame asks for the overview');
  return overview;
}

/** Without what is undefined or empty: the function's own default is meant. */
export function given<T extends object>(args: T): { [K in keyof T]: NonNullable<T[K]> } {
  const entries = Object.entries(args).filter(
    ([, value]) => value !== undefined && value !== null && value !== '',
  );
  return Object.fromEntries(entries) as { [K in keyof T]: NonNullable<T[K]> };
}
