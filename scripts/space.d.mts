export function freeBytes(folder: string): number;
export function ensureSpace(folder: string, gigabytes: number, what: string, free?: number): void;
