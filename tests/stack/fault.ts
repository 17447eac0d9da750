/**
 * A fault the user can do something about: its message is one clear sentence with a way out,
 * and is shown without a stack trace.
 */
export class StackFault extends Error {
  override name = 'StackFault';
}
