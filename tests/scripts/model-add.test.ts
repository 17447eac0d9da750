import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findModel, models } from '../../dev/replicate/facts.ts';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';
import { entriesOf, format, insert, remove } from '../../scripts/model-add/catalogue.ts';
import { derive, type Entry } from '../../scripts/model-add/entry.ts';
import { versionAfter } from '../../scripts/model-add/migration.ts';
import { fetchModel } from '../../scripts/model-add/replicate.ts';

const root = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));
/** The project's own Node, which runs TypeScript; the one that runs the tests may be older. */
const node = path.join(path.dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin/node');

/**
 * What the entries written by hand know from elsewhere, by `model member` or `model field.member`; `*` is
 * any model. Everything else the command must find by itself.
 */
const FROM_ELSEWHERE = [
  /^\S+ (source_size|estimated_seconds|format)$/,
  /^\S+ \S+\.(pixels|multiple_of|max_items)$/,
  // Its published schema was not read whole.
  /^black-forest-labs\/flux-2-klein-4b (size|aspect_ratio\.\w+)$/,
  /^ideogram-ai\/ideogram-v3-\w+ seed\.minimum$/,
  /^qwen\/qwen-image (image_size\.value|num_inference_steps\.(role|minimum))$/,
  /^stability-ai\/stable-diffusion-3\.5-large-turbo cfg\.(role|minimum|maximum)$/,
  // The schema has no limits for the size.
  /^stability-ai\/sdxl (size|(width|height)\.(role|minimum|maximum))$/,
  /^bytedance\/seedream-3 size$/,
  // The fact sheet has no descriptions, which tell what a mask's colours mean.
  /^\S+ mask\.paints$/,
  // Below 1 nothing is enlarged.
  /^nightmareai\/real-esrgan scale\.minimum$/,
  // The schema has no limits for the scale.
  /^philz1337x\/clarity-upscaler scale_factor\.(role|minimum|maximum)$/,
  /^topazlabs\/image-upscale upscale_factor\.value$/,
];

let simulator: Simulator;
let env: Record<string, string>;
let text: string;
let folder: string;

beforeAll(async () => {
  simulator = await startSimulator();
  env = { REPLICATE_API_TOKEN: simulator.token, REPLICATE_API_URL: simulator.url };
  text = await fs.readFile(root('shared/src/catalogue/models.json'), 'utf8');
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'models-'));
});
afterAll(async () => {
  await simulator?.close();
  await fs.rm(folder, { recursive: true, force: true });
});

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

