import { useEffect } from 'react';
import { describe, expect, test } from 'vitest';
import { GenerationFailedError, PictureQueueError, UnknownModelError } from '../../../client/src/index.ts';
import { useGenerations, useImageGeneration, useModels } from '../../../client/src/react/index.ts';
import { doing, type Renderer, type Stage, show, until } from './mount.ts';

/** What the hooks do, whatever renders them. */

const PARAMS = { prompt: 'a', model_id: 'o/m' };

export function testHooks(renderer: Renderer, stage: Stage) {
  const generation = (client = stage.client()) => show(renderer, client, () => useImageGeneration());

  /** Begins to generate; `result` is 'pending' until that has resolved. */
  const begun = async (shown: Awaited<ReturnType<typeof generation>>) => {
    const call: { result: unknown } = { result: 'pending' };
    const generate = async () => {
      call.result = await shown.now().generate(PARAMS);
    };
    await doing(() => void generate());
    return call;
  };

  describe('useImageGeneration', () => {
    test('shows a generation from its start to its picture', async () => {
      const { server } = stage;
      const shown = await generation();
      expect(shown.now()).toMatchObject({ status: 'idle', isGenerating: false, error: null, images: [] });
      const result = doing(() => void shown.now().generate(PARAMS));
      await result;
      await until('it is queued', () => shown.now().status === 'queued');
      expect(shown.now()).toMatchObject({ isGenerating: true, queuePosition: 1, progress: 0 });
      server.change('g1', 'processing', 40);
      await until('it runs', () => shown.now().progress === 40);
      server.change('g1', 'completed', 100);
      await until('it is through', () => !shown.now().isGenerating);
      expect(shown.now()).toMatchObject({
        status: 'completed',
        progress: 100,
        imageUrl: 'https://pq.example/g1.webp',
        images: [{ id: 'i1' }],
        generation: { id: 'g1' },
        error: null,
      });
      const statuses = [...new Set(shown.all.map(({ status }) => status))];
      expect(statuses).toEqual(['idle', 'starting', 'queued', 'processing', 'completed']);
      expect(shown.all.filter(({ status, images }) => status === 'completed' && images.length === 0)).toEqual(
        [],
      );
      await shown.unmount();
    });

    test('generate() gives what came of it', async () => {
      const shown = await generation();
      const call = await begun(shown);
      await until('it is queued', () => shown.now().status === 'queued');
      stage.server.change('g1', 'completed', 100);
      await until('it resolves', () => call.result !== 'pending');
      expect(call.result).toMatchObject({ generation: { id: 'g1' }, images: [{ id: 'i1' }] });
      await shown.unmount();
    });

    test('a batch is shown as a whole, and each of its generations', async () => {
      const shown = await generation();
      await doing(() => void shown.now().generate({ prompts: ['a', 'b'], model_id: 'o/m' }));
      await until('both are queued', () => shown.now().updates.length === 2);
      stage.server.change('g1', 'completed', 100);
      await until('the first picture is there', () => shown.now().imageUrl !== null);
      expect(shown.now()).toMatchObject({ status: 'processing', progress: 50, isGenerating: true });
      expect(shown.now().updates.map(({ status }) => status)).toEqual(['completed', 'queued']);
      stage.server.change('g2', 'failed', 20, { error: { code: 'E', message: 'No.' } });
      await until('it is through', () => !shown.now().isGenerating);
      expect(shown.now()).toMatchObject({ status: 'completed', images: [{ id: 'i1' }], error: null });
      expect(shown.now().generations.map(({ status }) => status)).toEqual(['completed', 'failed']);
      await shown.unmount();
    });

    test('what fails is in error, with its code; nothing is thrown', async () => {
      const shown = await generation();
      const failed = doing(() => shown.now().generate({ prompt: 'a', model_id: 'no/such' }));
      expect(await failed).toBeUndefined();
      expect(shown.now()).toMatchObject({ status: 'failed', isGenerating: false });
      expect(shown.now().error).toBeInstanceOf(UnknownModelError);
      expect(shown.now().error?.code).toBe('unknown_model');

      await doing(() => void shown.now().generate(PARAMS));
      await until('it is queued', () => shown.now().status === 'queued');
      expect(shown.now().error, 'the next one begins anew').toBeNull();
      stage.server.change('g1', 'failed', 10, { error: { code: 'content_refused', message: 'Refused.' } });
      await until('it has failed', () => shown.now().error !== null);
      expect(shown.now().error).toBeInstanceOf(GenerationFailedError);
      expect(shown.now()).toMatchObject({
        status: 'failed',
        isGenerating: false,
        error: { code: 'content_refused', message: 'Refused.' },
        generation: { id: 'g1' },
      });
      await shown.unmount();
    });

    test('what is no error of this package becomes one', async () => {
      const signedOut = new Error('signed out');
      const shown = await generation(stage.client({ getToken: () => Promise.reject(signedOut) }));
      await doing(() => shown.now().generate(PARAMS));
      expect(shown.now().error).toBeInstanceOf(PictureQueueError);
      expect(shown.now().error).toMatchObject({ message: 'signed out', cause: signedOut });
      await shown.unmount();
    });

    test.each(['auto', 'polling'] as const)('cancel() ends it, which is no error, by %s', async (live) => {
      const shown = await generation(stage.client({ live }));
      await doing(() => void shown.now().generate(PARAMS));
      await until('it is queued', () => shown.now().status === 'queued');
      await doing(() => shown.now().cancel());
      expect(shown.now().status).toBe('cancelled');
      await until('it is over', () => !shown.now().isGenerating);
      expect(shown.now()).toMatchObject({ status: 'cancelled', error: null, images: [] });
      expect(stage.server.states.get('g1')?.status).toBe('cancelled');
      await doing(() => shown.now().cancel());
      expect(shown.now().error, 'once more changes nothing').toBeNull();
      await shown.unmount();
    });

    test('cancel() before the server has answered the start', async () => {
      const shown = await generation();
      let answer = () => {};
      stage.server.startMayAnswer = new Promise((resolve) => (answer = resolve));
      await doing(() => void shown.now().generate(PARAMS));
      expect(shown.now()).toMatchObject({ status: 'starting', isGenerating: true });
      await doing(() => void shown.now().cancel());
      answer();
      await until('it is over', () => shown.now().status === 'cancelled' && !shown.now().isGenerating);
      expect(stage.server.states.get('g1')?.status).toBe('cancelled');
      await shown.unmount();
    });

    test('reset() goes back to idle; on the server it goes on', async () => {
      const shown = await generation();
      await doing(() => void shown.now().generate(PARAMS));
      await until('it is queued', () => shown.now().status === 'queued');
      await doing(() => shown.now().reset());
      expect(shown.now()).toMatchObject({ status: 'idle', isGenerating: false, updates: [] });
      stage.server.change('g1', 'completed', 100);
      await until('nobody listens', () => stage.server.connections.size === 0);
      expect(shown.now().status).toBe('idle');
      await shown.unmount();
    });

    test('the last generate() counts', async () => {
      const shown = await generation();
      const first = await begun(shown);
      await until('it is queued', () => shown.now().status === 'queued');
      await doing(() => void shown.now().generate(PARAMS));
      await until('the second is queued', () => shown.now().updates[0]?.generationId === 'g2');
      expect(first.result, 'the first is not waited for').toBeUndefined();
      stage.server.change('g1', 'completed', 100);
      stage.server.change('g2', 'processing', 30);
      await until('the second is shown', () => shown.now().progress === 30);
      expect(shown.now()).toMatchObject({ status: 'processing', imageUrl: null });
      await shown.unmount();
    });

    test('gone while it runs: nothing is followed any more, and generate() resolves', async () => {
      const shown = await generation();
      const call = await begun(shown);
      await until('it is followed', () => stage.server.connections.size === 1);
      await shown.unmount();
      const renderings = shown.all.length;
      stage.server.change('g1', 'processing', 40);
      await until('the connection is closed', () => stage.server.connections.size === 0);
      expect(call.result).toBeUndefined();
      expect(shown.all, 'it is not rendered any more').toHaveLength(renderings);
      expect(stage.server.states.get('g1')?.status, 'it goes on').toBe('processing');
    });

    test('two of them know nothing of each other, and share one connection', async () => {
      const client = stage.client();
      const [one, two] = [await generation(client), await generation(client)];
      await doing(() => void one.now().generate(PARAMS));
      await until('the first is queued', () => one.now().status === 'queued');
      expect(two.now().status).toBe('idle');
      await doing(() => void two.now().generate(PARAMS));
      await until('the second is queued', () => two.now().status === 'queued');
      stage.server.change('g2', 'processing', 50);
      await until('the second runs', () => two.now().progress === 50);
      expect(one.now().status).toBe('queued');
      expect(stage.server.attempts).toHaveLength(1);
      await one.unmount();
      await two.unmount();
    });

    test('another client is another user: it begins anew', async () => {
      const hook = () => useImageGeneration();
      const shown = await show(renderer, stage.client(), hook);
      await doing(() => void shown.now().generate(PARAMS));
      await until('it is queued', () => shown.now().status === 'queued');
      await shown.update(hook, stage.client());
      expect(shown.now()).toMatchObject({ status: 'idle', isGenerating: false });
      await until('the first is not followed any more', () => stage.server.connections.size === 0);
      await shown.unmount();
    });
  });

  describe('useGenerations', () => {
    const statuses = (rows: { id: string; status: string }[]) =>
      rows.map(({ id, status }) => `${id} ${status}`);
    const list = (limit?: number) => show(renderer, stage.client(), () => useGenerations({ limit }));

    test('shows them live, also those that are started elsewhere', async () => {
      const { server } = stage;
      server.change('g1', 'completed', 100);
      server.change('g2', 'processing', 10);
      const shown = await list();
      expect(shown.all[0]).toMatchObject({ generations: [], isLoading: true, error: null, hasMore: false });
      await until('they are there', () => !shown.now().isLoading);
      expect(statuses(shown.now().generations)).toEqual(['g2 processing', 'g1 completed']);
      await until('it is live', () => server.connections.size === 1);
      server.change('g2', 'processing', 60);
      await until('a change is shown', () => shown.now().generations[0]?.progress === 60);
      server.change('g3', 'queued', 0);
      await until('a new one is shown', () => shown.now().generations.length === 3);
      server.change('g2', 'completed', 100);
      await until('its picture is there', () => shown.now().generations[1]?.images.length === 1);
      expect(statuses(shown.now().generations)).toEqual(['g3 queued', 'g2 completed', 'g1 completed']);
      await shown.unmount();
      await until('nobody listens', () => server.connections.size === 0);
    });

    test.each([false, true])(
      'none is completed without its picture; messages without URLs: %s',
      async (bare) => {
        const { server } = stage;
        for (const id of ['g1', 'g2', 'g3']) server.change(id, 'downloading', 90);
        const shown = await list(2);
        await until('it is live', () => !shown.now().isLoading && server.connections.size === 1);
        await doing(() => shown.now().loadMore());
        for (const id of ['g1', 'g2', 'g3']) server.change(id, 'completed', 100, { bare });
        await until('all are through', () =>
          shown.now().generations.every(({ status }) => status === 'completed'),
        );
        const every = shown.all.flatMap(({ generations }) => generations);
        expect(every.filter((one) => one.status === 'completed' && one.images.length === 0)).toEqual([]);
        await shown.unmount();
      },
    );

    test('a server that is away when a picture is through is asked again', async () => {
      const { server } = stage;
      server.change('g1', 'downloading', 90);
      const shown = await show(renderer, stage.client({ maxRetries: 0 }), () => useGenerations());
      await until('it is live', () => !shown.now().isLoading && server.connections.size === 1);
      server.isAway = true;
      server.change('g1', 'completed', 100);
      await until('the error is shown', () => shown.now().error !== null);
      expect(shown.now().generations[0]).toMatchObject({ status: 'downloading' });
      server.isAway = false;
      await until('its picture is there', () => shown.now().generations[0]?.images.length === 1);
      expect(shown.now().error).toBeNull();
      await shown.unmount();
    });

    test('loads page after page, and one that is older than the first page is kept up to date', async () => {
      const { server } = stage;
      for (let number = 1; number <= 5; number += 1) server.change(`g${number}`, 'queued', 0);
      const shown = await list(2);
      await until('the first page is there', () => !shown.now().isLoading);
      expect(shown.now()).toMatchObject({ hasMore: true, generations: [{ id: 'g5' }, { id: 'g4' }] });
      await doing(() => shown.now().loadMore());
      await doing(() => Promise.all([shown.now().loadMore(), shown.now().loadMore()]));
      expect(shown.now().generations.map(({ id }) => id)).toEqual(['g5', 'g4', 'g3', 'g2', 'g1']);
      expect(shown.now().hasMore).toBe(false);
      await until('it is live', () => server.connections.size === 1);
      server.change('g1', 'completed', 100);
      await until('its picture is there', () => shown.now().generations[4]?.images.length === 1);
      server.change('g6', 'queued', 0);
      await until('a new one is in front', () => shown.now().generations[0]?.id === 'g6');
      expect(shown.now().generations).toHaveLength(6);
      await shown.unmount();
    });

    test('an older page that is asked for while the newest is read anew, or just at its end, is fetched', async () => {
      const { server } = stage;
      for (let number = 1; number <= 4; number += 1) server.change(`g${number}`, 'completed', 100);
      let wanted = false;
      const shown = await show(renderer, stage.client(), () => {
        const list = useGenerations({ limit: 1 });
        useEffect(() => {
          if (!wanted || list.isLoading) return;
          wanted = false;
          void list.loadMore();
        });
        return list;
      });
      await until('the first page is there', () => !shown.now().isLoading);
      const ids = () => shown.now().generations.map(({ id }) => id);
      await doing(() => Promise.all([shown.now().refresh(), shown.now().loadMore()]));
      expect(ids(), 'while it is read').toEqual(['g4', 'g3']);
      // As soon as it is over: not taken for the same fetch.
      await doing(async () => {
        const over = shown.now().refresh();
        wanted = true;
        await over;
      });
      await until('the next page is there', () => ids().length > 2);
      expect(ids(), 'at its end').toEqual(['g4', 'g3', 'g2']);
      await shown.unmount();
    });

    test('another limit begins anew', async () => {
      for (let number = 1; number <= 3; number += 1) stage.server.change(`g${number}`, 'completed', 100);
      const client = stage.client();
      const shown = await show(renderer, client, () => useGenerations({ limit: 1 }));
      await until('one is there', () => shown.now().generations.length === 1);
      await shown.update(() => useGenerations({ limit: 2 }));
      await until('two are there', () => shown.now().generations.length === 2);
      await shown.unmount();
    });

    test('an error is shown, and refresh() tries again', async () => {
      stage.server.tokens = [];
      const shown = await list();
      await until('the error is shown', () => shown.now().error !== null && !shown.now().isLoading);
      expect(shown.now().error?.code).toBe('unauthorized');
      stage.server.tokens = ['token'];
      stage.server.change('g1', 'processing', 10);
      await doing(() => shown.now().refresh());
      expect(shown.now()).toMatchObject({ error: null, generations: [{ id: 'g1' }] });
      stage.server.change('g1', 'processing', 70);
      await until('and it is live again', () => shown.now().generations[0]?.progress === 70);
      await shown.unmount();
    });
  });

  describe('useModels', () => {
    test('asks once, for all who show them, and anew on refresh()', async () => {
      const client = stage.client();
      const [one, two] = [
        await show(renderer, client, () => useModels()),
        await show(renderer, client, () => useModels()),
      ];
      expect(one.all[0]).toEqual({ models: [], isLoading: true, error: null, refresh: expect.any(Function) });
      await until('they are there', () => !one.now().isLoading && !two.now().isLoading);
      expect(two.now()).toMatchObject({ models: [{ id: 'o/m' }], error: null });
      const asked = () => stage.server.requests.filter((request) => request === 'GET /models').length;
      expect(asked()).toBe(1);
      await doing(() => one.now().refresh());
      expect(asked()).toBe(2);
      await one.unmount();
      await two.unmount();
    });
  });
}
