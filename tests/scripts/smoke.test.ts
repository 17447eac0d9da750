import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { formatOf, png } from '../../scripts/smoke/png.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** As GitHub makes an anchor of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

test('every section of the docs that the smoke test points to is there', async () => {
  const files = await fs.readdir(path.join(ROOT, 'scripts/smoke'), { recursive: true });
  const sources = files.filter((file) => file.endsWith('.ts'));
  const texts = await Promise.all(
    sources.map((file) => fs.readFile(path.join(ROOT, 'scripts/smoke', file), 'utf8')),
  );
  const links = new Set(texts.flatMap((text) => text.match(/docs\/[\w-]+\.md(#[\w-]+)?/g) ?? []));
  expect(links.size).toBeGreaterThan(8);
  for (const link of links) {
    const [page = '', anchor] = link.split('#');
    const text = await fs.readFile(path.join(ROOT, page), 'utf8');
    const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading ?? ''));
    if (anchor !== undefined) expect(anchors, link).toContain(anchor);
  }
});

test('pictures are known by their first bytes', () => {
  expect(formatOf(png(1))).toBe('png');
  const text = (start: string) => formatOf(Buffer.from(start, 'latin1'));
  expect(text('\xff\xd8\xff\xe0')).toBe('jpeg');
  expect(text('RIFF\x00\x00\x00\x00WEBPVP8 ')).toBe('webp');
  expect(text('GIF89a')).toBe('gif');
  expect(text('\x00\x00\x00\x1cftypavif')).toBe('avif');
  expect(text('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">')).toBe('svg');
  for (const other of ['', '<html>', '{"error":"x"}', 'RIFF\x00\x00\x00\x00WAVE'])
    expect(text(other)).toBeUndefined();
});
