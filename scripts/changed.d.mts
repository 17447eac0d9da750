/** What of npm test a change touches; see changed.mjs. */
export interface Plan {
  rust: boolean;
  system: string[];
  deploy: boolean;
  /** The changed file for which everything runs. */
  everything: string | undefined;
  leftOut: [what: string, why: string][];
}
export function changedFiles(ref?: string): Promise<string[]>;
export function planOf(files: string[], imported: string[], tests: string[], devBuild: boolean): Plan;
export function importingTests(ref?: string): Promise<string[]>;
export function allTests(): Promise<string[]>;
