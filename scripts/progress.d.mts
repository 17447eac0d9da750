/** See progress.mjs. */
export function whatFailed(lines: string[]): string[];
