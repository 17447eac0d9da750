/** What is asked of the machine; see debian.mjs and postgres15.mjs. */
export interface Machine {
  platform: string;
  isRoot: boolean;
  osRelease(): string;
  has(file: string): boolean;
  aptKnows(name: string): Promise<boolean>;
  apt(title: string, args: string[]): Promise<void>;
  withoutServer(work: () => Promise<void>): Promise<void>;
}
export const POSTGRES_15: string;
export const thisMachine: Machine;
export function ensurePostgres15(machine?: Machine): Promise<{ bin: string } | { missing: string }>;
