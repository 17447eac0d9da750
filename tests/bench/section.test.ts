import { expect, test } from 'vitest';
import { withSection } from '../../bench/section.ts';

const DOCUMENT =
  '# A\n<!-- one: begin -->\nold\n<!-- one: end -->\n<!-- two: begin -->\nkept\n<!-- two: end -->\n';

test('a section is replaced, and nothing else', () => {
  const once = withSection(DOCUMENT, 'one', 'new\n');
  expect(once).toBe(DOCUMENT.replace('\nold\n', '\n\nnew\n\n'));
  expect(withSection(once, 'one', 'new')).toBe(once);
});

test('a document without the markers is not written over', () => {
  expect(() => withSection(DOCUMENT, 'three', 'new')).toThrow('three: begin');
});
