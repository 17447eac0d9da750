/** What is asked of the machine; see debian.mjs and promtool.mjs. */
export interface Machine {
  platform: string;
  isRoot: boolean;
  osRelease(): string;
  has(file: string): boolean;
  aptKnows(name: string): Promise<boolean>;
  apt(title: string, args: string[]): Promise<void>;
  installed(): Promise<string | undefined>;
  unpack(): Promise<unknown>;
}
export const thisMachine: Machine;
export function ensurePromtool(
  machine?: Machine,
): Promise<{ bin: string; missing?: undefined } | { missing: string; bin?: undefined }>;
