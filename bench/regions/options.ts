import { parseArgs } from 'node:util';

export interface Options {
  /** Round trips between edge and database, milliseconds. */
  databases: number[];
  /** Between user and edge. */
  users: number[];
  /** Measured at each of them, one after another. */
  images: number;
  note: string;
  write: boolean;
}

const DATABASES = '20,80,200';
const USERS = '0,100,300';

export const HELP = `npm run bench:regions [-- OPTIONS]

Images through the whole system while user, edge and database are apart: the start, the pick-up, the live event and the
whole image, with the Workers placed near the database and without, beside the original's five requests of a start.
Each distance of the database has a stack of its own. It takes some 6 minutes and writes docs/operations/regions.md.

  --databases A,B  milliseconds of a round trip between edge and database (${DATABASES})
  --users A,B      between user and edge (${USERS})
  --images N       at each of them, one after another (15)
  --note TEXT      a sentence on the circumstances, for the page
  --no-write       print only
  --help
`;

/** @returns undefined when help was asked for */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      databases: { type: 'string', default: DATABASES },
      users: { type: 'string', default: USERS },
      images: { type: 'string', default: '15' },
      note: { type: 'string', default: '' },
      write: { type: 'boolean', default: true },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    databases: numbers('databases', values.databases, 0),
    users: numbers('users', values.users, 0),
    images: numbers('images', values.images, 1)[0] ?? 1,
    note: values.note,
    write: values.write,
  };
}

function numbers(name: string, text: string, least: number): number[] {
  return text.split(',').map((each) => {
    const number = Number(each);
    if (!Number.isInteger(number) || number < least || number > 2_000) {
      throw new Error(`--${name} wants whole numbers from ${least} to 2000, not ${JSON.stringify(each)}`);
    }
    return number;
  });
}
