import path from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  rounds: number;
  /** In each crowd; a third as many are made one after another. */
  images: number;
  users: number;
  /** Bytes of each image's file; undefined: as the stand-in paints them, some 20 kB. */
  imageBytes: number | undefined;
  /** Absolute path of a folder of migrations in place of the project's own. */
  migrations: string | undefined;
  note: string;
  write: boolean;
}

export const HELP = `node bench/path/main.ts: the whole way of an image, on a stack of its own with a generation time of 0.

  --rounds N   how often everything is measured, each time on a new stack; medians are shown (3)
  --images N   images in each of the two crowds (600)
  --users N    users who start them at once (8)
  --image-bytes N  size of each image's file (some 20 kB)
  --migrations DIR  another schema that these Workers can be run on; then nothing is written
  --note TEXT  a sentence on the circumstances, for docs/operations/benchmarks.md
  --no-write   print only; docs/operations/benchmarks.md stays as it is
  --help

MAX_PARALLEL_JOBS and MAX_JOBS_PER_INVOCATION are handed on to the workers; then nothing is written, and neither is it
with images of another size: those numbers are printed. It takes some 80 seconds a round on two idle cores.
`;

/** @returns undefined when help was asked for */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      rounds: { type: 'string', default: '3' },
      images: { type: 'string', default: '600' },
      users: { type: 'string', default: '8' },
      'image-bytes': { type: 'string' },
      migrations: { type: 'string' },
      note: { type: 'string', default: '' },
      write: { type: 'boolean', default: true },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    rounds: wholeNumber('rounds', values.rounds),
    images: wholeNumber('images', values.images),
    users: wholeNumber('users', values.users),
    imageBytes:
      values['image-bytes'] === undefined ? undefined : wholeNumber('image-bytes', values['image-bytes']),
    migrations:
      values.migrations === undefined
        ? undefined
        : path.resolve(process.env.INIT_CWD ?? '.', values.migrations),
    note: values.note,
    write: values.write,
  };
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} wants a whole number from 1 on`);
  return number;
}
