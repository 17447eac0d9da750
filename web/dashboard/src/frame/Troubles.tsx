import { useNow } from '../../../src/lib/now.ts';
import { useOnline } from '../../../src/lib/online.ts';
import { Banner } from '../../../src/ui/Banner.tsx';
import { Button } from '../../../src/ui/Button.tsx';
import { useLive } from '../lib/live.ts';
import { time } from '../lib/words.ts';

/** What keeps the page from being up to date, since when, and when it is tried again. */
export function Troubles() {
  const { troubles, answeredAt } = useLive();
  const online = useOnline();
  const [first] = troubles;
  if (!first) return <div className="banners" />;
  const since = answeredAt > 0 ? ` What you see is of ${time(answeredAt)}.` : '';
  const why = first.error instanceof Error ? first.error.message : String(first.error);
  return (
    <div className="banners">
      <Banner
        tone={online ? 'bad' : 'warn'}
        icon={online ? 'alert' : 'offline'}
        title={online ? 'The numbers are not up to date' : 'You are offline'}
        action={<Button onClick={() => troubles.forEach(({ retry }) => void retry())}>Try now</Button>}
      >
        <span>{`${online ? why : 'The dashboard catches up when you are back online.'}${since}`}</span>
        {online && <Next at={first.nextAt} />}
      </Banner>
    </div>
  );
}

/** Counted for those who look at it; not read out each second. */
function Next({ at }: { at: number }) {
  const seconds = Math.max(0, Math.ceil((at - useNow(1_000)) / 1_000));
  return (
    <span className="next-try" aria-hidden="true">
      {seconds > 0 ? ` Next try in ${seconds} s.` : ' Trying again …'}
    </span>
  );
}
