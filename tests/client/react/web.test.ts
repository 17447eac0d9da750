import './dom.ts';
import { cleanup, render } from '@testing-library/react';
import { Activity, createElement, type ReactNode, StrictMode } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type ImageGeneration,
  PictureQueueProvider,
  useGenerations,
  useImageGeneration,
  useModels,
  useUsage,
} from '../../../client/src/react/index.ts';
import { testCompatHooks } from './compat-hooks.ts';
import { testHooks } from './hooks.ts';
import { testLibraryHooks } from './library-hooks.ts';
import { doing, type Renderer, setStage, until } from './mount.ts';

/** The hooks in React DOM. */

const stage = setStage();
afterEach(cleanup);

const renderer: Renderer = {
  mount(element) {
    const { rerender, unmount } = render(element);
    return { update: rerender, unmount };
  },
};

testHooks(renderer, stage);
testLibraryHooks(renderer, stage);
testCompatHooks(renderer);

let shown: ImageGeneration;
function Picture() {
  shown = useImageGeneration();
  return createElement('p', null, shown.status);
}
function All() {
  const { generations, isLoading } = useGenerations();
  const { models } = useModels();
  return createElement('p', null, `${isLoading} ${generations.length} ${models.length}`);
}
function Plan() {
  return createElement('p', null, String(useUsage().isLoading));
}

describe('what only React DOM has', () => {
  const provided = (child: ReactNode) =>
    createElement(StrictMode, null, createElement(PictureQueueProvider, { client: stage.client() }, child));

  test('hidden by <Activity> it is not followed; shown again it goes on where it stands', async () => {
    const client = stage.client();
    const view = (mode: 'visible' | 'hidden') =>
      createElement(
        PictureQueueProvider,
        { client },
        // biome-ignore lint/correctness/noChildrenProp: ActivityProps demands it here.
        createElement(Activity, { mode, children: createElement(Picture) }),
      );
    const { rerender, unmount } = await doing(() => render(view('visible')));
    await doing(() => void shown.generate({ prompt: 'a', model_id: 'o/m' }));
    await until('it is followed', () => stage.server.connections.size === 1);
    await doing(() => rerender(view('hidden')));
    await until('it is not followed', () => stage.server.connections.size === 0);
    stage.server.change('g1', 'completed', 100);
    await doing(() => rerender(view('visible')));
    await until('it is through', () => shown.images.length === 1);
    expect(shown).toMatchObject({ status: 'completed', isGenerating: false });
    await doing(unmount);
  });

  test('a server renders them without asking for anything, and the page takes over', async () => {
    stage.server.change('g1', 'completed', 100);
    const tree = provided([createElement(Picture, { key: 1 }), createElement(All, { key: 2 })]);
    const html = renderToString(tree);
    expect(html).toBe('<p>idle</p><p>true 0 0</p>');
    expect(stage.server.requests).toEqual([]);

    const container = document.body.appendChild(document.createElement('div'));
    container.innerHTML = html;
    const problems: unknown[] = [];
    const onRecoverableError = (error: unknown) => problems.push(error);
    const root = await doing(() => hydrateRoot(container, tree, { onRecoverableError }));
    await until('it is filled', () => container.textContent === 'idlefalse 1 1');
    expect(problems).toEqual([]);
    await doing(() => root.unmount());
    container.remove();
  });

  test('without a client or a library it says what is missing', () => {
    expect(() => renderToString(createElement(Picture))).toThrow(/<PictureQueueProvider client=/);
    expect(() => renderToString(provided(createElement(Plan)))).toThrow(/No library: .* library=/);
  });
});
