import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { isFinal } from '../api/call.ts';
import { useChanges } from './changes.ts';
import { answered, clear, report, type Trouble, useIsPaused } from './live.ts';

const isHidden = () => document.visibilityState === 'hidden';

/** However often it fails, it is asked again within this time. Milliseconds. */
const LONGEST_MS = 60_000;

export interface Polled<T> {
  /** The latest answer to this very question. */
  data: T | undefined;
  /** Why there is none yet; once there is one, the head of the page says what is in the way. */
  error: unknown;
}

/**
 * Asks while it is looked at: at once, then each `everyMs` after the answer. A hidden page asks nothing, and asks at
 * once when it is shown again. Where it fails it waits twice as long each time, and tells the head of the page. A
 * refusal that would stay the same is an answer, and not asked for again.
 *
 * @param question what is asked, as a text: another one has another answer
 * @param everyMs milliseconds; 0: once
 */
export function usePoll<T>(
  question: string,
  ask: (signal: AbortSignal) => Promise<T>,
  everyMs: number,
): Polled<T> {
  const [answer, setAnswer] = useState<{ question: string; data?: T; error?: unknown }>({ question });
  const isPaused = useIsPaused();
  const send = useEffectEvent((signal: AbortSignal) => ask(signal));
  const again = useRef<() => void>(undefined);
  const hasAnswer = useRef('');

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let running: AbortController | undefined;
    let trouble: Trouble | undefined;
    let failures = 0;
    let isOver = false;
    // What is paused is still asked once: a page without an answer would be empty.
    const rests = () => isHidden() || (isPaused && hasAnswer.current === question);
    const later = (ms: number) => {
      clearTimeout(timer);
      if (!isOver && !rests()) timer = setTimeout(look, ms);
    };
    const settle = () => {
      clear(trouble);
      trouble = undefined;
    };
    async function look(): Promise<void> {
      clearTimeout(timer);
      running?.abort();
      const own = new AbortController();
      running = own;
      try {
        const data = await send(own.signal);
        if (own.signal.aborted) return;
        failures = 0;
        settle();
        hasAnswer.current = question;
        setAnswer({ question, data });
        answered();
        if (everyMs > 0) later(everyMs);
      } catch (error) {
        if (own.signal.aborted) return;
        settle();
        if (isFinal(error)) {
          hasAnswer.current = question;
          setAnswer({ question, error });
          return;
        }
        failures += 1;
        const wait =
          Math.min(LONGEST_MS, Math.max(everyMs, 2_000) * 2 ** failures) * (0.8 + Math.random() / 5);
        trouble = { error, nextAt: Date.now() + wait, retry: look };
        report(trouble);
        setAnswer((now) => (now.question === question && 'data' in now ? now : { question, error }));
        later(wait);
      } finally {
        if (running === own) running = undefined;
      }
    }
    const onShown = () => {
      if (isHidden()) clearTimeout(timer);
      else if (!running && !rests() && (everyMs > 0 || hasAnswer.current !== question)) void look();
    };
    const onOnline = () => trouble && void look();
    again.current = () => void look();
    if (!rests()) void look();
    document.addEventListener('visibilitychange', onShown);
    addEventListener('online', onOnline);
    return () => {
      isOver = true;
      clearTimeout(timer);
      running?.abort();
      settle();
      document.removeEventListener('visibilitychange', onShown);
      removeEventListener('online', onOnline);
    };
  }, [question, everyMs, isPaused]);

  // What somebody has done here is seen at once.
  const changes = useChanges();
  const seen = useRef(changes);
  useEffect(() => {
    if (seen.current === changes) return;
    seen.current = changes;
    again.current?.();
  }, [changes]);
  const isCurrent = answer.question === question;
  return { data: isCurrent ? answer.data : undefined, error: isCurrent ? answer.error : undefined };
}
