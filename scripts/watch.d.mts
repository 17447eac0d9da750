/** What a watch does; see watch.mjs. */
export interface Watch {
  rebuild(): Promise<string[]>;
  reload(): void;
  root?: string;
  tell?(text: string): void;
}
export function watch(options: Watch): Promise<() => Promise<void>>;
