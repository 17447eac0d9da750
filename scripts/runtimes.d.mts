export type Runtime = 'deno' | 'bun';
export function findRuntime(name: Runtime): string | undefined;
export function ensureRuntime(name: Runtime): Promise<string | undefined>;
