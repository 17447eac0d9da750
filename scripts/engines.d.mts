/** What is asked of the machine; see engines.mjs. */
export interface Machine {
  platform: string;
  env: Record<string, string | undefined>;
  isRoot: boolean;
  osRelease(): string;
  has(file: string): boolean;
  starts(file: string): Promise<boolean>;
  aptKnows(name: string): Promise<boolean>;
  apt(title: string, args: string[]): Promise<void>;
}
/** Paths of its programs. */
export interface WebKit {
  driver: string;
  xvfb: string;
}
export const thisMachine: Machine;
export function findWebKit(machine?: Machine): WebKit | undefined;
export function ensureWebKit(machine?: Machine): Promise<string | undefined>;
export function ensureFirefox(machine?: Machine): Promise<string>;
