/** Every model of the fact sheet makes a real picture of the size that its input asks for; judged by sharp. */
import Replicate from 'replicate';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ModelFacts, models, versionId } from '../../dev/replicate/facts.ts';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';

let simulator: Simulator;
let replicate: Replicate;
/** A source picture of 300x200 pixels, as a data URI. */
let source: string;

beforeAll(async () => {
  simulator = await startSimulator();
  replicate = new Replicate({ auth: simulator.token, baseUrl: `${simulator.url}/v1`, useFileOutput: false });
  const red = { create: { width: 300, height: 200, channels: 3, background: '#a33' } } as const;
  source = `data:image/png;base64,${(await sharp(red).png().toBuffer()).toString('base64')}`;
});
afterAll(() => simulator.close());

type Input = Record<string, unknown>;

/** The smallest input that the model takes. */
function smallest(model: ModelFacts): Input {
  const input: Input = {};
  for (const [name, field] of Object.entries(model.inputs)) {
    if (name === 'prompt') input.prompt = 'a red fox in the snow';
    else if (field.required) input[name] = source;
  }
  if (model.supports.task !== undefined) input.image = source;
  return input;
}

async function make(model: ModelFacts, input: Input): Promise<string[]> {
  const reference = model.kind === 'official' ? model.id : `${model.id}:${versionId(model)}`;
  const output = await replicate.run(reference as `${string}/${string}`, { input });
  expect(Array.isArray(output), `${model.id} has a ${model.output.form} output`).toBe(
    model.output.form === 'list',
  );
  return [output].flat() as unknown as string[];
}

async function measure(url: string): Promise<{ size: string; format: string; type: string | null }> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  const { width, height, format } = await sharp(Buffer.from(await response.arrayBuffer())).metadata();
  return { size: `${width}x${height}`, format: format ?? '', type: response.headers.get('content-type') };
}

const defaultSizes: Record<string, string> = {
  'black-forest-labs/flux-1.1-pro-ultra': '2048x2048',
  'black-forest-labs/flux-kontext-dev': '1248x832',
  'bytedance/seedream-3': '1360x768',
  'bytedance/seedream-4': '2048x2048',
  'recraft-ai/recraft-crisp-upscale': '600x400',
  'qwen/qwen-image': '1664x928',
  'qwen/qwen-image-edit': '1248x832',
  'nightmareai/real-esrgan': '1200x800',
  'philz1337x/clarity-upscaler': '600x400',
  'topazlabs/image-upscale': '600x400',
  '851-labs/background-remover': '300x200',
  'men1scus/birefnet': '300x200',
  'lucataco/remove-bg': '300x200',
  'cjwbw/rembg': '300x200',
};
const formats: Record<string, [string, string]> = {
  webp: ['webp', 'image/webp'],
  jpg: ['jpeg', 'image/jpeg'],
  png: ['png', 'image/png'],
  svg: ['svg', 'image/svg+xml'],
};

test('the fact sheet has its 39 models', () => expect(models).toHaveLength(39));

describe('with the smallest input', () => {
  test.each(models.map((model) => [model.id, model] as const))('%s', async (id, model) => {
    const [url = ''] = await make(model, smallest(model));
    const [format, type] = formats[model.output.default_format ?? 'png'] ?? [];
    expect(await measure(url)).toEqual({ size: defaultSizes[id] ?? '1024x1024', format, type });
  });
});

const flux = 'black-forest-labs/flux';
const asked: [model: string, input: Input, size: string][] = [
  [`${flux}-schnell`, { aspect_ratio: '16:9' }, '1344x768'],
  [`${flux}-schnell`, { aspect_ratio: '21:9', megapixels: '0.25' }, '768x320'],
  [`${flux}-dev`, { aspect_ratio: '4:5' }, '896x1088'],
  [`${flux}-dev`, { aspect_ratio: '1:1', image: 'SOURCE' }, '1248x832'],
  [`${flux}-1.1-pro`, { aspect_ratio: 'custom', width: 777, height: 1001 }, '768x992'],
  [`${flux}-1.1-pro`, { width: 512, height: 512 }, '1024x1024'],
  [`${flux}-2-max`, { aspect_ratio: 'custom', width: 777, height: 1001 }, '784x1008'],
  [`${flux}-2-pro`, { resolution: '4 MP' }, '2048x2048'],
  [`${flux}-kontext-pro`, { input_image: 'SOURCE' }, '1248x832'],
  ['ideogram-ai/ideogram-v3-turbo', { resolution: '1536x640', aspect_ratio: '1:1' }, '1536x640'],
  ['ideogram-ai/ideogram-v3-turbo', { aspect_ratio: '16:9' }, '1312x736'],
  ['stability-ai/sdxl', { width: 768, height: 512 }, '768x512'],
  ['stability-ai/sdxl', { image: 'SOURCE' }, '296x200'],
  ['bytedance/sdxl-lightning-4step', { width: 1280, height: 256 }, '1280x256'],
  ['bytedance/seedream-3', { aspect_ratio: 'custom', width: 513, height: 600 }, '513x600'],
  ['bytedance/seedream-3', { aspect_ratio: '1:1', size: 'small' }, '512x512'],
  ['bytedance/seedream-3', { size: 'big' }, '2048x1152'],
  ['bytedance/seedream-4', { size: 'custom', width: 1500, height: 1100 }, '1500x1100'],
  ['bytedance/seedream-4', { size: '1K' }, '1024x1024'],
  ['recraft-ai/recraft-v3', { size: '1365x1024' }, '1365x1024'],
  ['recraft-ai/recraft-v3', { size: '1365x1024', aspect_ratio: '9:16' }, '1024x1820'],
  ['recraft-ai/recraft-v3-svg', { aspect_ratio: '5:3' }, '1707x1024'],
  ['qwen/qwen-image', { aspect_ratio: '3:4' }, '1136x1472'],
  ['qwen/qwen-image', { image_size: 'optimize_for_speed' }, '1024x576'],
  ['nightmareai/real-esrgan', { scale: 1.5 }, '450x300'],
  ['philz1337x/clarity-upscaler', { scale_factor: 3 }, '900x600'],
  ['topazlabs/image-upscale', { upscale_factor: '6x' }, '1800x1200'],
];

