import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

/** The dashboard as it is built, beside the studio. What it does in a browser: tests/browser/dashboard-*.test.ts. */

const DIST = fileURLToPath(new URL('../../web/dist', import.meta.url));
/** Bytes, compressed: what an operator waits for at the first visit. The same as the studio's. */
const MOST_BYTES = 150 * 1024;

/** The files that a page names, with itself. */
function filesOf(page: string): string[] {
  const html = fs.readFileSync(path.join(DIST, page), 'utf8');
  const named = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map(([, file]) => file ?? '');
  return [page, ...named];
}

test('the first visit loads at most 150 KB', () => {
  const sizes = filesOf('dashboard.html').map((name) => ({
    name,
    bytes: gzipSync(fs.readFileSync(path.join(DIST, name)), { level: 9 }).length,
  }));
  expect(sizes.map(({ name }) => path.extname(name))).toEqual(
    expect.arrayContaining(['.html', '.js', '.css']),
  );
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(total, `bytes of ${JSON.stringify(sizes)}`).toBeLessThanOrEqual(MOST_BYTES);
});

test('neither page loads a script or style of the other, so that neither grows with it', () => {
  const [studio, dashboard] = ['index.html', 'dashboard.html'].map((page) =>
    filesOf(page).filter((name) => name.startsWith('assets/')),
  );
  expect(dashboard?.length).toBeGreaterThan(1);
  expect(studio?.filter((name) => name.includes('dashboard'))).toEqual([]);
  expect(dashboard?.filter((name) => !name.startsWith('assets/dashboard/'))).toEqual([]);
});

test('everything in its folder is loaded with the page: nothing comes late, nothing is left over', () => {
  const built = fs.readdirSync(path.join(DIST, 'assets/dashboard')).map((name) => `assets/dashboard/${name}`);
  expect(filesOf('dashboard.html')).toEqual(expect.arrayContaining(built));
});
