/** What is said where a page breaks; the queue knows nothing of it. */
export const BROKEN =
  'The queue goes on. An action that you have just confirmed may have been done: the audit page tells.';
