import fs from 'node:fs/promises';
import { expect, test } from 'vitest';

// `npm install` leaves the programs of other platforms out of package-lock.json where its registry lacks them, and
// `npm ci` then refuses the file on every machine.

type Entry = { resolved?: string; optionalDependencies?: Record<string, string> };

const { packages } = JSON.parse(
  await fs.readFile(new URL('../../package-lock.json', import.meta.url), 'utf8'),
) as { packages: Record<string, Entry> };

test('package-lock.json has every program of every platform', () => {
  const missing = Object.entries(packages).flatMap(([place, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).filter((name) => !isFoundFrom(place, name)),
  );
  expect(missing).toEqual([]);
  expect(packages).toHaveProperty(['node_modules/@supabase/cli-darwin-arm64']);
});

test('package-lock.json names no registry', () => {
  expect(Object.keys(packages).filter((place) => packages[place]?.resolved?.startsWith('http'))).toEqual([]);
});

/** As Node looks for a package: beside its user, then in each folder above. */
function isFoundFrom(place: string, name: string): boolean {
  if (`${place}/node_modules/${name}`.replace(/^\//, '') in packages) return true;
  const above = place.lastIndexOf('/node_modules/');
  if (place === '') return false;
  return isFoundFrom(above < 0 ? '' : place.slice(0, above), name);
}
