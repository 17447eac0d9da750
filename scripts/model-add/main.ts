/** `npm run model:add`: puts a Replicate model into the catalogue; `--help` tells the options. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../user-error.mjs';
import { entriesOf, format, insert, MAX_BYTES, placeFor } from './catalogue.ts';
import { derive } from './entry.ts';
import { explain } from './explain.ts';
import { writeMigration } from './migration.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { fetchModel } from './replicate.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OWN = 'shared/src/catalogue/models.json';

try {
  const options = parseOptions(process.argv.slice(2));
  if (options) await add(options);
  else process.stdout.write(HELP);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`✖ ${error.message}\n`);
  process.exitCode = 1;
}

async function add(options: Options): Promise<void> {
  const file = options.catalogue
    ? path.resolve(process.env.INIT_CWD ?? '.', options.catalogue)
    : path.join(ROOT, OWN);
  const text = await fs.readFile(file, 'utf8').catch((error) => {
    throw new UserError(`${file} cannot be read: ${error.message}`);
  });
  const entries = entriesOf(text);
  if (entries.some(({ id }) => id === options.id))
    throw new UserError(`${options.id} is in the catalogue already.`);

  const now = new Date();
  const derived = derive(
    await fetchModel(options.id, process.env),
    options.given,
    now.toISOString().slice(0, 10),
  );
  const after = options.after ?? placeFor(derived.entry, entries) ?? '';
  const changed = insert(text, derived.entry, after);
  process.stderr.write(explain(derived));
  if (Buffer.byteLength(changed) > MAX_BYTES) {
    process.stderr.write(
      `The catalogue would have more than ${MAX_BYTES} bytes: it is compiled into three workers.\n`,
    );
  }
  if (options.dryRun) {
    process.stdout.write(`${format(derived.entry)}\n`);
    process.stderr.write(`Nothing was written; it would stand behind ${after}.\n`);
    return;
  }
  await fs.writeFile(file, changed);
  process.stderr.write(`${path.relative(process.cwd(), file)}: added behind ${after}\n`);
  if (!options.catalogue) await migrate(options.id, file, text, now);
}

async function migrate(id: string, file: string, before: string, now: Date): Promise<void> {
  let migration: string;
  try {
    migration = await writeMigration(ROOT, id, now);
  } catch (error) {
    await fs.writeFile(file, before); // all or nothing
    throw error;
  }
  process.stderr.write(`supabase/migrations/${migration}: written
Edit the entry where it needs it (docs/guides/models.md), then write the migration anew and run the tests:
  npm run -s models:sql -- changes > supabase/migrations/${migration}
  npm test -- unit
`);
}
