import { describe, expect, test } from 'vitest';
import { NotFoundError } from '../../../client/src/index.ts';
import { useGenerations, useImageGeneration, useLibrary, useUsage } from '../../../client/src/react/index.ts';
import { doing, type Renderer, type Stage, show, until } from './mount.ts';

/** What the hooks of the library do, whatever renders them. */

export function testLibraryHooks(renderer: Renderer, stage: Stage) {
  /** Two components of one app: a list, and what acts on it. */
  async function app(...ids: string[]) {
    for (const id of ids) stage.server.change(id, 'completed', 100);
    const client = stage.client();
    const list = await show(renderer, client, () => useGenerations());
    await until('the list is live', () => !list.now().isLoading && stage.server.connections.size === 1);
    const library = await show(renderer, client, () => useLibrary());
    const end = async () => {
      await library.unmount();
      await list.unmount();
    };
    return { client, list, library, end };
  }
  const asked = (start: string) => stage.server.requests.filter((one) => one.startsWith(start)).length;

  describe('useLibrary', () => {
    test('a mark is in the list as soon as it is set', async () => {
      const { list, library, end } = await app('g1', 'g2');
      expect(library.now()).toMatchObject({ isWorking: false, error: null });
      const pages = asked('GET /generations');
      const marked = await doing(() => library.now().markImage('i1', { is_favorite: true }));
      expect(marked).toMatchObject({ id: 'i1', is_favorite: true });
      expect(list.now().generations).toMatchObject([
        { id: 'g2', images: [{ id: 'i2' }] },
        { id: 'g1', images: [{ id: 'i1', is_favorite: true }] },
      ]);
      const many = await doing(() => library.now().markImages(['i2', 'i1', 'i9'], { is_public: true }));
      expect(many).toHaveLength(2);
      expect(list.now().generations.flatMap(({ images }) => images)).toMatchObject([
        { id: 'i2', is_public: true },
        { id: 'i1', is_public: true, is_favorite: true },
      ]);
      expect(asked('GET /generations'), 'nothing is read again').toBe(pages);
      await end();
    });

    test('what is deleted is gone from the list, and no page that was asked for before brings it back', async () => {
      const { list, library, end } = await app('g1', 'g2', 'g3');
      await doing(() => Promise.all([list.now().refresh(), library.now().deleteGeneration('g2')]));
      expect(list.now().generations.map(({ id }) => id)).toEqual(['g3', 'g1']);
      expect(await doing(() => library.now().deleteImage('i1'))).toBe(true);
      expect(list.now().generations).toMatchObject([
        { id: 'g3', images: [{ id: 'i3' }] },
        { id: 'g1', images: [] },
      ]);
      await doing(() => list.now().refresh());
      expect(list.now().generations.map(({ id }) => id)).toEqual(['g3', 'g1']);
      await end();
    });

    test.each(['auto', 'polling'] as const)(
      'what is made again comes into the list, and what is tried again goes on there, by %s',
      async (live) => {
        const { server } = stage;
        server.change('g1', 'completed', 100);
        server.change('g2', 'failed', 10, { error: { code: 'E', message: 'No.' } });
        const client = stage.client({ live, polling: { minMs: 5, maxMs: 10 } });
        const list = await show(renderer, client, () => useGenerations());
        await until('the list is there', () => list.now().generations.length === 2);
        const library = await show(renderer, client, () => useLibrary());
        const again = await doing(() => library.now().rerun('g1', { seed: null }));
        expect(again).toMatchObject({ generation_id: 'g3' });
        await until('it is in front', () => list.now().generations[0]?.id === 'g3');

        await doing(() => library.now().retry('g2'));
        const second = () => list.now().generations.find(({ id }) => id === 'g2');
        await until('it waits', () => second()?.status === 'queued');
        server.change('g2', 'processing', 30);
        await until('it runs', () => second()?.progress === 30);
        server.change('g2', 'completed', 100);
        await until('its picture is there', () => second()?.images.length === 1);
        await library.unmount();
        await list.unmount();
      },
    );

    test('what is refused is in error, and nothing rejects', async () => {
      const { list, library, end } = await app('g1');
      expect(await doing(() => library.now().markImage('i9', { archived: true }))).toBeUndefined();
      expect(library.now().error).toBeInstanceOf(NotFoundError);
      expect(library.now().isWorking).toBe(false);
      stage.server.isAway = true;
      const away = await show(renderer, stage.client({ maxRetries: 0 }), () => useLibrary());
      expect(await doing(() => away.now().deleteGeneration('g1'))).toBe(false);
      expect(away.now().error?.code).toBe('unavailable');
      expect(list.now().generations).toHaveLength(1);
      stage.server.isAway = false;
      await doing(() => library.now().markImage('i1', { archived: true }));
      expect(library.now().error, 'the next one begins anew').toBeNull();
      await away.unmount();
      await end();
    });

    test('is working until its last call is over', async () => {
      const { library, end } = await app('g1', 'g2');
      await doing(() => Promise.all([library.now().deleteImage('i1'), library.now().retry('g2')]));
      const working = library.all.map(({ isWorking }) => isWorking);
      expect([working.includes(true), working.at(-1)]).toEqual([true, false]);
      await end();
    });
  });

  describe('useUsage', () => {
    test('is asked for once, and anew after a start, an end and a rerun', async () => {
      const client = stage.client();
      const plan = await show(renderer, client, () => useUsage());
      expect(plan.all[0]).toMatchObject({ usage: null, isLoading: true, error: null });
      await until('it is there', () => !plan.now().isLoading);
      expect(plan.now().usage?.images.used).toBe(0);
      const one = await show(renderer, client, () => useImageGeneration());
      await doing(() => void one.now().generate({ prompt: 'a', model_id: 'o/m' }));
      await until('it counts', () => plan.now().usage?.images.used === 1);
      const before = asked('GET /usage');
      stage.server.change('g1', 'completed', 100);
      await until('it is asked for at the end', () => asked('GET /usage') > before && !plan.now().isLoading);
      const library = await show(renderer, client, () => useLibrary());
      await doing(() => library.now().rerun('g1'));
      await until('that counts, too', () => plan.now().usage?.images.used === 2);
      await library.unmount();
      await one.unmount();
      await plan.unmount();
    });

    test('an error is shown, and refresh() tries again', async () => {
      stage.server.tokens = [];
      const plan = await show(renderer, stage.client(), () => useUsage());
      await until('the error is shown', () => plan.now().error !== null && !plan.now().isLoading);
      expect(plan.now()).toMatchObject({ usage: null, error: { code: 'unauthorized' } });
      stage.server.tokens = ['token'];
      await doing(() => plan.now().refresh());
      expect(plan.now()).toMatchObject({ error: null, usage: { images: { used: 0 } } });
      await plan.unmount();
    });
  });
}
