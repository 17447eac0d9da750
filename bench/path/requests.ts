import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { until } from '../../tests/e2e/support/until.ts';

const COUNTER = new URL('./count-requests.ts', import.meta.url).href;

/** The counts that count-requests.ts keeps in other processes. */
export class RequestCounts {
  readonly #prefix: string;

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static async open(): Promise<RequestCounts> {
    return new RequestCounts(path.join(await fs.mkdtemp(path.join(os.tmpdir(), 'path-')), 'requests'));
  }

  /** For a stack whose requests are to be counted. */
  get env(): Record<string, string> {
    return { NODE_OPTIONS: `--import=${COUNTER}`, REQUEST_COUNTS: this.#prefix };
  }

  /** What a process has counted since it was asked last. */
  async take(pid: number): Promise<Record<string, number>> {
    const file = `${this.#prefix}-${pid}`;
    process.kill(pid, 'SIGUSR2');
    const text = await until('the counts of requests', () =>
      fs.readFile(file, 'utf8').catch(() => undefined),
    );
    await fs.rm(file);
    return JSON.parse(text);
  }

  async close(): Promise<void> {
    await fs.rm(path.dirname(this.#prefix), { recursive: true, force: true });
  }
}
