/** See second-run.mjs. */
export type Run = (command: string, args: string[], options: object) => Promise<number>;
export function runTests(args: string[], options: object, run: Run): Promise<number>;
