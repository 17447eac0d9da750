import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
  told: ((news: unknown) => void) | undefined;
}

/** A Python program that answers one command a line, for libraries that only Python and Rust have. */
export class Python {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #next = 1;

  constructor(script: string, args: string[], env: Record<string, string>) {
    const child = spawn('python3', [script, ...args], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdin.on('error', () => {}); // it has ended: said below
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-2_000);
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(JSON.parse(line)));
    this.#ended = new Promise((resolve) => {
      const end = (why: string) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${script} ${why}: ${log}`));
        this.#waiting.clear();
        resolve();
      };
      child.once('error', (error) => end(`could not be started (${error.message})`));
      child.once('close', (code) => end(`ended with ${code}`));
    });
  }

  /** @param told hears of what is done meanwhile, where the command tells it */
  call<T, News = number>(
    name: string,
    values: Record<string, unknown> = {},
    told?: (news: News) => void,
  ): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, {
        resolve: resolve as Waiting['resolve'],
        reject,
        told: told as Waiting['told'],
      });
      this.#child.stdin?.write(`${JSON.stringify({ id, do: name, ...values })}\n`);
    });
  }

  /** Lets it end in its own way. */
  async end(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }

  #hear(answer: { id: number; told?: unknown; failed?: string; done?: unknown }): void {
    const waiting = this.#waiting.get(answer.id);
    if (answer.told !== undefined) {
      waiting?.told?.(answer.told);
      return;
    }
    this.#waiting.delete(answer.id);
    if (answer.failed !== undefined) waiting?.reject(new Error(answer.failed));
    else waiting?.resolve(answer.done);
  }
}
