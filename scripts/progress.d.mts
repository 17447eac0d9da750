/** See progress.mjs. */
export function say(text: string): void;
export function whatFailed(lines: string[]): string[];
