import { ConnectionError, type PictureQueueError, UnauthorizedError } from 'picture-queue';
import { useEffect, useEffectEvent, useState } from 'react';
import { explain } from './lib/explain.ts';
import { Banner } from './ui/Banner.tsx';
import { Button } from './ui/Button.tsx';

interface BannersProps {
  online: boolean;
  error: PictureQueueError | null;
  retry: () => Promise<void>;
}

const RETRY_MS = 5_000;

/** No network, no server, or something else in the way of the list; over as soon as it works again. */
export function Banners({ online, error, retry }: BannersProps) {
  const [retrying, setRetrying] = useState(false);
  const again = useEffectEvent(async () => {
    setRetrying(true);
    await retry();
    setRetrying(false);
  });

  // The network is back, or the server may be.
  const isAway = online && error instanceof ConnectionError;
  useEffect(() => {
    if (!isAway) return;
    const timer = setInterval(() => void again(), RETRY_MS);
    return () => clearInterval(timer);
  }, [isAway]);
  useEffect(() => {
    const listener = () => void again();
    addEventListener('online', listener);
    return () => removeEventListener('online', listener);
  }, []);

  if (!online) {
    return (
      <div className="banners">
        <Banner tone="warn" icon="offline" title="You are offline">
          Your pictures are still being made. This page catches up when you are back online.
        </Banner>
      </div>
    );
  }
  if (!error || error instanceof UnauthorizedError) return <div className="banners" />;
  const { title, text } = explain(error);
  return (
    <div className="banners">
      <Banner
        tone="bad"
        title={isAway ? 'The server is not answering' : title}
        action={
          <Button busy={retrying} onClick={() => void retry()}>
            Try again
          </Button>
        }
      >
        {isAway ? 'We keep trying. The pictures that you have started are still being made.' : text}
      </Banner>
    </div>
  );
}
