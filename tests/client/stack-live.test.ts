import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as pq from '../../client/src/index.ts';
import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';

/** The client's updates against the whole system, by each way in which they come. */

let stack: TestStack;
let user: TestUser;

const clientOf = (who: TestUser, more: Partial<pq.ClientOptions> = {}) =>
  pq.createClient({ url: stack.addresses.startGenerationUrl, getToken: () => who.token, ...more });

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

describe.each(['websocket', 'sse', 'polling'] as const)('updates by %s', (live) => {
  /** A client, and all that it sends. Where it is live its looks would come too late for these tests. */
  const spied = (who: TestUser) => {
    const sent: string[] = [];
    const own = clientOf(who, {
      live,
      polling: live === 'polling' ? { minMs: 20, maxMs: 200 } : { minMs: 60_000, maxMs: 60_000 },
      fetch: (url, request) => {
        sent.push(`${request.method} ${new URL(url).pathname.replace(/[0-9a-f-]{36}/, '{id}')}`);
        return fetch(url, request);
      },
    });
    return { own, sent };
  };

  test('from the start to the picture, forward only', async () => {
    const { own, sent } = spied(user);
    const prompt = `told by ${live}`;
    await stack.simulator.fault(prompt, { generation_ms: 1_500 });
    const updates: pq.Progress[] = [];
    const { images } = await own.generate(
      { prompt, model_id: 'black-forest-labs/flux-dev' },
      { onUpdate: (update) => updates.push(update) },
    );
    const statuses = [...new Set(updates.map(({ status }) => status))];
    expect(statuses.slice(0, 2)).toEqual(['queued', 'processing']);
    expect(updates.at(-1)).toMatchObject({ status: 'completed', imageUrl: images[0]?.url });
    expect((await fetch(images[0]?.url ?? '')).status).toBe(200);
    const progress = updates.map((update) => update.progress);
    expect(
      progress.filter((percent) => percent > 10 && percent < 90).length,
      `of ${progress}`,
    ).toBeGreaterThan(0);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    if (live === 'polling') return;
    const requests = sent.filter((one) => one !== 'GET /events');
    expect(requests).toEqual(['POST /start-generation', 'GET /generations/{id}']);
  });

  test('of everything, also what is started elsewhere, failed and cancelled', async () => {
    const other = await TestUser.signUp(stack);
    const { own } = spied(other);
    const heard: pq.Progress[] = [];
    const stop = own.subscribeAll((update) => heard.push(update));
    const last = (id: string) => heard.findLast(({ generationId }) => generationId === id);

    await stack.simulator.faults([
      { match: { prompt: 'elsewhere fails' }, fault: { error: 'E005' } },
      { match: { prompt: 'elsewhere hangs' }, fault: { hold: 'run' } },
    ]);
    const elsewhere = clientOf(other, { live: 'polling' });
    const start = async (prompt: string) =>
      (await elsewhere.start({ prompt, model_id: MODEL })).generation_id;
    const [made, failed, held] = [
      await start('elsewhere'),
      await start('elsewhere fails'),
      await start('elsewhere hangs'),
    ];
    await stack.until('the third runs', async () => last(held)?.status === 'processing');
    await elsewhere.cancel(held);
    await stack.until('all ends are told', async () =>
      [made, failed, held].every((id) =>
        ['completed', 'failed', 'cancelled'].includes(last(id)?.status ?? ''),
      ),
    );
    expect([made, failed, held].map((id) => last(id)?.status)).toEqual(['completed', 'failed', 'cancelled']);
    expect(last(made)?.imageUrl).toMatch(/^http/);
    expect(last(failed)?.error).toMatchObject({ code: expect.any(String), message: expect.any(String) });
    stop();
  });

  test('the Workers die while somebody follows: what happens afterwards is told', async () => {
    const { own } = spied(user);
    const prompt = `survives by ${live}`;
    await stack.simulator.fault(prompt, { hold: 'run' });
    const { generation_id } = await own.start({ prompt, model_id: MODEL });
    const heard: pq.Progress[] = [];
    const stop = own.subscribe(generation_id, (update) => heard.push(update));
    await stack.until('it runs', async () => heard.at(-1)?.status === 'processing');
    await stack.killWorkers();
    await clientOf(user, { live: 'polling' }).cancel(generation_id);
    await stack.until('its end is told', async () => heard.at(-1)?.status === 'cancelled');
    stop();
  });
});