describe('with a size asked for', () => {
  test.each(asked)('%s %j makes %s', async (id, input, size) => {
    const model = models.find((each) => each.id === id);
    if (model === undefined) throw new Error(`${id} is not in the fact sheet`);
    const given = Object.fromEntries(Object.entries(input).map(([k, v]) => [k, v === 'SOURCE' ? source : v]));
    const [url = ''] = await make(model, { ...smallest(model), ...given });
    expect((await measure(url)).size).toBe(size);
  });
});

describe('what pictures look like', () => {
  const run = (input: Input) => replicate.run(`${flux}-schnell`, { input }) as unknown as Promise<string[]>;
  const pixels = async (url: string) => Buffer.from(await (await fetch(url)).arrayBuffer());

  test('they repeat for the same prompt and seed, and differ for another seed', async () => {
    const [first = '', second = ''] = await run({ prompt: 'fox', seed: 0, num_outputs: 2 });
    const [again = ''] = await run({ prompt: 'fox', seed: 0 });
    expect(again).not.toBe(first);
    expect((await pixels(again)).equals(await pixels(first))).toBe(true);
    expect((await pixels(second)).equals(await pixels(first))).toBe(false);
  });

  test('a background remover gives the source with transparent corners', async () => {
    const url = (await replicate.run(`lucataco/remove-bg:${versionOf('lucataco/remove-bg')}`, {
      input: { image: source },
    })) as unknown as string;
    const { data, info } = await sharp(await pixels(url))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info.channels).toBe(4);
    expect(data[3], 'alpha of the corner').toBe(0);
    const middle = (100 * 300 + 150) * 4;
    expect([...data.subarray(middle, middle + 4)], 'the middle').toEqual([0xaa, 0x33, 0x33, 255]);
  });

  test('an output can be the input of the next prediction', async () => {
    const [url] = await run({ prompt: 'fox', aspect_ratio: '16:9', megapixels: '0.25' });
    const larger = await replicate.run('nightmareai/real-esrgan', { input: { image: url, scale: 2 } });
    expect((await measure(String(larger))).size).toBe('1344x768');
  });

  test('each of several sources and the mask are read, and a mask needs its image', async () => {
    const text = `data:text/plain;base64,${Buffer.from('hello').toString('base64')}`;
    const banana = (image_input: string[]) =>
      replicate.run('google/nano-banana', { input: { prompt: 'fox', image_input } });
    await expect(banana([source, source])).resolves.toBeDefined();
    await expect(banana([source, text])).rejects.toThrow('cannot identify image file');
    const model = models.find(({ id }) => id === 'stability-ai/sdxl');
    const sdxl = `stability-ai/sdxl:${model && versionId(model)}`;
    const painted = (input: object) =>
      replicate.run(sdxl as `${string}/${string}`, { input: { prompt: 'fox', ...input } });
    await expect(painted({ image: source, mask: source })).resolves.toBeDefined();
    await expect(painted({ image: source, mask: text })).rejects.toThrow('cannot identify image file');
    await expect(painted({ mask: source })).rejects.toThrow('without an image');
  });

  test('a source that is no picture fails the prediction', async () => {
    const image = `data:text/plain;base64,${Buffer.from('hello').toString('base64')}`;
    const run = replicate.run('nightmareai/real-esrgan', { input: { image } });
    await expect(run).rejects.toThrow('cannot identify image file');
  });
});

describe('how files are served', () => {
  test('with length, etag and caching, without authorization; ranges and HEAD work', async () => {
    const output = (await replicate.run(`${flux}-schnell`, {
      input: { prompt: 'fox' },
    })) as unknown as string[];
    const [url = ''] = output;
    expect(url).toMatch(/\/files\/\w+\/out-0\.webp$/);
    const whole = await fetch(url);
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect(whole.headers.get('cache-control')).toBe('public,max-age=3600');
    expect(whole.headers.get('content-length')).toBe(String(bytes.length));
    const etag = whole.headers.get('etag') ?? '';
    expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
    const part = await fetch(url, { headers: { range: 'bytes=4-7' } });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(4, 8));
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(bytes.length));
  });
});

function versionOf(id: string): string {
  const model = models.find((each) => each.id === id);
  return model === undefined ? '' : versionId(model);
}
