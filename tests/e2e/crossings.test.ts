import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Crossings, countingWorkers, crossings } from './support/crossings.ts';
import { TestStack } from './support/stack.ts';
import { pictures, uploadSource } from './support/uploads.ts';
import { TestUser } from './support/user.ts';

/**
 * How often a request goes from JavaScript into wasm and back: each time costs as much as a good deal of work, and
 * nothing else tells that a convenient call has made a request dearer.
 */

const MB = 1_000_000;

let stack: TestStack;
let user: TestUser;
let remove: () => Promise<void>;

beforeAll(async () => {
  const workers = await countingWorkers();
  remove = workers.remove;
  stack = await TestStack.start({ wranglerToml: workers.wranglerToml });
  user = await TestUser.signUp(stack);
  // The first request of an isolate reads the configuration and fetches the project's public keys.
  await completed((await user.start({ prompt: 'the first' })).generation_id);
});
afterAll(async () => {
  await stack?.stop();
  await remove?.();
});

async function completed(id: string): Promise<void> {
  await stack.until('the image to be completed and the queue to be empty', async () => {
    const [row] = await stack.sql`
      select (select status from public.image_generations where id = ${id}) as status,
        (select count(*)::int from public.job_queue where status in ('pending', 'processing')) as open`;
    return row?.status === 'completed' && row.open === 0;
  });
}

/** What a Worker counts while something is done, when all is quiet again. */
async function counted(url: string, work: () => Promise<unknown>): Promise<Crossings> {
  await settled(url);
  await work();
  return settled(url);
}

/** The count, once nothing more is added to it. */
async function settled(url: string): Promise<Crossings> {
  const sum = { imports: 0, exports: 0 };
  let quiet = 0;
  await stack.until('the Workers to be quiet', async () => {
    const { imports, exports } = await crossings(url);
    sum.imports += imports;
    sum.exports += exports;
    quiet = imports + exports === 0 ? quiet + 1 : 0;
    return quiet === 3;
  });
  return sum;
}

function expectAtMost({ imports, exports }: Crossings, most: Crossings): void {
  expect(imports, 'calls from wasm into JavaScript').toBeLessThanOrEqual(most.imports);
  expect(exports, 'calls from JavaScript into wasm').toBeLessThanOrEqual(most.exports);
  expect(imports * exports, 'nothing was counted').toBeGreaterThan(0);
}

// A release build is called some more times than one without optimisation: 28 in place of 16 for a POST.
test('POST /start-generation', async () => {
  let id = '';
  const counts = await counted(stack.addresses.startGenerationUrl, async () => {
    ({ generation_id: id } = await user.start({ prompt: 'counted' }));
    await completed(id);
  });
  // The wake-up of process-jobs is part of it.
  expectAtMost(counts, { imports: 24, exports: 30 });
});

test('GET /generations/{id}', async () => {
  const { generation_id } = await user.start({ prompt: 'read' });
  await completed(generation_id);
  const counts = await counted(stack.addresses.startGenerationUrl, () =>
    user.call('GET', `/generations/${generation_id}`),
  );
  expectAtMost(counts, { imports: 9, exports: 12 });
});

/** A start in all three Workers, with an image of so many bytes. */
async function image(prompt: string, bytes?: number): Promise<Crossings> {
  if (bytes !== undefined) await stack.simulator.fault(prompt, { file: 'too_large', file_bytes: bytes });
  return counted(stack.addresses.processGenerationUrl, async () => {
    await completed((await user.start({ prompt })).generation_id);
  });
}

test('the end of an image of 21 kB, and nothing more for a larger one', async () => {
  const small = await image('a small one');
  expectAtMost(small, { imports: 60, exports: 66 });
  const large = await image('a large one', 5 * MB);
  const more = large.imports + large.exports - small.imports - small.exports;
  expect(more).toBeLessThanOrEqual(20);
});

test('an upload is looked at in large pieces', async () => {
  const { png } = await pictures();
  const upload = (bytes: number) =>
    counted(stack.addresses.startGenerationUrl, () =>
      // What follows the end of a PNG is not looked at.
      uploadSource(user, Buffer.concat([png, Buffer.alloc(bytes)]), 'image/png'),
    );
  const small = await upload(0);
  const large = await upload(4 * MB);
  const more = large.imports + large.exports - small.imports - small.exports;
  expect(more / 4, 'for each further MB').toBeLessThanOrEqual(28);
});
