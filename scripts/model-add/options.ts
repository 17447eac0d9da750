import { parseArgs } from 'node:util';
import { UserError } from '../user-error.mjs';
import type { Given } from './entry.ts';

export interface Options {
  /** `owner/name`. */
  id: string;
  given: Given;
  /** The model to put it behind. */
  after?: string;
  /** Another file than the project's own; then no migration is written. */
  catalogue?: string;
  dryRun: boolean;
}

export const HELP = `npm run model:add -- owner/name [options]

Makes the catalogue's entry of a Replicate model from the schema that Replicate publishes, puts it into
shared/src/catalogue/models.json, and writes the migration that brings it into a database. It tells what it understood,
and what you must decide or check before you commit it: docs/guides/models.md.

  --name TEXT         its name for people
  --description TEXT  one line for people
  --cost N            price of one image in US dollars
  --seconds N         how long an image takes, roughly
  --after OWNER/NAME  the model to put it behind in lists; by itself it goes to others of its maker and kind
  --dry-run           print the entry, write nothing
  --catalogue FILE    put it into another file, and write no migration
  --help              this text

Environment: REPLICATE_API_TOKEN, and REPLICATE_API_URL for another Replicate than the real one, such as the simulator
of npm start. Looking at a model costs nothing.
`;

/** @returns undefined when the help was asked for */
export function parseOptions(argv: string[]): Options | undefined {
  const { values, positionals } = parse(argv);
  if (values.help) return undefined;
  const [id, ...more] = positionals;
  if (id === undefined || more.length > 0)
    throw new UserError('Name one model: npm run model:add -- owner/name');
  if (!/^[\w.-]+\/[\w.-]+$/.test(id))
    throw new UserError(`${JSON.stringify(id)} is not of the form owner/name.`);
  const number = (name: 'cost' | 'seconds', isWhole: boolean): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text.trim() !== '' && value > 0 && value < 10_000 && (!isWhole || Number.isInteger(value)))
      return value;
    throw new UserError(`--${name} takes a ${isWhole ? 'whole ' : ''}number above 0.`);
  };
  const [cost, seconds] = [number('cost', false), number('seconds', true)];
  return {
    id,
    given: {
      ...(values.name === undefined ? {} : { name: values.name }),
      ...(values.description === undefined ? {} : { description: values.description }),
      ...(cost === undefined ? {} : { cost }),
      ...(seconds === undefined ? {} : { seconds }),
    },
    ...(values.after === undefined ? {} : { after: values.after }),
    ...(values.catalogue === undefined ? {} : { catalogue: values.catalogue }),
    dryRun: values['dry-run'],
  };
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        description: { type: 'string' },
        cost: { type: 'string' },
        seconds: { type: 'string' },
        after: { type: 'string' },
        catalogue: { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    // Only the sentence about the option itself; what follows it is advice on Node's parser.
    const sentence = (error instanceof Error ? error.message : String(error)).split('. ')[0];
    throw new UserError(`${sentence}; see npm run model:add -- --help.`);
  }
}
