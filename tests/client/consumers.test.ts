import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Installed, install, ROOT, run } from './installed.ts';

/** The packed package's types, in apps that resolve them in different ways. */

const SOURCE = `
  import { createClient, type Client, type Progress } from 'picture-queue';
  import { enqueueJob, generateImageAsync, getJob, getQueueStats, type JobType, type SupabaseLike } from 'picture-queue/compat';
  import { createLibrary, type Library, type Usage } from 'picture-queue/library';
  import { createServerClient } from 'picture-queue/server';
  import { verifyWebhook } from 'picture-queue/webhooks';
  export const client: Client = createClient({ url: '', getToken: () => null });
  export const status: Promise<string> = client.get('').then(({ status }) => status);
  export const job = (supabase: SupabaseLike) => getJob(supabase, '').then((job) => job?.payload);
  export const prompt: Promise<string> = getJob('').then((job) => job?.payload.prompt);
  interface Payload { prompt: string; tags?: string[] }
  export const enqueued = (payload: Payload) => enqueueJob({ jobType: 'generate-image', payload });
  export const ofOnesOwn = [enqueueJob({ jobType: 'own-type', payload: {} }), getQueueStats('own-type')];
  const LABELS: Record<JobType, string> =
    { 'generate-image': 'a', 'download-image': 'b', 'process-webhook': 'c', 'cleanup-storage': 'd' };
  export const label: Promise<string> = getJob('').then((job) => (job ? LABELS[job.job_type] : ''));
  // @ts-expect-error the original's types are four
  export const ownType: JobType = 'own-type';
  // @ts-expect-error an id is a text
  getJob(1);
  // @ts-expect-error a generation has a prompt, or prompts
  client.start({ model_id: '' });
  export const library: Library = createLibrary({ url: '', getToken: () => null });
  export const rerun = library
    .rerun('', { seed: null, source_id: new Uint8Array() }, { idempotencyKey: 'k' })
    .then((started) => client.wait(started));
  export const left: Promise<Usage['images']['left']> = library.usage().then(({ images }) => images.left);
  // @ts-expect-error there is no such mark
  library.markImage('', { favorite: true });
  export const onServer = createServerClient({ url: '', secretKey: '' });
  export const images = onServer
    .generate({ prompt: 'a', model_id: 'o/m' }, { userId: 'u', onUpdate: ({ progress }) => progress })
    .then(({ images }) => images);
  // @ts-expect-error a server says for whom
  onServer.submit({ prompt: 'a', model_id: 'o/m' }, {});
  onServer.submit({ prompt: 'a', model_id: 'o/m', source_id: new Uint8Array() }, { userId: 'u' });
  client.start({ prompt: 'a', model_id: 'o/m', sources: ['s', { uri: '' }, { source_image_url: '' }], mask: { uri: '' } });
  // @ts-expect-error an image is named in one way
  client.start({ prompt: 'a', model_id: 'o/m', mask: { source_url: '' } });
  // @ts-expect-error a file is no model
  client.start({ prompt: 'a', model_id: { uri: '' } });
  // @ts-expect-error the original's functions upload nothing
  generateImageAsync({ prompt: 'a', model_id: 'o/m', source_id: { uri: '' } });
  // @ts-expect-error there is no such status
  export const wrong: Progress['status'] = 'done';`;
const HOOKS = `
  import * as originals from 'picture-queue/compat/react';
  import { PictureQueueProvider, useGenerations, useImageGeneration, useModels } from 'picture-queue/react';
  export function usePicture(): string | null {
    const { generate, imageUrl, error } = useImageGeneration({ client });
    const { generations } = useGenerations({ limit: 10 });
    const { models } = useModels();
    const make = () => generate({ prompt: 'a', model_id: models[0]?.id ?? '', source_id: 's' });
    return error?.message ?? imageUrl ?? generations[0]?.images[0]?.url ?? String(make);
  }
  export function useOriginal(): string | null {
    const { generate, error, jobId } = originals.useImageGeneration();
    const { generations } = originals.useGenerationHistory(5);
    const make: () => Promise<void> = () => generate({ prompt: 'a', model_id: 'o/m', seed: undefined });
    return error ?? jobId ?? generations[0]?.images[0]?.public_url ?? String(make);
  }
  // @ts-expect-error the provider needs a client
  PictureQueueProvider({});`;
