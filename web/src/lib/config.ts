import { useCallback, useEffect, useState } from 'react';

/** What the page must know of its installation. */
export interface Config {
  supabase_url: string;
  anon_key: string;
}

async function load(): Promise<Config> {
  const answer = await fetch('/config');
  if (!answer.ok) throw new Error(`/config answered ${answer.status}`);
  return (await answer.json()) as Config;
}

export function useConfig(): { config?: Config; failed: boolean; retry: () => void } {
  const [config, setConfig] = useState<Config>();
  const [failed, setFailed] = useState(false);
  const retry = useCallback(() => {
    setFailed(false);
    load().then(setConfig, () => setFailed(true));
  }, []);
  useEffect(retry, [retry]);
  return { ...(config ? { config } : {}), failed, retry };
}
