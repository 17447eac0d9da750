import { createContext, createElement, type ReactElement, type ReactNode, useContext, useMemo } from 'react';
import type { Client } from '../client.ts';
import type { Library } from '../library.ts';

interface Provided {
  client?: Client;
  library?: Library | undefined;
}

const Context = createContext<Provided>({});

export interface PictureQueueProviderProps {
  /** From `createClient()`; the same one over all renderings. */
  client: Client;
  /** From `createLibrary()`, for `useLibrary()` and `useUsage()`; the same one over all renderings. */
  library?: Library | undefined;
  children?: ReactNode;
}

/** Hands a client, and a library, to the hooks below it. */
export function PictureQueueProvider({ client, library, children }: PictureQueueProviderProps): ReactElement {
  const value = useMemo(() => ({ client, library }), [client, library]);
  return createElement(Context.Provider, { value }, children);
}

/**
 * The client: the one that is handed over, or the provider's.
 *
 * @throws Error where there is neither
 */
export function usePictureQueue(own?: Client): Client {
  const provided = useContext(Context);
  return own ?? provided.client ?? missing('client');
}

/** The same of the library. */
export function useProvidedLibrary(own?: Library): Library {
  const provided = useContext(Context);
  return own ?? provided.library ?? missing('library');
}

function missing(name: 'client' | 'library'): never {
  const props = name === 'client' ? 'client={…}' : 'client={…} library={…}';
  throw new Error(`No ${name}: put <PictureQueueProvider ${props}> around it, or hand the hook a ${name}.`);
}
