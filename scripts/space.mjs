// Whether the disk has room: Postgres that runs out of it fails in the middle, in words that say nothing of it.
import fs from 'node:fs';
import { UserError } from './user-error.mjs';

const GB = 1e9;

/** What is free to us in a folder's file system, in bytes. */
export function freeBytes(folder) {
  const { bavail, bsize } = fs.statfsSync(folder);
  return bavail * bsize;
}

/** @param gigabytes what `what` takes at its peak */
export function ensureSpace(folder, gigabytes, what, free = freeBytes(folder)) {
  if (free >= gigabytes * GB) return;
  throw new UserError(
    `${what} takes up to ${gigabytes} GB in ${folder}, and ${(Math.floor((free / GB) * 10) / 10).toFixed(1)} GB are free there. Free some, or set TMPDIR to a folder on another disk.`,
  );
}
