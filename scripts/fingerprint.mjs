import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from './run.mjs';

/**
 * A hash over files and folders of the project, so that what is built from them is built again only when
 * they have changed.
 *
 * @param skip names of files and folders that are left out, wherever they are
 * @param more whatever else the result depends on
 */
export function fingerprint(entries, skip, more = '') {
  const hash = createHash('sha256').update(more);
  for (const entry of entries) addTo(hash, entry, skip);
  return hash.digest('hex');
}

function addTo(hash, entry, skip) {
  const file = path.join(ROOT, entry);
  if (!fs.statSync(file).isDirectory()) {
    hash.update(entry).update('\0').update(fs.readFileSync(file)).update('\0');
    return;
  }
  for (const name of fs.readdirSync(file).sort()) {
    if (!skip.includes(name)) addTo(hash, path.join(entry, name), skip);
  }
}
