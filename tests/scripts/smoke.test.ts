import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { hintFor } from '../../scripts/smoke/installation.ts';
import { formatOf, png } from '../../scripts/smoke/png.ts';

test('images are known by their first bytes', () => {
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

test('hints name the Workers, files and commands of the installation', () => {
  const hint =
    'Set X in .env.production, then npm run setup. npx wrangler tail process-jobs and, with --config .local/production/process-jobs.json, triggers.';
  expect(hintFor(hint, 'production')).toBe(hint);
  expect(hintFor('npm run setup; npm run deploy', 'staging')).toBe(
    'npm run setup -- --name staging; npm run deploy -- --name staging',
  );
  const staging = hintFor(hint, 'staging');
  expect(staging).toContain('Set X in .env.staging, then npm run setup -- --name staging.');
  expect(staging).toContain('npx wrangler tail process-jobs-staging and');
  expect(staging).toContain('.local/staging/process-jobs.json');
  expect(staging).not.toContain('production');
});

test('hints give wrangler the name of a Worker, in which an installation can be put', () => {
  const folder = fileURLToPath(new URL('../../scripts/smoke/', import.meta.url));
  const files = fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'));
  const tails = files.flatMap((name) => [
    ...fs.readFileSync(`${folder}/${name}`, 'utf8').matchAll(/wrangler tail (\S+)/g),
  ]);
  const names = new Set(tails.map(([, name]) => name));
  expect(tails.length).toBeGreaterThan(5);
  for (const name of names)
    expect(name).toMatch(/^(start-generation|process-jobs|process-generation|\$\{)|^\(/);
});
