import { expect, test } from 'vitest';
// @ts-expect-error: a script, which has no types
import { opener } from '../../scripts/open.mjs';
// @ts-expect-error: a script, which has no types
import { supabaseOrigin } from '../../scripts/web.mjs';

test('a browser is opened only where somebody sits in front of a desktop', () => {
  expect(opener('darwin', {}, true)).toBe('open');
  expect(opener('linux', { DISPLAY: ':0' }, true)).toBe('xdg-open');
  expect(opener('linux', { WAYLAND_DISPLAY: 'wayland-0' }, true)).toBe('xdg-open');
  expect(opener('linux', {}, true)).toBeUndefined();
  expect(opener('darwin', {}, false)).toBeUndefined();
  expect(opener('darwin', { CI: 'true' }, true)).toBeUndefined();
  expect(opener('linux', { DISPLAY: ':0', SSH_CONNECTION: 'a b' }, true)).toBeUndefined();
});

test('the page is built for the Supabase project of its own Worker', () => {
  const toml = (url: string) => `[env.process-jobs.vars]
SUPABASE_URL = "https://other.supabase.co"

[env.start-generation.vars]
# a comment
SUPABASE_URL = ${url}

[env.other.vars]
SUPABASE_URL = "https://another.supabase.co"
`;
  expect(supabaseOrigin(toml('"https://mine.supabase.co/"'))).toBe('https://mine.supabase.co');
  expect(supabaseOrigin(toml("'https://mine.supabase.co'"))).toBe('https://mine.supabase.co');
  expect(supabaseOrigin(toml('""'))).toBe('');
  expect(supabaseOrigin(toml('"no url"'))).toBe('');
  expect(supabaseOrigin('name = "x"')).toBe('');
});
