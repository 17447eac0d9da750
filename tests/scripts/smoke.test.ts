import { expect, test } from 'vitest';
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
