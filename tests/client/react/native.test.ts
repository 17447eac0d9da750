import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { useEffect } from 'react';
import { createRoot } from 'test-renderer';
import { expect, test } from 'vitest';
import { useImageGeneration } from '../../../client/src/react/index.ts';
import { followAppState } from '../../../client/src/react-native.ts';
import { AppState } from '../app-state.ts';
import { testCompatHooks } from './compat-hooks.ts';
import { testHooks } from './hooks.ts';
import { testLibraryHooks } from './library-hooks.ts';
import { doing, type Renderer, setStage, show, until } from './mount.ts';

/** The hooks in the renderer that React Native's testing library uses: there is no DOM here. */

test('there is no DOM', () => {
  expect([typeof window, typeof document]).toEqual(['undefined', 'undefined']);
});

test.each(['react', 'compat/react'])('the hooks of %s import nothing but React', async (entry) => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL(`../../../client/src/${entry}/index.ts`, import.meta.url))],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    packages: 'external',
    outdir: 'out',
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  expect(new Set(imports.map((one) => one.path))).toEqual(new Set(['react']));
});

const renderer: Renderer = {
  mount(element) {
    const root = createRoot();
    root.render(element);
    return { update: (next) => root.render(next), unmount: () => root.unmount() };
  },
};

const stage = setStage();
testHooks(renderer, stage);
testLibraryHooks(renderer, stage);
testCompatHooks(renderer);

test('an app that is in front again shows what has happened meanwhile', async () => {
  const appState = new AppState();
  const client = stage.client({ live: 'polling', polling: { minMs: 3_600_000, maxMs: 3_600_000 } });
  const shown = await show(renderer, client, () => {
    useEffect(() => followAppState(client, appState), []);
    return useImageGeneration();
  });
  expect(appState.listeners.size, 'StrictMode has mounted it twice').toBe(1);
  await doing(() => void shown.now().generate({ prompt: 'a', model_id: 'o/m' }));
  await until('it is queued', () => shown.now().status === 'queued');
  appState.become('background');
  stage.server.change('g1', 'processing', 60);
  await doing(() => appState.become('active'));
  await until('it runs', () => shown.now().progress === 60);
  appState.become('background');
  stage.server.change('g1', 'completed', 100);
  await doing(() => appState.become('active'));
  await until('the picture is shown', () => shown.now().imageUrl !== null);
  await shown.unmount();
  expect(appState.listeners.size).toBe(0);
});
