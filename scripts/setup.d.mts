/** See setup.mjs. */
export function setUp(): Promise<void>;
export function rebuild(): Promise<string[]>;
export function setUpFor(args: string[]): Promise<void>;
export function asksForHelp(args: string[]): boolean;
