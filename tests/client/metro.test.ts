import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Installed, install } from './installed.ts';
import {
  type BundleOptions,
  bundle,
  compileForHermes,
  DEVICE_FILE,
  hermesCompiler,
  start,
} from './react-native.ts';
import { SEEN, type Served, serve } from './served.ts';

/** The packed package in an app for React Native: bundled by Metro, and run with what React Native has. */

const ENTRY = `
  import './hooks';
  import { createClient, NotFoundError } from 'picture-queue';
  import { configure, startImageGeneration } from 'picture-queue/compat';
  import { generateImageAsync, useImageGeneration } from 'picture-queue/compat/react';
  import { followAppState } from 'picture-queue/react-native';
  import { platform } from './platform';

  globalThis.makePicture = async (url) => {
    const pictures = createClient({ url, getToken: () => 'token', polling: { minMs: 10, maxMs: 20 } });
    const updates = [];
    const onUpdate = ({ status, progress }) => updates.push(status + ' ' + progress);
    const { images } = await pictures.generate({ prompt: 'a fox', model_id: 'o/m' }, { onUpdate });
    const error = await pictures.get('none').catch((error) => error);
    return { platform, updates, image: images[0].url, typed: error instanceof NotFoundError };
  };
  globalThis.startOnly = async () => {
    const invoke = async () => ({ data: { generation_id: 'g', job_id: 'j' }, error: null });
    const params = { prompt: 'a', model_id: 'o/m' };
    const first = await startImageGeneration({ functions: { invoke } }, params);
    // One module, whichever entry it is reached by.
    configure({ functions: { invoke } });
    return [first, await generateImageAsync(params), typeof useImageGeneration];
  };
  globalThis.loops = async (url) => {
    const pictures = createClient({ url, getToken: () => 'token', polling: { minMs: 10, maxMs: 20 } });
    const { generation_id } = await pictures.start({ prompt: 'a fox', model_id: 'o/m' });
    const seen = [];
    for await (const { status, progress } of pictures.subscribe(generation_id)) seen.push(status + ' ' + progress);
    for await (const { prompt } of pictures.list()) seen.push(prompt);
    for await (const { generations } of pictures.list().pages()) seen.push(generations.length);
    return seen;
  };
  globalThis.upload = async (url, uri) => {
    const pictures = createClient({ url, getToken: () => 'token' });
    return pictures.uploadSource({ uri, type: null, name: null });
  };
  globalThis.paintOver = async (url, uri) => {
    const pictures = createClient({ url, getToken: () => 'token', polling: { minMs: 10, maxMs: 20 } });
    const source_id = { uri, type: 'image/jpeg', name: 'IMG_1.jpg' };
    const { images } = await pictures.generate({ prompt: 'a fox', model_id: 'o/m', source_id });
    return images.length;
  };
  globalThis.bringToFront = async (url) => {
    let become;
    const remove = () => {};
    const polling = { minMs: 3600000, maxMs: 3600000 };
    const pictures = createClient({ url, getToken: () => 'token', live: 'polling', polling });
    followAppState(pictures, { addEventListener: (type, listener) => ((become = listener), { remove }) });
    const { generation_id } = await pictures.start({ prompt: 'a fox', model_id: 'o/m' });
    const seen = [];
    // Each look at the app is a poll, and the only one for an hour.
    for await (const { status, progress } of pictures.subscribe(generation_id)) {
      seen.push(status + ' ' + progress);
      become('background');
      become('active');
    }
    return seen;
  };
  globalThis.stop = async (url) => {
    const controller = new AbortController();
    const pictures = createClient({ url, getToken: () => 'token' });
    const onUpdate = () => controller.abort();
    const error = await pictures
      .generate({ prompt: 'a fox', model_id: 'o/m' }, { onUpdate, signal: controller.signal })
      .catch((error) => error);
    return error.name;
  };`;

