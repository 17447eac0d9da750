import { createContext, createElement, type ReactElement, type ReactNode, useContext } from 'react';
import type { Client } from '../client.ts';

const Context = createContext<Client | null>(null);

export interface PictureQueueProviderProps {
  /** From `createClient()`; the same one over all renderings. */
  client: Client;
  children?: ReactNode;
}

/** Hands a client to the hooks below it. */
export function PictureQueueProvider({ client, children }: PictureQueueProviderProps): ReactElement {
  return createElement(Context.Provider, { value: client }, children);
}

/**
 * The client: the one that is handed over, or the provider's.
 *
 * @throws Error where there is neither
 */
export function usePictureQueue(own?: Client): Client {
  const provided = useContext(Context);
  const client = own ?? provided;
  if (!client) {
    throw new Error('No client: put <PictureQueueProvider client={…}> around it, or hand the hook a client.');
  }
  return client;
}
