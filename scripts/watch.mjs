// npm start -- --watch: what has changed is built while the system runs, and the system takes it.
import fs from 'node:fs';
import path from 'node:path';
import { watch as watchFiles } from 'chokidar';
import { say } from './progress.mjs';
import { ROOT } from './run.mjs';
import { UserError } from './user-error.mjs';
import { WEB_SOURCES } from './web.mjs';
import { sourcesOf, WORKERS } from './workers.mjs';

/** An editor saves several files at once, and some write a file in several steps. */
const QUIET_MS = 100;
/** What builds write, and what editors leave beside a file. */
const IGNORED = /(^|\/)(build|dist|target|node_modules|\.[^/]*)(\/|$)|~$/;

/** The stack reads it when it starts its Workers; nothing is built from it but an address in the studio. */
const CONFIGURATION = 'wrangler.toml';
const PATHS = new Set([...WORKERS.flatMap(sourcesOf), ...WEB_SOURCES, CONFIGURATION]);

/** Folders whose changes are not taken while the system runs, and what to do. */
const NOT_TAKEN = {
  'supabase/migrations':
    'Migrations are applied at the start: Ctrl-C and start again. One that was applied before is not applied again; edited, it needs -- --fresh.',
  dev: 'This is the local system itself: Ctrl-C and start again.',
};

/**
 * Watches what the Workers and the studio are built from. One build at a time; what changes meanwhile is built next.
 *
 * @param rebuild builds what has changed and names it
 * @param reload has the system take what was built
 * @param root the folder that holds everything, in tests another one
 * @returns stops watching
 */
export async function watch({ rebuild, reload, root = ROOT, tell = say }) {
  const changed = new Set();
  let working = false;
  let timer;

  const work = async () => {
    if (working) return;
    working = true;
    do {
      const files = [...changed].sort();
      changed.clear();
      if (files.length > 0)
        tell(`\n${files.length === 1 ? `${files[0]} has` : `${files.length} files have`} changed`);
      for (const [folder, hint] of Object.entries(NOT_TAKEN)) {
        if (files.some((file) => file.startsWith(`${folder}/`))) tell(hint);
      }
      await build(files);
    } while (changed.size > 0);
    working = false;
  };
  const build = async (files) => {
    try {
      const built = await rebuild();
      if (built.length > 0 || files.includes(CONFIGURATION)) reload();
      else if (files.length > 0) tell('Nothing is built from that.');
    } catch (error) {
      tell(`\n✖ ${error instanceof UserError ? error.message : error.stack}`);
      tell('What ran before goes on. Save again when it is mended.');
    }
  };

  const relative = (file) => path.relative(root, file).split(path.sep).join('/');
  const entries = [...PATHS, ...Object.keys(NOT_TAKEN)].map((entry) => path.join(root, entry));
  // With one that is missing chokidar 5.0.0 says that it is ready before it watches the others.
  const watcher = watchFiles(
    entries.filter((entry) => fs.existsSync(entry)),
    {
      ignoreInitial: true,
      ignored: (file) => IGNORED.test(relative(file)),
    },
  );
  watcher.on('all', (event, file) => {
    if (event === 'addDir' || event === 'unlinkDir') return;
    changed.add(relative(file));
    clearTimeout(timer);
    timer = setTimeout(work, QUIET_MS);
  });
  watcher.on('error', (error) => tell(`✖ ${error.message}: not every change may be seen`));
  await new Promise((resolve) => watcher.once('ready', resolve));
  await work(); // what changed between the set-up and now
  tell(`Watching ${[...new Set([...PATHS].map((entry) => entry.split('/')[0]))].join(', ')}.`);
  return async () => {
    clearTimeout(timer);
    await watcher.close();
  };
}