/** A platform's own are taken as they are. */
const PLATFORM = `
  export const own = createClient({ url: '', getToken: () => null, fetch, WebSocket });
  own.get('', { signal: new AbortController().signal });
  own.uploadSource(new Blob([]));
  own.generate({ prompt: 'a', model_id: 'o/m', source_id: new Blob([]) });
  const request = new Request('https://a.example');
  export const ids: Promise<string>[] = [
    request,
    { headers: request.headers, body: new Uint8Array() },
    { headers: { 'webhook-id': 'a', 'set-cookie': ['b'] }, body: '' },
  ].map((each) => verifyWebhook(each, 'whsec_').then(({ data }) => data.id));
  // @ts-expect-error what a JSON parser made of it
  verifyWebhook({ headers: request.headers, body: {} }, 'whsec_');`;
const ON_A_DEVICE = `
  import { followAppState } from 'picture-queue/react-native';
  import { AppState } from 'react-native';
  export const stop: () => void = followAppState(client, AppState);
  own.uploadSource({ uri: 'file:///picture.jpg', type: 'image/jpeg', name: 'picture.jpg' });
  own.start({ prompt: 'a', model_id: 'o/m', source_id: { uri: 'file:///picture.jpg', type: 'image/jpeg' } });`;

/** A Worker or a strange runtime: none of a platform's types, and the package asks for none. */
const PLAIN = { module: 'nodenext', lib: ['es2022'], types: [] };
const NODE = { module: 'node16', lib: ['es2022'], types: ['node'] };
/** @react-native/typescript-config */
const REACT_NATIVE = {
  module: 'esnext',
  moduleResolution: 'bundler',
  customConditions: ['react-native'],
  target: 'esnext',
  lib: ['es2019', 'es2020.promise', 'es2020.string', 'es2021.promise', 'es2022.array', 'es2022.object'],
  types: ['react-native'],
  jsx: 'react-native',
  allowJs: true,
  isolatedModules: true,
  skipLibCheck: true,
};

let installed: Installed;
beforeAll(async () => {
  installed = await install();
  await installed.link('@types/node', '@types/react', '@types/react-dom', 'react-native', 'csstype');
});
afterAll(() => installed?.remove());

async function faults(folder: string, file: string, source: string, options: object): Promise<string> {
  await installed.write(`${folder}/${file}`, source);
  const compilerOptions = { strict: true, noEmit: true, exactOptionalPropertyTypes: true, ...options };
  await installed.write(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, include: ['*'] }));
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  return run(process.execPath, [tsc, '-p', path.join(installed.app, folder)]).then(
    () => '',
    (error: { stdout?: string }) => error.stdout || String(error),
  );
}

describe.concurrent('its types', () => {
  test.each<[string, string, object, string]>([
    ['Vite', 'main.ts', { module: 'esnext', moduleResolution: 'bundler', types: [] }, PLATFORM],
    ['a Node module', 'main.mts', NODE, PLATFORM],
    ['a Node script', 'main.cts', NODE, PLATFORM],
    ['React Native', 'main.ts', REACT_NATIVE, PLATFORM + ON_A_DEVICE],
    ['a module with nothing but the language', 'main.mts', PLAIN, ''],
    ['a script with nothing but the language', 'main.cts', PLAIN, ''],
  ])('in %s', async (name, file, options, more) => {
    const folder = name.replaceAll(' ', '-').toLowerCase();
    expect(await faults(folder, file, SOURCE + HOOKS + more, { target: 'es2022', ...options })).toBe('');
  });
});
