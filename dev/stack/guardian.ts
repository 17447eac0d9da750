import { spawn } from 'node:child_process';

/**
 * Ends a process' children, and removes its temporary folders, when it was killed with SIGKILL and could not: a small
 * shell that reads their ids and names from a pipe, and acts when the pipe closes without a goodbye.
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

  /** A folder that is nobody's once the children have ended. */
  owns(folder: string): void {
    this.#tell(`rm ${folder}`);
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

// SIGINT: for Postgres the fast, orderly shutdown; the others simply end. What does not end within 30 seconds keeps its
// folders: it may still write there.
const SCRIPT = `
pids=" "
folders=
while read -r word what; do
  case $word in
    +) pids="$pids$what " ;;
    -) pids=" $(for one in $pids; do [ "$one" = "$what" ] || printf '%s ' "$one"; done)" ;;
    rm) folders="$folders$what
" ;;
    bye) exit 0 ;;
  esac
done
for pid in $pids; do kill -INT "$pid"; done
[ -n "$folders" ] || exit 0
seconds=0
for pid in $pids; do
  while kill -0 "$pid"; do
    [ "$seconds" -lt 30 ] || exit 0
    sleep 1
    seconds=$((seconds + 1))
  done
done
printf '%s' "$folders" | while read -r folder; do rm -rf -- "$folder"; done
`;
