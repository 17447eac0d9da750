/** `.env.NAME`: the settings of one installation, readable by its owner alone. */
import fs from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { UserError } from '../user-error.mjs';

export type Values = Record<string, string>;

const HEAD = `# The settings of this installation, secrets among them: keep the file to yourself. npm run setup writes it, and adds
# what it has learnt; you may edit it. What each one means: docs/operations/deploy.md#settings
`;

export class EnvFile {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  exists(): boolean {
    return fs.existsSync(this.file);
  }

  /** What stands in it; nothing where it is not there. Empty values count as missing. */
  read(): Values {
    const entries = Object.entries(parseEnv(this.#text())) as [string, string][];
    return Object.fromEntries(entries.filter(([, value]) => value.trim() !== ''));
  }

  /** Puts values in, in place of those of the same names; comments and the other lines stay. */
  write(values: Values): void {
    let text = this.#text() || HEAD;
    for (const [name, value] of Object.entries(values)) {
      const line = `${name}=${quoted(name, value)}`;
      // Of a name that stands there twice the last line counts.
      const present = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=.*$`, 'gm');
      const last = [...text.matchAll(present)].at(-1);
      text = last
        ? `${text.slice(0, last.index)}${line}${text.slice(last.index + last[0].length)}`
        : `${text}${text.endsWith('\n') ? '' : '\n'}${line}\n`;
    }
    writePrivately(this.file, text);
  }

  #text(): string {
    try {
      return fs.readFileSync(this.file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw new UserError(`${this.file} cannot be read: ${(error as Error).message}`);
    }
  }
}

/** Written beside its place and renamed: a killed run leaves the old file or the new one. */
export function writePrivately(file: string, text: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const beside = `${file}.new`;
  try {
    fs.writeFileSync(beside, text, { mode: 0o600 });
    fs.renameSync(beside, file);
  } catch (error) {
    fs.rmSync(beside, { force: true });
    throw new UserError(`${file} cannot be written: ${(error as Error).message}`);
  }
}

function quoted(name: string, value: string): string {
  if (/[\r\n]/.test(value)) throw new UserError(`${name} has more than one line: copy it again.`);
  if (/^[\w.:/@,*+=-]*$/.test(value)) return value;
  // No backquotes: a shell that reads the file would run what is between them.
  const quote = [`'`, '"'].find((each) => !value.includes(each));
  if (!quote) throw new UserError(`${name} holds both kinds of quotation mark, which the file cannot keep.`);
  return `${quote}${value}${quote}`;
}
