import { spawn } from 'node:child_process';

/**
 * Ends the stack's children when the stack itself was killed with SIGKILL and could not: a small shell
 * that reads their ids from a pipe, and acts when the pipe closes without a goodbye.
 */
export class Guardian {
  readonly #shell = spawn('/bin/sh', ['-c', SCRIPT], {
    detached: true, // a Ctrl-C or a kill of the process group must not take it along
    stdio: ['pipe', 'ignore', 'ignore'],
  });

  constructor() {
    this.#shell.unref();
    // Without it a kill leaves children behind, no more: the next start copes with them.
    this.#shell.on('error', () => {});
    this.#shell.stdin.on('error', () => {});
    (this.#shell.stdin as unknown as { unref?: () => void }).unref?.();
  }

  watch(pid: number, ended: Promise<unknown>): void {
    this.#tell(`+ ${pid}`);
    void ended.then(() => this.#tell(`- ${pid}`));
  }

  /** All children have been stopped in order. */
  dismiss(): void {
    this.#tell('bye');
    this.#shell.stdin.end();
  }

  #tell(line: string): void {
    if (this.#shell.stdin.writable) this.#shell.stdin.write(`${line}\n`);
  }
}

// SIGINT: for Postgres the fast, orderly shutdown; the others simply end.
const SCRIPT = `
pids=" "
while read -r word pid; do
  case $word in
    +) pids="$pids$pid " ;;
    -) pids=" $(for one in $pids; do [ "$one" = "$pid" ] || printf '%s ' "$one"; done)" ;;
    bye) exit 0 ;;
  esac
done
for pid in $pids; do kill -INT "$pid"; done
`;
