#!/usr/bin/env bash
# One would guess: `ready` says that all the given paths are watched, so what changes after it is told; a path that is not
# there yet delays nothing. With one missing path among them chokidar says `ready` at once, before it has looked at the
# folders that are there: getWatched() is empty at that moment, and changes made right after it are never told, to files
# that have nothing to do with the missing one.
# Who meets it: whoever watches a source folder together with an optional file (.env, a config of the user's), and waits
# for `ready` before the first build, or before a test writes the file whose change it expects.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error chokidar@5.0.0 >/dev/null
cat >main.mjs <<'JS'
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { watch } from 'chokidar';

const { version } = JSON.parse(fs.readFileSync('node_modules/chokidar/package.json', 'utf8'));
console.log(`chokidar ${version}, Node ${process.version}, ${process.platform}`);

async function told(name, optional) {
  const folder = path.resolve(name);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'known'), '1');
  const events = [];
  const watcher = watch([...optional, folder], { ignoreInitial: true });
  watcher.on('all', (event, file) => events.push(`${event} ${path.basename(file)}`));
  await new Promise((resolve) => watcher.on('ready', resolve));
  const watched = Object.keys(watcher.getWatched()).length;
  fs.writeFileSync(path.join(folder, 'known'), '2');
  fs.writeFileSync(path.join(folder, 'new'), '1');
  await sleep(2000);
  await watcher.close();
  return { watched, events: events.sort() };
}

const alone = await told('alone', []);
const beside = await told('beside', [path.resolve('.env')]);
console.log('one folder:', alone);
console.log('the same beside a file that is not there:', beside);
if (alone.events.length !== 2 || alone.watched === 0 || beside.events.length !== 0 || beside.watched !== 0) {
  console.error('Behaviour changed: expected both changes told of the one, and none of the other.');
  process.exitCode = 1;
}
JS
node main.mjs
