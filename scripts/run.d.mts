/** See run.mjs. */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
export const ROOT: string;
export const TOOLS: string;
export function environment(extra?: Record<string, string | undefined>): NodeJS.ProcessEnv;
export function foreground(command: string, args: string[], options?: SpawnOptions): Promise<number>;
export function endOf(child: ChildProcess): Promise<number>;
export function output(command: string, args: string[], options?: SpawnOptions): Promise<string | undefined>;
