/** A mistake of the person at the keyboard, or a lack of their machine: one sentence, and a way out. */
export class UserError extends Error {}

/** Runs a script's main function. A UserError is shown as one sentence; any other error is our defect. */
export async function main(run) {
  try {
    process.exitCode = (await run()) ?? 0;
  } catch (error) {
    if (error instanceof UserError) {
      process.stderr.write(`\n✖ ${error.message}\n`);
    } else {
      process.stderr.write(`\n✖ This should not happen, please report it: ${error?.stack ?? error}\n`);
    }
    process.exitCode = 1;
  }
}
