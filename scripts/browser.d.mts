/** What is asked of the machine; see browser.mjs. */
export interface Machine {
  platform: string;
  env: Record<string, string | undefined>;
  isRoot: boolean;
  osRelease(): string;
  starts(file: string): Promise<boolean>;
  playwrights(): Promise<string | undefined>;
  aptKnows(name: string): Promise<boolean>;
  apt(title: string, args: string[]): Promise<void>;
}
export const thisMachine: Machine;
export function findBrowser(machine?: Machine): Promise<string | undefined>;
export function ensureBrowser(machine?: Machine): Promise<string>;
export function requireBrowser(machine?: Machine): Promise<string>;
