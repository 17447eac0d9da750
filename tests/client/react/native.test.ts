import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { createRoot } from 'test-renderer';
import { expect, test } from 'vitest';
import { testCompatHooks } from './compat-hooks.ts';
import { testHooks } from './hooks.ts';
import { type Renderer, setStage } from './mount.ts';

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

testHooks(renderer, setStage());
testCompatHooks(renderer);
