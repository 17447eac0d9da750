/** Uploads through the official client. */
import Replicate from 'replicate';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';

let simulator: Simulator;
let replicate: Replicate;

beforeAll(async () => {
  simulator = await startSimulator();
  replicate = new Replicate({ auth: simulator.token, baseUrl: `${simulator.url}/v1`, useFileOutput: false });
});
afterAll(() => simulator.close());

const picture = () =>
  sharp({ create: { width: 60, height: 40, channels: 3, background: '#3a3' } })
    .png()
    .toBuffer();

test('a file is created, listed, downloaded and deleted', async () => {
  const bytes = await picture();
  const content = new File([new Uint8Array(bytes)], 'green.png', { type: 'image/png' });
  const file = await replicate.files.create(content, { purpose: 'test' });
  expect(file).toMatchObject({
    name: 'green.png',
    content_type: 'image/png',
    size: bytes.length,
    metadata: { purpose: 'test' },
    urls: { get: `${simulator.url}/v1/files/${file.id}` },
  });
  expect(await replicate.files.get(file.id)).toEqual(file);
  expect((await replicate.files.list()).results).toEqual([file]);
  const headers = { authorization: `Bearer ${simulator.token}` };
  const download = await fetch(`${file.urls.get}/download`, { headers });
  expect(Buffer.from(await download.arrayBuffer()).equals(bytes)).toBe(true);
  await fetch(file.urls.get, { method: 'DELETE', headers });
  expect((await replicate.files.list()).results).toEqual([]);
});

test('the client uploads a Buffer that is given as an input, and the model reads it', async () => {
  const image = await picture();
  const url = await replicate.run('nightmareai/real-esrgan', { input: { image, scale: 2 } });
  const output = await (await fetch(String(url))).arrayBuffer();
  expect(await sharp(Buffer.from(output)).metadata()).toMatchObject({ width: 120, height: 80 });
});