/** What a screen of an app does; test-renderer takes the place of the native side. */
const HOOKS = `
  import { createClient } from 'picture-queue';
  import { PictureQueueProvider, useGenerations, useImageGeneration, useModels } from 'picture-queue/react';
  import { createRoot } from 'test-renderer';

  let press: () => void;

  function Screen() {
    const { models } = useModels();
    const { generate, status, progress, imageUrl } = useImageGeneration();
    const { generations } = useGenerations();
    press = () => generate({ prompt: 'a fox', model_id: 'o/m' });
    const lines = [
      models.map(({ name }) => name).join(),
      status + ' ' + progress,
      imageUrl,
      generations.map((one) => one.prompt + ': ' + one.status).join(),
    ];
    return <text>{lines.join(' | ')}</text>;
  }

  globalThis.open = async (url: string) => {
    const client = createClient({ url, getToken: () => 'token', polling: { minMs: 10, maxMs: 20 } });
    const root = createRoot();
    root.render(<PictureQueueProvider client={client}><Screen /></PictureQueueProvider>);
    globalThis.shown = async () => root.container.children[0]?.children.join('');
    globalThis.press = async () => press();
    globalThis.close = async () => root.unmount();
  };`;

const PATIENCE = { timeout: 20_000 };

let installed: Installed;
let served: Served;

beforeAll(async () => {
  installed = await install();
  await installed.copy('react', 'react-reconciler', 'scheduler', 'test-renderer');
  await installed.write('index.js', ENTRY);
  await installed.write('hooks.tsx', HOOKS);
  for (const platform of ['ios', 'android']) {
    await installed.write(`platform.${platform}.js`, `export const platform = '${platform}';`);
  }
});
afterAll(() => installed?.remove());
beforeEach(async () => {
  served = await serve();
});
afterEach(() => served?.stop());

describe.each<[string, BundleOptions]>([
  ['iOS', { platform: 'ios' }],
  ['Android', { platform: 'android' }],
  ['iOS, by a Metro that does not read `exports`', { platform: 'ios', packageExports: false }],
])('bundled for %s', (_name, options) => {
  let made: Awaited<ReturnType<typeof bundle>>;

  beforeAll(async () => {
    made = await bundle(installed.app, 'index.js', options);
  }, 180_000);

  test('it makes a picture', async () => {
    const result = await start(made.code)('makePicture', served.url);
    const image = `${served.url}/pixel.png`;
    expect(served.asked).toContain('WebSocket /events');
    expect(result).toEqual({ platform: options.platform, updates: SEEN, image, typed: true });
  });

  test('the hooks make a picture, and show all there are', async () => {
    const call = start(made.code);
    const showing = (line: string) => expect.poll(() => call('shown'), PATIENCE).toBe(line);
    await call('open', served.url);
    await showing('The model | idle 0 |  | ');
    await call('press');
    await showing(`The model | completed 100 | ${served.url}/pixel.png | a fox: completed`);
    await call('close');
  });

  test('updates and lists are read by `for await`, as Babel compiles it', async () => {
    expect(await start(made.code)('loops', served.url)).toEqual([...SEEN, 'a fox', 1]);
  });

  test('a picture on the device is uploaded', async () => {
    const source = await start(made.code)('upload', served.url, DEVICE_FILE.uri);
    expect(source).toEqual({
      source_id: 's1',
      format: 'application/octet-stream',
      bytes: DEVICE_FILE.bytes.length,
    });
  });

  test('a picture on the device is what a start begins with', async () => {
    expect(await start(made.code)('paintOver', served.url, DEVICE_FILE.uri)).toBe(1);
    expect(served.asked.slice(0, 2)).toEqual(['POST /sources', 'POST /start-generation']);
    expect(served.starts).toEqual([{ prompt: 'a fox', model_id: 'o/m', source_id: 's1' }]);
  });

  test('an app that is in front again polls at once', async () => {
    expect(await start(made.code)('bringToFront', served.url)).toEqual(SEEN);
  });

  test('an aborted call is an AbortError, though signals have no reason', async () => {
    expect(await start(made.code)('stop', served.url)).toBe('AbortError');
  });

  test("the original's functions are there", async () => {
    const ids = { generationId: 'g', jobId: 'j' };
    expect(await start(made.code)('startOnly')).toEqual([ids, ids, 'function']);
  });

  const compiler = hermesCompiler();
  test.runIf(compiler)('Hermes compiles it', async () => {
    expect(await compileForHermes(compiler as string, made.file)).toBeGreaterThan(1_000);
  });
});
