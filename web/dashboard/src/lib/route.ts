import { useSyncExternalStore } from 'react';

/** Where somebody is: `#/jobs/4f…?state=failed` is the page `jobs`, its `id`, and what is chosen on it. */
export interface Route {
  page: string;
  id: string | undefined;
  query: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [page = '', id] = path.split('/').map(decode);
  return { page, id: id || undefined, query: new URLSearchParams(query) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a page with what is chosen on it; what is undefined or empty is left out. */
export function address(page: string, id?: string, query: Record<string, string | undefined> = {}): string {
  const chosen = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1]);
  const path = [page, ...(id ? [id] : [])].map(encodeURIComponent).join('/');
  return `#/${path}${chosen.length > 0 ? `?${new URLSearchParams(chosen)}` : ''}`;
}

const listeners = new Set<() => void>();
const tell = () => {
  for (const listener of listeners) listener();
};

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) addEventListener('hashchange', tell);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) removeEventListener('hashchange', tell);
  };
}

let parsed = parse(location.hash);
let from = location.hash;
/** The same object as long as the address is. */
function current(): Route {
  if (from !== location.hash) {
    from = location.hash;
    parsed = parse(from);
  }
  return parsed;
}

export const useRoute = (): Route => useSyncExternalStore(subscribe, current);

/** Changes what is chosen on this page. Not a step of its own in the browser's history: back leads to the page before. */
export function choose(changes: Record<string, string | undefined>): void {
  const { page, id, query } = current();
  const to = address(page, id, { ...Object.fromEntries(query), ...changes });
  history.replaceState(null, '', to);
  tell();
}
