import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { BUCKET, LIMIT, pictures, sendSource, storedSources } from './support/uploads.ts';
import { TestUser } from './support/user.ts';

/** Uploads that come many at once, or straight to Storage, which asks the policies before the body comes. */

const MODEL = 'black-forest-labs/flux-kontext-pro';
const MOST = 5;
let stack: TestStack;
let png: Buffer;
beforeAll(async () => {
  stack = await TestStack.start({ args: ['--no-cron'] });
  await stack.sql`update private.plans set stored_sources = ${MOST} where name = 'default'`;
  ({ png } = await pictures());
});
afterAll(() => stack?.stop());

/** With the user's token, past our own interface. */
function put(user: TestUser, body: RequestInit['body'], id = randomUUID()): Promise<Response> {
  const { supabaseUrl, anonKey } = stack.addresses;
  return fetch(`${supabaseUrl}/storage/v1/object/${BUCKET}/${user.id}/${id}.png`, {
    method: 'POST',
    headers: { authorization: `Bearer ${user.token}`, apikey: anonKey, 'content-type': 'image/png' },
    body,
    duplex: 'half',
  } as RequestInit);
}
const stored = async (user: TestUser) =>
  (await storedSources(stack)).filter(({ name }) => name.startsWith(user.id)).map(({ name }) => name);
const start = (user: TestUser, source_id: string) =>
  user.call<Record<string, unknown>>('POST', '/start-generation', {
    model_id: MODEL,
    prompt: 'as a drawing',
    source_id,
  });

test('of 20 at once, through both doors, as many as the plan says are used, and the rest is deleted', async () => {
  const user = await TestUser.signUp(stack);
  await Promise.all(
    Array.from({ length: 10 }, () => [
      put(user, png as Uint8Array<ArrayBuffer>),
      sendSource(user, png, { 'content-type': 'image/png' }),
    ]).flat(),
  );
  const names = await stored(user);
  expect(names.length, 'Storage lets more in than the plan has room for').toBeGreaterThan(MOST);
  const future = new Date(Date.now() + 3e8).toISOString();
  const statuses = new Map<string, number>();
  for (const name of names) {
    const id = name.split('/')[1]?.split('.')[0];
    const body = { model_id: MODEL, prompt: 'x', source_id: id, scheduled_at: future };
    statuses.set(name, (await user.call('POST', '/start-generation', body)).status);
  }
  const used = names.filter((name) => statuses.get(name) === 202);
  expect(used.length).toBe(MOST);
  expect(names.filter((name) => statuses.get(name) === 404).length).toBe(names.length - MOST);
  // One run of the cron, and what it made jobs of.
  await stack.sweep();
  await stack.until('the rest to be deleted', async () => {
    await stack.processJobs();
    return (await stored(user)).length === MOST;
  });
  expect((await stored(user)).sort()).toEqual(used.sort());
});

test('a body without a length is not let in by Storage, and is by our own door', async () => {
  const user = await TestUser.signUp(stack);
  const stream = (bytes: Buffer) =>
    new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 65_536) controller.enqueue(bytes.subarray(at, at + 65_536));
        controller.close();
      },
    });
  const large = Buffer.concat([png, Buffer.alloc(LIMIT)]);
  for (const body of [stream(png), stream(large)]) expect((await put(user, body)).ok).toBe(false);
  expect((await put(user, large as Uint8Array<ArrayBuffer>)).ok).toBe(false);
  expect(await stored(user)).toEqual([]);
  expect((await sendSource(user, stream(png), { 'content-type': 'image/png' })).status).toBe(201);
  expect(await stored(user)).toHaveLength(1);
});

test.each([
  ['no image', Buffer.from('no image')],
  ['a page', Buffer.from('<html><body>no image</body></html>')],
  ['a GIF', Buffer.from('GIF89a\x03\0\x02\0\0\0\0', 'latin1')],
])('%s put straight into Storage is never paid for', async (_, bytes) => {
  const user = await TestUser.signUp(stack);
  const id = randomUUID();
  expect((await put(user, bytes as Uint8Array<ArrayBuffer>, id)).ok).toBe(true);
  const { status, body } = await start(user, id);
  expect(status).toBe(202);
  const ended = await user.ended(body.generation_id as string);
  expect(ended).toMatchObject({ status: 'failed', error: { code: 'source_unusable' } });
  expect(ended.error?.message).toMatch(/not a PNG, JPEG or WebP/);
  const [row] = await stack.sql`select count(*)::int as predictions from private.predictions
    where generation_id = ${ended.id}`;
  expect(row).toEqual({ predictions: 0 });
});

test('an image put straight into Storage is used', async () => {
  const user = await TestUser.signUp(stack);
  const id = randomUUID();
  expect((await put(user, png as Uint8Array<ArrayBuffer>, id)).ok).toBe(true);
  const { body } = await start(user, id);
  await user.completed(body.generation_id as string);
});