function command(args: string[], variables: Record<string, string> = env): Promise<Run> {
  const { REPLICATE_API_TOKEN: _token, REPLICATE_API_URL: _url, ...rest } = process.env;
  return new Promise((resolve) => {
    const options = { env: { ...rest, ...variables } };
    execFile(node, [root('scripts/model-add/main.ts'), ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

async function catalogueWithout(...ids: string[]): Promise<string> {
  const file = path.join(folder, `${ids.join('-').replaceAll('/', '-')}.json`);
  await fs.writeFile(file, ids.reduce(remove, text));
  return file;
}

/** `field.member` and values of what two entries say differently, names and facts aside. */
function differences(found: Entry, byHand: Entry): string[] {
  const flat = ({
    input,
    name: _name,
    description: _description,
    facts: _facts,
    price: _price,
    price_source: _source,
    ...entry
  }: Entry) =>
    new Map([
      ...Object.entries(entry),
      ...Object.entries(input).flatMap(([field, members]) =>
        Object.entries(members).map(([member, value]) => [`${field}.${member}`, value] as const),
      ),
    ]);
  const [one, other] = [flat(found), flat(byHand)];
  const names = new Set([...one.keys(), ...other.keys()]);
  names.delete('default'); // which model is preselected is nobody's fact
  return [...names].filter((name) => JSON.stringify(one.get(name)) !== JSON.stringify(other.get(name)));
}

test('all entries written by hand are found again, but for what the API does not tell', async () => {
  const entries = entriesOf(text).filter(({ id }) => findModel(id));
  expect(entries).toHaveLength(models.length);
  const wrong: string[] = [];
  for (const byHand of entries) {
    const { entry } = derive(await fetchModel(byHand.id, env), {}, '2026-11-24');
    expect(Object.keys(entry.input), byHand.id).toEqual(Object.keys(byHand.input));
    const named = differences(entry, byHand).map((name) => `${byHand.id} ${name}`);
    wrong.push(...named.filter((name) => !FROM_ELSEWHERE.some((known) => known.test(name))));
  }
  expect(wrong).toEqual([]);
});

test('the file is written as it is read: taking out and putting back changes nothing', () => {
  const entries = entriesOf(text);
  for (const [index, entry] of entries.entries()) {
    expect(text).toContain(format(entry));
    const before = entries[index - 1];
    if (before) expect(insert(remove(text, entry.id), entry, before.id) === text, entry.id).toBe(true);
  }
});

test.each([
  ['ideogram-ai/ideogram-v3-turbo', 'ideogram-ai/ideogram-v2'],
  ['philz1337x/clarity-upscaler', 'topazlabs/image-upscale'],
  ['stability-ai/stable-diffusion-3.5-large', 'stability-ai/sdxl'],
  ['cjwbw/rembg', 'lucataco/remove-bg'],
])('%s goes behind %s', async (id, before) => {
  const file = await catalogueWithout(id);
  const run = await command([id, '--catalogue', file, '--name', 'X', '--cost', '0.04', '--seconds', '7']);
  expect(run, run.stderr).toMatchObject({ code: 0 });
  expect(run.stderr).toContain(`added behind ${before}`);
  const entries = entriesOf(await fs.readFile(file, 'utf8'));
  const index = entries.findIndex((entry) => entry.id === id);
  expect(entries[index - 1]?.id).toBe(before);
  expect(entries[index]).toMatchObject({
    name: 'X',
    price: { image: 0.04 },
    price_source: expect.stringMatching(/^ours, \d{4}-\d\d-\d\d: /),
    estimated_seconds: 7,
    active: true,
  });
  // Nothing else was touched.
  expect(remove(await fs.readFile(file, 'utf8'), id)).toBe(remove(text, id));
});

test('it tells what it understood, and what is to be decided', async () => {
  const id = 'black-forest-labs/flux-1.1-pro-ultra';
  const { stderr } = await command([id, '--catalogue', await catalogueWithout(id), '--dry-run']);
  expect(stderr).toMatch(/aspect ratios +aspect_ratio: 21:9, 16:9/);
  expect(stderr).toMatch(/source image +image_prompt/);
  expect(stderr).toMatch(/strength +image_prompt_strength: 1 keeps everything/);
  expect(stderr).toMatch(/- price, price_source: .*--cost/);
  expect(stderr).toMatch(/- image_prompt_strength: .*check the direction/);
  const qwen = 'qwen/qwen-image';
  const other = await command([qwen, '--catalogue', await catalogueWithout(qwen), '--dry-run']);
  expect(other.stderr).toMatch(/- num_inference_steps: give it limits/);
});

test('--dry-run prints the entry and writes nothing', async () => {
  const id = 'google/imagen-4';
  const file = await catalogueWithout(id);
  const before = await fs.readFile(file, 'utf8');
  const run = await command([id, '--catalogue', file, '--dry-run']);
  expect(run.code).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({ id, output: 'string', operations: ['generate'] });
  expect(await fs.readFile(file, 'utf8')).toBe(before);
});

test.each<[string, string[], Record<string, string>, RegExp]>([
  ['one that is there', ['google/imagen-4'], {}, /in the catalogue already/],
  ['one that Replicate does not have', ['google/imagen-400'], {}, /no model google\/imagen-400/],
  ['no token', ['a/b'], { REPLICATE_API_TOKEN: '' }, /Set REPLICATE_API_TOKEN/],
  ['a wrong token', ['a/b'], { REPLICATE_API_TOKEN: 'r8_wrong' }, /does not accept REPLICATE_API_TOKEN/],
  ['no Replicate', ['a/b'], { REPLICATE_API_URL: 'http://127.0.0.1:1' }, /cannot be reached/],
  ['no model', [], {}, /Name one model/],
  ['half a name', ['imagen'], {}, /owner\/name/],
  ['a wrong price', ['a/b', '--cost', 'free'], {}, /--cost takes a number/],
  ['an unknown option', ['a/b', '--price', '1'], {}, /Unknown option '--price'.*--help/],
])('%s: one sentence', async (_name, args, variables, message) => {
  const run = await command(args, { ...env, ...variables });
  expect(run).toMatchObject({ code: 1, stdout: '' });
  expect(run.stderr).toMatch(message);
  expect(run.stderr.trim().split('\n')).toHaveLength(1);
});

test('a place behind a model that is not there is refused', async () => {
  const id = 'google/imagen-4';
  const run = await command([id, '--catalogue', await catalogueWithout(id), '--after', 'no/body']);
  expect(run).toMatchObject({ code: 1 });
  expect(run.stderr).toContain('no model no/body in the catalogue');
});

test('--help', async () => {
  expect(await command(['--help'])).toMatchObject({ code: 0, stderr: '' });
});

test('a migration comes behind all others', () => {
  const now = new Date('2027-01-02T03:04:05.678Z');
  expect(versionAfter(['20261124000300_models.sql'], now)).toBe('20270102030405');
  expect(versionAfter(['20261124000300_models.sql', '20280101000000_later.sql'], now)).toBe('20280101000001');
  expect(versionAfter([], now)).toBe('20270102030405');
});
