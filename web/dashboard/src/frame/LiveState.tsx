import { useNow } from '../../../src/lib/now.ts';
import { pause, useLive } from '../lib/live.ts';

/** Whether the numbers are of now; what moves by itself can be held. */
export function LiveState() {
  const { isPaused, answeredAt, troubles } = useLive();
  const now = useNow(1_000);
  const seconds = Math.max(0, Math.round((now - answeredAt) / 1_000));
  const state = isPaused ? 'Paused' : troubles.length > 0 ? 'Not up to date' : 'Live';
  const age = answeredAt > 0 && (isPaused || troubles.length > 0) ? `as of ${seconds} s ago` : '';
  return (
    <div className="live" data-state={isPaused ? 'paused' : troubles.length > 0 ? 'late' : 'live'}>
      <span className="live-dot" aria-hidden="true" />
      <span className="live-words">
        <span>{state}</span>
        <span className="live-age">{age}</span>
      </span>
      <button type="button" className="text-button" onClick={() => pause(!isPaused)}>
        {isPaused ? 'Go on' : 'Hold'}
      </button>
    </div>
  );
}
