import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SupabaseClient } from '@supabase/supabase-js';
import { build, type Plugin } from 'esbuild';
import { type ComponentType, createElement } from 'react';
import { createRoot } from 'test-renderer';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { TestStack } from '../e2e/support/stack.ts';
import { BUNDLE, firstPicture } from './documented.ts';
import { ROOT } from './installed.ts';
import { doing, until } from './react/mount.ts';

/** The components of docs/guides/client.md make a picture when their button is pressed. */

const NATIVE = `export const Button = 'Button', Image = 'Image', Text = 'Text', View = 'View';`;
const require = createRequire(import.meta.url);

let stack: TestStack;
let dir: string;

beforeAll(async () => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  dir = await fs.mkdtemp(path.join(os.tmpdir(), 'docs-'));
  stack = await TestStack.start();
});
afterAll(async () => {
  await stack?.stop();
  await fs.rm(dir, { recursive: true, force: true });
});

interface App {
  default: ComponentType;
  supabase: SupabaseClient;
}

/** The app of a section, beside the documentation's `pictures.ts`, with this React. */
async function load(heading: string): Promise<App> {
  const files: Record<string, string> = {
    './App': await firstPicture(heading, stack.addresses, 'tsx'),
    './pictures': await firstPicture('with React on the web', stack.addresses),
    'react-native': NATIVE,
  };
  const documented: Plugin = {
    name: 'documented',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^(\.\/(App|pictures)|react-native)$/ }, ({ path }) => ({
        path,
        namespace: 'docs',
      }));
      onLoad({ filter: /.*/, namespace: 'docs' }, ({ path }) => ({
        contents: files[path] ?? '',
        loader: 'tsx',
        resolveDir: ROOT,
      }));
      onResolve({ filter: /^react(\/.*)?$/ }, ({ path }) => ({
        path: pathToFileURL(require.resolve(path)).href,
        external: true,
      }));
    },
  };
  const outfile = path.join(dir, `${heading.replaceAll(' ', '-')}.mjs`);
  await build({
    stdin: {
      contents: `export { default } from './App'; export { supabase } from './pictures';`,
      resolveDir: ROOT,
    },
    ...BUNDLE,
    plugins: [documented],
    outfile,
  });
  return import(/* @vite-ignore */ outfile);
}

const expectPicture = async (url: string | undefined) =>
  expect((await fetch(url ?? '')).headers.get('content-type')).toBe('image/webp');

test('in React Native', async () => {
  const { default: App, supabase } = await load('in React Native');
  // On the web the example signs up by itself.
  await supabase.auth.signUp({ email: 'native@example.com', password: 'a-long-password' });
  const root = createRoot();
  await doing(() => root.render(createElement(App)));
  const one = (type: string) => root.container.queryAll((each) => each.type === type)[0];
  expect(one('Text')?.toJSON()).toMatchObject({ children: ['idle, 0 %'] });
  await doing(() => one('Button')?.props.onPress());
  await until('the picture is shown', () => one('Image') !== undefined);
  await until('its end is shown', () => one('Button')?.props.title === 'Make a picture');
  expect(one('Text')?.toJSON()).toMatchObject({ children: ['completed, 100 %'] });
  await expectPicture(one('Image')?.props.source.uri);
  await doing(() => root.unmount());
});

test('with React on the web', async () => {
  await import('./react/dom.ts');
  const { render } = await import('@testing-library/react');
  const { default: App, supabase } = await load('with React on the web');
  const { container, getByRole, unmount } = render(createElement(App));
  let token: string | undefined;
  supabase.auth.onAuthStateChange((_, session) => {
    token = session?.access_token;
  });
  await until('there is a user', () => token !== undefined);
  await doing(() => getByRole('button', { name: 'Make a picture' }).click());
  await until('the picture is shown', () => container.querySelector('img') !== null);
  await until('its end is shown', () => getByRole('button').textContent === 'Make a picture');
  expect(getByRole('status').textContent).toBe('completed, 100 %');
  await expectPicture(container.querySelector('img')?.src);
  unmount();
});
