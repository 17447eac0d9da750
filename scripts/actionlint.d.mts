export function ensureActionlint(): Promise<{ bin: string; missing?: never } | { bin?: never; missing: string }>;
