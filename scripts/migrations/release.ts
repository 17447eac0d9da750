/** `npm run migrations:release`: notes the migrations of a release; `--help` tells the options. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { complaints, MANIFEST, manifestOf, readFolder, readManifest } from './released.ts';

const SUPABASE = fileURLToPath(new URL('../../supabase', import.meta.url));

const HELP = `npm run migrations:release [-- options]

Notes every migration of supabase/migrations in supabase/${MANIFEST}, at a release. From then on the file is not
changed any more, since databases have run it: a test says so, and another one upgrades a full database from what is
noted to what is new. docs/operations/deploy.md#upgrade tells more.

  --check   write nothing; say what is new since the last release, fail where a released file was changed
  --anew    note the present files whatever was noted before: only while no database but your own has run them
  --help    this text
`;

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, anew: { type: 'boolean' }, help: { type: 'boolean' } },
});
process.exitCode = values.help ? help() : await release(values.check ?? false, values.anew ?? false);

function help(): number {
  process.stdout.write(HELP);
  return 0;
}

async function release(isCheck: boolean, isAnew: boolean): Promise<number> {
  const [released, folder] = [await readManifest(SUPABASE), await readFolder(SUPABASE)];
  const wrong = complaints(released, folder);
  if (wrong.length > 0 && !isAnew) {
    for (const sentence of wrong) process.stderr.write(`✖ ${sentence}\n`);
    return 1;
  }
  const added = [...folder.keys()].filter((file) => released.get(file) !== folder.get(file));
  process.stdout.write(
    added.length > 0 ? `${added.join('\n')}\n` : 'Nothing is new since the last release.\n',
  );
  if (!isCheck) await fs.writeFile(path.join(SUPABASE, MANIFEST), manifestOf(folder));
  return 0;
}
