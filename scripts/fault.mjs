/** Something that the person at the keyboard can mend: one sentence, and a way out. */
export class Fault extends Error {}

/** Runs a script's main function: a fault is told in one sentence, anything else is a defect of ours. */
export async function main(run) {
  try {
    process.exitCode = (await run()) ?? 0;
  } catch (error) {
    if (error instanceof Fault) {
      process.stderr.write(`\n✖ ${error.message}\n`);
    } else {
      process.stderr.write(`\n✖ This should not happen, please report it: ${error?.stack ?? error}\n`);
    }
    process.exitCode = 1;
  }
}
