import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestStack } from './stack.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FOLDER = path.join(ROOT, 'docs/operations/runbook');
/** Its commands are run by the rehearsal (tests/bench/restore.test.ts). */
const REHEARSED = 'backup';

export interface Block {
  page: string;
  kind: string;
  code: string;
}

/** The pages of the runbook, by their names without `.md`. */
export const PAGES = readdirSync(FOLDER)
  .map((name) => name.replace(/\.md$/, ''))
  .filter((name) => name !== 'README');

export function blocksOf(page: string): Block[] {
  const text = readFileSync(path.join(FOLDER, `${page}.md`), 'utf8');
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, kind = '', code = '']) => ({
    page,
    kind,
    code,
  }));
}

/** What somebody prints who walks through a page: its commands, each with what it answered. */
export class Runbook {
  readonly #stack: TestStack;
  readonly #bin: string;
  readonly #run = new Set<string>();

  private constructor(stack: TestStack, bin: string) {
    this.#stack = stack;
    this.#bin = bin;
  }

  static async open(stack: TestStack): Promise<Runbook> {
    const bin = await fs.mkdtemp(path.join(os.tmpdir(), 'npx-'));
    const standIn = fileURLToPath(new URL('npx.mjs', import.meta.url));
    await fs.writeFile(path.join(bin, 'npx'), `#!/bin/sh\nexec "${process.execPath}" "${standIn}" "$@"\n`, {
      mode: 0o755,
    });
    const install = path.join(ROOT, 'scripts/install/main.ts');
    // Set-up and upgrade only show what they would do, of what is built, and write nothing into the checkout.
    const dry = `exec "${process.execPath}" "${install}" "$name" --no-build --dir "${bin}" "$@" 2>&1`;
    const npm = `case "$*" in
"run setup -- "*--dry-run|"run deploy -- "*--dry-run) name=$2; shift 3; ${dry};;
"run setup"*|"run deploy"*) echo "only with --dry-run: npm $*"; exit 1;;
esac
PATH=\${PATH#*:}; exec npm "$@"`;
    await fs.writeFile(path.join(bin, 'npm'), `#!/bin/sh\n${npm}\n`, { mode: 0o755 });
    return new Runbook(stack, bin);
  }

  close = () => fs.rm(this.#bin, { recursive: true, force: true });

  /**
   * Runs the blocks of a page with these words in them, in their order.
   *
   * @param words undefined: all blocks that are left
   * @param values what stands in place of the words in capitals, and further variables of the shell
   * @returns what the last one answered: rows, or what a command printed
   */
  async run(page: string, words?: string, values: Record<string, string> = {}): Promise<unknown> {
    const blocks = blocksOf(page).filter(({ code }) =>
      words === undefined ? !this.#run.has(page + code) : code.includes(words),
    );
    if (blocks.length === 0)
      throw new Error(`docs/operations/runbook/${page}.md has no command with ${words}`);
    let answer: unknown;
    for (const block of blocks) {
      this.#run.add(page + block.code);
      const code = Object.entries(values).reduce(
        (text, [word, value]) => text.replaceAll(new RegExp(`(?<!\\$)\\b${word}\\b`, 'g'), value),
        block.code,
      );
      answer = await this.#one(block, code, values).catch((error) => {
        throw new Error(`${page}.md: ${error.message}\nin\n${code}`);
      });
    }
    return answer;
  }

  /** Blocks that nobody has run. */
  left(): Block[] {
    return PAGES.filter((page) => page !== REHEARSED)
      .flatMap(blocksOf)
      .filter(({ page, code }) => !this.#run.has(page + code));
  }

  async #one({ kind }: Block, code: string, values: Record<string, string>): Promise<unknown> {
    if (kind === 'sql') {
      const sets = await this.#stack.sql.unsafe(code).simple();
      const last = Array.isArray(sets[0])
        ? sets.findLast((set) => (set as unknown as unknown[]).length > 0)
        : sets;
      return [...((last ?? []) as unknown[])];
    }
    if (kind !== 'sh') throw new Error(`a command is sh or sql, not ${kind || 'nothing'}`);
    const { addresses } = this.#stack;
    const { stdout } = await promisify(execFile)('/bin/sh', ['-eu', '-c', code], {
      cwd: ROOT,
      env: {
        ...process.env,
        PATH: `${this.#bin}:${process.env.PATH}`,
        DATABASE_URL: addresses.databaseUrl,
        SUPABASE_URL: addresses.supabaseUrl,
        SUPABASE_SERVICE_ROLE_KEY: addresses.secretKey,
        START_GENERATION_URL: addresses.startGenerationUrl,
        PROCESS_JOBS_URL: addresses.processJobsUrl,
        PROCESS_GENERATION_URL: addresses.processGenerationUrl,
        REPLICATE_API_URL: addresses.replicateUrl,
        REPLICATE_API_TOKEN: addresses.replicateApiToken,
        ...values,
      },
    });
    return stdout.trim();
  }
}
