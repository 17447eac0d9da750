/**
 * Takes a line for each attempt at a request: `debug` if it was answered, `warn` if it failed. `console` is one. A line
 * has the method, the address without its query, and the error; never a token, a header or a body.
 */
export interface Logger {
  debug(line: string): void;
  warn(line: string): void;
}

export type Log = (level: keyof Logger, line: string) => void;

/** A logger's own error ends nothing: a start that is paid for goes on. */
export function logTo(logger?: Logger): Log {
  return (level, line) => {
    try {
      logger?.[level](`picture-queue: ${line}`);
    } catch {
      // See above.
    }
  };
}
