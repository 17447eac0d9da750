import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FileUri, InvalidImageError, type SourceFile, TimeoutError } from '../../client/src/index.ts';
import { client, json, problem, STARTED, script } from './scripted.ts';

const SOURCE = {
  source_id: 's1',
  format: 'png',
  bytes: 3,
  width: 1,
  height: 1,
  expires_at: '2026-01-02T00:00:00Z',
};
const PNG = new Uint8Array([0x89, 0x50, 0x4e, 0x47]);
const JPEG = new Uint8Array([0xff, 0xd8, 0xff]);
const WEBP = new TextEncoder().encode('RIFF....WEBP');

const upload = async (file: SourceFile) => {
  const { fetch, sent } = script(json(SOURCE, 201));
  expect(await client(fetch).uploadSource(file)).toEqual(SOURCE);
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({
    url: 'https://pq.example/functions/v1/sources',
    request: { method: 'POST', headers: { authorization: 'Bearer token' } },
  });
  return { type: sent[0]?.request.headers['content-type'], body: sent[0]?.request.body };
};

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('uploadSource', () => {
  // The bytes tell the server what it is, whatever phones, browsers and extensions call it.
  const BYTES = 'application/octet-stream';

  test.each<[string, SourceFile]>([
    ['a Blob with a type', new Blob([JPEG], { type: 'image/webp' })],
    ['a File with a name that is wrong', new File([PNG], 'a.jpg')],
    ['a Blob with neither', new Blob([JPEG])],
    ['bytes', WEBP],
    ['a buffer', PNG.buffer],
  ])('%s is sent as it is', async (_, file) => {
    expect(await upload(file)).toEqual({ type: BYTES, body: file });
  });

  test.each<[string, Omit<FileUri, 'uri'>]>([
    ['Expo', { type: 'image', mimeType: 'image/png', name: 'x' }],
    ['other pickers', { type: 'image/jpg', name: 'x' }],
    ['a bare uri', {}],
  ])('what %s gives in React Native is read from the device', async (_, more) => {
    const blob = { size: 3, type: '' };
    const read = vi.fn(async () => ({ blob: async () => blob }));
    vi.stubGlobal('fetch', read);
    expect(await upload({ uri: 'file:///IMG_1', ...more })).toEqual({ type: BYTES, body: blob });
    expect(read).toHaveBeenCalledWith('file:///IMG_1', expect.anything());
  });

  test('a refusal says what is wrong with the picture', async () => {
    const refused = client(script(problem(422, 'invalid_image')).fetch).uploadSource(PNG);
    await expect(refused).rejects.toBeInstanceOf(InvalidImageError);
  });

  test('its id goes into a generation', async () => {
    const { fetch, sent } = script(json(STARTED, 202));
    await client(fetch).start({ prompt: 'a', model_id: 'o/m', source_id: 's1' });
    expect(JSON.parse(sent[0]?.request.body)).toMatchObject({ source_id: 's1' });
  });
});

describe('a file in place of an id', () => {
  const PARAMS = { prompt: 'a', model_id: 'o/m', strength: 0.5 };

  test.each<[string, SourceFile]>([
    ['a Blob', new Blob([JPEG])],
    ['a File', new File([PNG], 'a.png')],
    ['bytes', WEBP],
    ['a buffer', PNG.buffer],
  ])('%s is uploaded, and what comes of it is started', async (_, file) => {
    const { fetch, sent } = script(json(SOURCE, 201), json(STARTED, 202));
    expect(await client(fetch).start({ ...PARAMS, source_id: file })).toEqual(STARTED);
    expect(sent.map(({ url }) => url.split('/v1')[1])).toEqual(['/sources', '/start-generation']);
    expect(sent[0]?.request.body).toBe(file);
    expect(JSON.parse(sent[1]?.request.body)).toEqual({ ...PARAMS, source_id: 's1' });
  });

  test('each one of a list is, side by side, and texts stay', async () => {
    let last = 0;
    const { fetch, sent } = script(
      ...Array(2).fill(() => json({ ...SOURCE, source_id: `s${++last}` }, 201)),
      json(STARTED, 202),
    );
    // A field of a later server.
    const params = { ...PARAMS, later_ids: [new Blob([PNG]), 's0', new Blob([JPEG])] };
    await client(fetch).start(params);
    expect(JSON.parse(sent[2]?.request.body).later_ids).toEqual(['s1', 's0', 's2']);
  });

  test('several sources and a mask may be files beside ids and objects', async () => {
    let last = 0;
    const { fetch, sent } = script(
      ...Array(2).fill(() => json({ ...SOURCE, source_id: `s${++last}` }, 201)),
      json(STARTED, 202),
    );
    const own = { source_generation_id: 'g1' };
    await client(fetch).start({ ...PARAMS, sources: [new Blob([PNG]), own, 's0'], mask: new Blob([JPEG]) });
    const { sources, mask } = JSON.parse(sent[2]?.request.body);
    expect({ sources, mask }).toEqual({ sources: ['s1', own, 's0'], mask: 's2' });
  });

  test('a start that is sent again has the same upload', async () => {
    const { fetch, sent } = script(json(SOURCE, 201), new TypeError('fetch failed'), json(STARTED, 202));
    vi.spyOn(Math, 'random').mockReturnValue(0);
    await client(fetch).start({ ...PARAMS, source_id: new Blob([PNG]) });
    expect(sent).toHaveLength(3);
    expect(sent[2]?.request.body).toBe(sent[1]?.request.body);
  });

  test('one that is refused starts nothing', async () => {
    const { fetch, sent } = script(problem(422, 'invalid_image'));
    const refused = client(fetch).generate({ ...PARAMS, source_id: new Blob([PNG]) });
    await expect(refused).rejects.toBeInstanceOf(InvalidImageError);
    expect(sent).toHaveLength(1);
  });
});

describe('a slow line', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  test('has five minutes, whatever is enough for other calls', async () => {
    const { fetch, sent } = script('silence');
    const slow = client(fetch, { timeoutMs: 1_000, maxRetries: 0 });
    const late = expect(slow.uploadSource(PNG)).rejects.toBeInstanceOf(TimeoutError);
    await vi.advanceTimersByTimeAsync(299_000);
    expect(sent[0]?.request.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    await late;
  });

  test('and the signal ends it', async () => {
    const { fetch, sent } = script('silence');
    const controller = new AbortController();
    const call = client(fetch).uploadSource(PNG, { signal: controller.signal });
    const ends = expect(call).rejects.toMatchObject({ name: 'AbortError' });
    await vi.advanceTimersByTimeAsync(10);
    controller.abort();
    await ends;
    expect(sent[0]?.request.signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
