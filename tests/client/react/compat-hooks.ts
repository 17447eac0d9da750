import { beforeEach, describe, expect, test } from 'vitest';
import {
  configure,
  useGenerationHistory,
  useImageGeneration,
} from '../../../client/src/compat/react/index.ts';
import { row, STARTED, type Wire, wire } from '../wire.ts';
import { doing, type Renderer, show, until } from './mount.ts';

/** The hooks of the original's names and shapes, below no provider, whatever renders them. */

const PARAMS = { prompt: 'A beautiful sunset', model_id: 'black-forest-labs/flux-schnell' };
const URL = 'https://x.example/1.webp';
const IMAGE = { id: 'i1', generation_id: 'g1', public_url: URL };

/** One generation, as a project has it, and Realtime. */
class Project {
  generation: ReturnType<typeof row> = row();
  hasImage = true;
  isDeleted = false;
  /** What the next start is answered with. */
  start: { status: number; body: unknown } | Promise<{ status: number; body: unknown }> = {
    status: 202,
    body: STARTED,
  };
  cancel: { status: number; body: unknown } = { status: 200, body: null };
  /** Of the channels that are open. */
  readonly listeners = new Set<() => void>();
  readonly wire: Wire;

  constructor() {
    this.wire = wire(
      ({ path }) => {
        if (path === '/functions/v1/start-generation') return this.start;
        if (path === '/rest/v1/rpc/cancel_generation') return this.cancel;
        if (path.startsWith('/rest/v1/images')) return { body: this.hasImage ? [IMAGE] : [] };
        // As PostgREST embeds the one row of a unique reference.
        const images = path.includes('images(*)') ? { images: [IMAGE] } : {};
        if (this.isDeleted) return { body: [] };
        return { body: [{ ...this.generation, ...images }] };
      },
      () => this.#channel(),
    );
    this.wire.supabase.removeChannel = async (channel) => {
      this.listeners.delete(Reflect.get(channel, 'message'));
      return 'ok';
    };
  }

  /** Changes the row, and tells it as Realtime does. */
  change(status: string, progress: number, more: object = {}) {
    this.generation = row({ status, progress, ...more });
    return doing(() => {
      for (const message of [...this.listeners]) message();
    });
  }

  sent(path: string): unknown[] {
    return this.wire.sent.filter((one) => one.path === path).map(({ body }) => body);
  }

  #channel() {
    const channel = {
      message: () => {},
      on: (_: string, __: object, message: () => void) => {
        channel.message = message;
        this.listeners.add(message);
        return channel;
      },
      subscribe: (status: (status: string) => void) => {
        status('SUBSCRIBED');
        return channel;
      },
    };
    return channel;
  }
}

