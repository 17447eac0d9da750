import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CountedStack, startCounted } from './support/counted.ts';
import type { Own } from './support/proxy.ts';
import type { TestStack } from './support/stack.ts';
import type { Started, TestUser } from './support/user.ts';

/**
 * Large images on their way from the provider into Storage, beyond the beginning that a Worker looks at: what is
 * stored is what was served, and what breaks off is not stored at all.
 */

const MB = 1_000_000;
const KINDS = ['with a length', 'chunked'] as const;
type Kind = (typeof KINDS)[number];

let counted: CountedStack;
let stack: TestStack;
let user: TestUser;
/** What becomes of the next uploads; none: they go on to Storage. */
let broken: Own[] = [];
/** What a list of generations is answered. */
let listed: Own | undefined;

beforeAll(async () => {
  counted = await startCounted({}, ({ method, url }) => {
    if (url?.endsWith('/rpc/list_generations')) return listed;
    return method === 'POST' && url?.includes('/object/generated-images/') ? broken.shift() : undefined;
  });
  ({ stack, user } = counted);
});
afterAll(() => counted?.stop());
beforeEach(() => {
  broken = [];
  listed = undefined;
});

const whole = (kind: Kind) => (kind === 'chunked' ? 'too_large_chunked' : 'too_large');
const cut = (kind: Kind) => (kind === 'chunked' ? 'truncated_chunked' : 'truncated');

const stored = ({ generation_id }: Started) =>
  stack.sql<{ size: number }[]>`select (metadata ->> 'size')::int as size from storage.objects
    where name like ${`%${generation_id}%`}`;

/** Both tries of the first run have failed: nothing is there, and the job waits. The log says who it was. */
async function expectNothingYet(started: Started, who: RegExp): Promise<void> {
  const isPutOff = (job: { status: string; lease: string }) =>
    job.status === 'pending' && Number(job.lease) === 1;
  const { id, attempts } = await stack.job(started.generation_id, 'put off', isPutOff, 'download-image');
  expect(attempts).toBe(0);
  expect(await stored(started)).toEqual([]);
  const detail = await stack.until('a line of the log', async () => {
    const line = stack
      .lastLines()
      .split('\n')
      .find((one) => one.includes(id));
    return line !== undefined && /"detail":"([^"]*)"/.exec(line)?.[1];
  });
  expect(detail).toMatch(who);
  const [prediction] = await stack.simulator.predictions(started.job_id);
  expect(prediction?.downloads).toBe(2);
  expect(broken, 'faults that were not played').toEqual([]);
}

/** One image, and one file, which is what the provider serves. */
async function expectWhole(started: Started, bytes: number): Promise<void> {
  const { images } = await user.completed(started.generation_id);
  expect(images).toHaveLength(1);
  const [prediction] = await stack.simulator.predictions(started.job_id);
  const output = prediction?.prediction.output as string | string[];
  const served = await fetch(typeof output === 'string' ? output : (output[0] ?? ''));
  const kept = await fetch(images[0]?.url ?? '');
  const [expected, actual] = await Promise.all(
    [served, kept].map(async (it) => Buffer.from(await it.arrayBuffer())),
  );
  expect(await stored(started)).toEqual([{ size: actual?.length }]);
  expect(actual?.length).toBeGreaterThanOrEqual(bytes);
  expect(expected && actual?.equals(expected), 'the bytes that were served').toBe(true);
}

async function goOn({ generation_id }: Started): Promise<void> {
  await stack.letTimePass(generation_id);
  await stack.processJobs();
}

test.each(KINDS)('4 MB %s, byte for byte', async (kind) => {
  await stack.simulator.fault(`whole ${kind}`, { file: whole(kind), file_bytes: 4 * MB + 1 });
  const started = await user.start({ prompt: `whole ${kind}` });
  await expectWhole(started, 4 * MB + 1);
});

test.each(KINDS)('a source that breaks off after 2 MB, %s', async (kind) => {
  await stack.simulator.fault(`cut ${kind}`, { file: cut(kind), file_bytes: 4 * MB, file_times: 2 });
  const started = await user.start({ prompt: `cut ${kind}` });
  await expectNothingYet(started, /^source: the connection failed$/);
  await goOn(started);
  await expectWhole(started, 1);
});

const REFUSAL = { status: 503, body: { error: 'InternalError' } };
const FAULTS: [string, Own, RegExp][] = [
  ['that hangs up after 1 MB', { hangUp: true, after: MB }, /^target: the connection failed$/],
  // The answer may be lost with the connection.
  ['that refuses and hangs up after 1 MB', { ...REFUSAL, after: MB }, /^(target:|storage answered 503)/],
  ['that refuses at once', REFUSAL, /^storage answered 503/],
];

test.each(FAULTS.flatMap(([what, own, who]) => KINDS.map((kind) => [kind, what, own, who] as const)))(
  '4 MB %s to a Storage %s',
  async (kind, what, own, who) => {
    const prompt = `${what} ${kind}`;
    await stack.simulator.fault(prompt, { file: whole(kind), file_bytes: 4 * MB });
    broken = [own, own];
    const started = await user.start({ prompt });
    await expectNothingYet(started, who);
    await goOn(started);
    await expectWhole(started, 4 * MB);
  },
);

test('an answer that is packed may have as many bytes as one that is not', async () => {
  const list = (bytes: number) => {
    listed = {
      status: 200,
      packed: true,
      body: { generations: [], next_cursor: null, more: ' '.repeat(bytes) },
    };
    return user.call<{ more?: string }>('GET', '/generations');
  };
  const some = await list(2 * MB);
  expect([some.status, some.body.more?.length]).toEqual([200, 2 * MB]);
  // Four MiB are allowed; packed it has some kilobytes.
  expect((await list(5 * MB)).status).toBe(500);
});
