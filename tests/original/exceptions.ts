/** Calls of the original's apps that do not work, on purpose. The page says so to those who move. */
export const PAGE = 'docs/guides/move-from-the-original.md';

/** Each one's name, and the words that the page has about it. */
export const EXCEPTIONS: Record<string, string> = {
  'jobs-by-realtime': '`job_queue` cannot',
};