export function testCompatHooks(renderer: Renderer) {
  let project: Project;
  beforeEach(() => {
    project = new Project();
    configure(project.wire.supabase);
  });
  const generation = () => show(renderer, undefined, () => useImageGeneration());
  const followed = () => until('it is followed', () => project.listeners.size === 1);

  describe('useImageGeneration of the original', () => {
    test('has its shape, and shows a generation from its start to its picture', async () => {
      const shown = await generation();
      expect(shown.now()).toEqual({
        status: 'idle',
        progress: 0,
        imageUrl: null,
        error: null,
        generationId: null,
        jobId: null,
        generate: expect.any(Function),
        reset: expect.any(Function),
        cancel: expect.any(Function),
        isGenerating: false,
      });
      await doing(() => shown.now().generate(PARAMS));
      expect(shown.now()).toMatchObject({ status: 'queued', generationId: 'g1', jobId: 'j1' });
      expect(shown.now().isGenerating).toBe(true);
      await project.change('processing', 40);
      await until('it runs', () => shown.now().progress === 40);
      await project.change('downloading', 90);
      await until('it is stored', () => shown.now().status === 'downloading');
      await project.change('completed', 100);
      await until('it is through', () => !shown.now().isGenerating);
      expect(shown.now()).toMatchObject({ status: 'completed', progress: 100, imageUrl: URL, error: null });
      expect(project.sent('/functions/v1/start-generation')).toEqual([PARAMS]);
      expect(project.listeners.size, 'the channel is given back').toBe(0);
      const { generate, reset } = shown.now();
      expect([generate, reset], 'as stable as in the original').toEqual([
        shown.all[0]?.generate,
        shown.all[0]?.reset,
      ]);
      await shown.unmount();
    });

    test('a refused start is in error, as a text, and generate() rejects', async () => {
      const shown = await generation();
      project.start = { status: 429, body: { code: 'quota_exceeded', detail: 'That was the last one.' } };
      const refused = await doing(() =>
        shown
          .now()
          .generate(PARAMS)
          .catch((error: unknown) => error),
      );
      expect(refused).toMatchObject({ code: 'quota_exceeded' });
      expect(shown.now()).toMatchObject({ status: 'failed', error: 'That was the last one.' });
      expect(shown.now().isGenerating).toBe(false);
      project.start = { status: 202, body: STARTED };
      await doing(() => shown.now().generate(PARAMS));
      expect(shown.now(), 'the next one begins anew').toMatchObject({ status: 'queued', error: null });
      await shown.unmount();
    });

    test.each([
      ['failed', { error_message: 'The model refused.' }, 'The model refused.'],
      ['cancelled', {}, 'Cancelled by user'],
    ])('one that is %s has failed, with a text', async (status, more, error) => {
      const shown = await generation();
      await doing(() => shown.now().generate(PARAMS));
      await followed();
      await project.change(status, 10, more);
      await until('it is over', () => !shown.now().isGenerating);
      expect(shown.now()).toMatchObject({ status: 'failed', error, imageUrl: null });
      await shown.unmount();
    });

    test('one whose image cannot be found has failed', async () => {
      const shown = await generation();
      project.hasImage = false;
      await doing(() => shown.now().generate(PARAMS));
      await followed();
      await project.change('completed', 100);
      await until('it is over', () => !shown.now().isGenerating);
      expect(shown.now()).toMatchObject({ status: 'failed', error: expect.stringMatching(/URL$/) });
      await shown.unmount();
    });

    test('one that is deleted has failed', async () => {
      const shown = await generation();
      await doing(() => shown.now().generate(PARAMS));
      await until('it is read', () =>
        project.wire.lines().some((line) => line.includes('image_generations')),
      );
      project.isDeleted = true;
      await project.change('queued', 0);
      await until('it is over', () => !shown.now().isGenerating);
      expect(shown.now()).toMatchObject({ status: 'failed', error: 'It was deleted.' });
      await until('nobody listens', () => project.listeners.size === 0);
      await shown.unmount();
    });

    test('cancel() ends it on the server and goes back to idle', async () => {
      const shown = await generation();
      await doing(() => shown.now().generate(PARAMS));
      await followed();
      await doing(() => shown.now().cancel());
      expect(project.sent('/rest/v1/rpc/cancel_generation')).toEqual([{ p_generation_id: 'g1' }]);
      expect(shown.now()).toMatchObject({ status: 'idle', generationId: null, error: null });
      await until('it is not followed any more', () => project.listeners.size === 0);
      await doing(() => shown.now().cancel());
      expect(project.sent('/rest/v1/rpc/cancel_generation')).toHaveLength(1);
      await shown.unmount();
    });

    test('cancel() before the start is answered waits for it: nothing is made unseen', async () => {
      const shown = await generation();
      const answer = Promise.withResolvers<{ status: number; body: unknown }>();
      project.start = answer.promise;
      await doing(() => void shown.now().generate(PARAMS));
      await doing(() => void shown.now().cancel());
      answer.resolve({ status: 202, body: STARTED });
      await until('it is cancelled', () => project.sent('/rest/v1/rpc/cancel_generation').length === 1);
      await until('it is idle', () => shown.now().status === 'idle');
      await until('nobody listens', () => project.listeners.size === 0);
      await shown.unmount();
    });

    test('a refused cancel() says so, and the generation goes on as before', async () => {
      const shown = await generation();
      await doing(() => shown.now().generate(PARAMS));
      await followed();
      const message = 'Its image is made.';
      project.cancel = { status: 409, body: { code: 'PT409', details: 'conflict', message } };
      await doing(() => shown.now().cancel());
      expect(shown.now()).toMatchObject({ status: 'queued', error: message, isGenerating: true });
      await project.change('completed', 100);
      await until('it is through', () => shown.now().imageUrl === URL);
      expect(shown.now().error).toBeNull();
      await shown.unmount();
    });

    test('reset() and unmounting end the following, not the generation', async () => {
      const shown = await generation();
      await doing(() => shown.now().generate(PARAMS));
      await followed();
      await doing(() => shown.now().reset());
      expect(shown.now()).toMatchObject({ status: 'idle', generationId: null });
      await until('nobody listens', () => project.listeners.size === 0);
      await doing(() => shown.now().generate(PARAMS));
      await followed();
      await shown.unmount();
      await until('nobody listens', () => project.listeners.size === 0);
      expect(project.sent('/rest/v1/rpc/cancel_generation')).toEqual([]);
    });

    test('a client of its own comes before the configured one', async () => {
      const own = new Project();
      const shown = await show(renderer, undefined, () => useImageGeneration(own.wire.supabase));
      await doing(() => shown.now().generate(PARAMS));
      expect([own.sent('/functions/v1/start-generation').length, project.wire.sent.length]).toEqual([1, 0]);
      await shown.unmount();
    });
  });

  describe('useGenerationHistory of the original', () => {
    const history = (limit?: number) => show(renderer, undefined, () => useGenerationHistory(limit));

    test('has its shape, and shows generations with a list of images, live', async () => {
      project.generation = row({ status: 'processing', progress: 10 });
      const shown = await history();
      expect(shown.all[0]).toEqual({
        generations: [],
        loading: true,
        error: null,
        refresh: expect.any(Function),
      });
      await until('they are there', () => !shown.now().loading);
      expect(shown.now().generations).toEqual([{ ...project.generation, images: [IMAGE] }]);
      await project.change('completed', 100);
      await until('a change is shown', () => shown.now().generations[0]?.status === 'completed');
      expect(shown.now().generations[0]?.images, 'with its images').toEqual([IMAGE]);
      await shown.unmount();
      await until('nobody listens', () => project.listeners.size === 0);
    });

    test.each([
      ['cancelled', 'failed', 'Cancelled by user'],
      ['pending', 'queued', null],
    ])('shows one that is %s as %s, the word of the original', async (status, told, error_message) => {
      project.generation = row({ status, job_id: 'j1' });
      const shown = await history();
      await until('they are there', () => !shown.now().loading);
      expect(shown.now().generations).toMatchObject([{ id: 'g1', status: told, error_message }]);
      await shown.unmount();
    });

    test('asks for 20, or as many as it is told', async () => {
      const asked = async (limit?: number) => {
        const shown = await history(limit);
        await until('they are there', () => !shown.now().loading);
        await shown.unmount();
        return project.wire.lines().at(-1);
      };
      const query = 'GET /rest/v1/image_generations?select=*,images(*)&order=created_at.desc&limit=';
      expect(await asked()).toBe(`${query}20`);
      expect(await asked(5)).toBe(`${query}5`);
    });

    test('what fails is in error, as a text; refresh() asks again', async () => {
      const broken = wire(() => ({ status: 403, body: { code: '42501', message: 'permission denied' } }));
      configure(broken.supabase);
      const shown = await history();
      await until('it is over', () => !shown.now().loading);
      expect(shown.now()).toMatchObject({ generations: [], error: 'permission denied' });
      configure(project.wire.supabase);
      await doing(() => shown.now().refresh());
      expect(shown.now()).toMatchObject({ loading: false, error: null, generations: [{ id: 'g1' }] });
      await shown.unmount();
    });
  });
}
