import sharp from 'sharp';
import { beforeAll, expect, test } from 'vitest';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { fixtureSupabase, withKey } from './fixtures/project.ts';

/** Small versions of public images, asked for as supabase-js does. */

let supabase: RunningSupabase;
const bucket = (name = 'open') => withKey(supabase, supabase.serviceRoleKey).storage.from(name);

beforeAll(async () => {
  supabase = await fixtureSupabase();
  const image = await sharp({ create: { width: 400, height: 200, channels: 3, background: '#369' } })
    .png()
    .toBuffer();
  for (const name of ['open', 'closed']) {
    await bucket(name).upload('wide.png', image, { contentType: 'image/png' });
  }
  await bucket().upload('none.png', Buffer.from('no image'), { contentType: 'image/png' });
  return supabase.stop;
});

const address = (transform: object, path = 'wide.png', name = 'open') =>
  bucket(name).getPublicUrl(path, { transform }).data.publicUrl;
const sizeOf = async (transform: object) => {
  const answer = await fetch(address(transform));
  expect(answer.status).toBe(200);
  const { width, height, format } = await sharp(Buffer.from(await answer.arrayBuffer())).metadata();
  expect(answer.headers.get('content-type')).toBe(`image/${format}`);
  return [width, height, format];
};

test.each([
  ['within a width', { width: 100, resize: 'contain' }, [100, 50, 'png']],
  ['a width alone crops', { width: 100 }, [100, 200, 'png']],
  ['both crop', { width: 100, height: 100 }, [100, 100, 'png']],
  ['filled', { width: 100, height: 100, resize: 'fill' }, [100, 100, 'png']],
  ['never larger', { width: 1000, resize: 'contain' }, [400, 200, 'png']],
] as const)('%s', async (_, transform, expected) => {
  expect(await sizeOf(transform)).toEqual(expected);
});

test('as WebP where that is taken, unless the format is to stay', async () => {
  const type = async (transform: object) => {
    const answer = await fetch(address(transform), { headers: { accept: 'image/avif,image/webp,*/*' } });
    return answer.headers.get('content-type');
  };
  expect(await type({ width: 100 })).toBe('image/webp');
  expect(await type({ width: 100, format: 'origin' })).toBe('image/png');
});

test('what cannot be made is refused', async () => {
  const body = async (url: string) => (await fetch(url)).json();
  expect(await body(address({ quality: 10, width: 9 }))).toMatchObject({
    statusCode: '400',
    code: 'InvalidRequest',
  });
  expect(await body(address({ width: 9 }, 'none.png'))).toMatchObject({ statusCode: '422' });
  expect(await body(address({ width: 9 }, 'missing.png'))).toMatchObject({ statusCode: '404' });
  expect(await body(address({ width: 9 }, 'wide.png', 'closed'))).toMatchObject({ statusCode: '404' });
});
