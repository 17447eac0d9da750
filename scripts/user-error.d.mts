/** See user-error.mjs. */
export class UserError extends Error {}
export function main(run: () => Promise<unknown>): Promise<void>;
