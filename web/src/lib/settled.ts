import { useEffect, useState } from 'react';

/** So long somebody may pause between two letters of a word. Milliseconds. */
const PAUSE_MS = 300;

/** What is typed, once the typing has paused; at once where nothing is left of it. */
export function useSettled(typed: string): string {
  const text = typed.trim();
  const [settled, settle] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => settle(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return text === '' ? '' : settled;
}
