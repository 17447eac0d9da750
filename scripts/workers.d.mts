/** See workers.mjs. */
export const WORKERS: string[];
export function sourcesOf(worker: string): string[];
