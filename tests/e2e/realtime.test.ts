import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

// An app of the original's against the stack's one URL: it starts by `functions.invoke`, subscribes to the row's
// updates under /realtime/v1, and reads nothing more. It must hear the end.

let stack: TestStack;

beforeAll(async () => {
  stack = await TestStack.start();
});
afterAll(() => stack?.stop());

const start = async ({ supabase }: TestUser): Promise<string> => {
  const { data, error } = await supabase.functions.invoke('start-generation', {
    body: { prompt: 'a lighthouse at dusk', model_id: 'black-forest-labs/flux-schnell' },
  });
  expect(error).toBeNull();
  return data.generation_id;
};

/** As the original's library subscribes: `SUBSCRIBED` is all it ever asks for. */
function follow({ supabase }: TestUser, id: string) {
  const channel = supabase.channel(`generation-${id}`);
  const told = Promise.withResolvers<string>();
  const counts = Promise.withResolvers<void>();
  channel
    .on('system', {}, () => counts.resolve())
    .on(
      'postgres_changes',
      { event: 'UPDATE', schema: 'public', table: 'image_generations', filter: `id=eq.${id}` },
      ({ new: row }) => {
        if (['completed', 'failed', 'cancelled'].includes(row.status)) told.resolve(row.status);
      },
    )
    .subscribe();
  return { told: told.promise, counts: counts.promise, stop: () => supabase.removeChannel(channel) };
}

describe.each(['anonKey', 'publishableKey'] as const)('with the %s', (key) => {
  test('subscribed at once', async () => {
    const user = await TestUser.signUp(stack, stack.addresses[key]);
    const heard = follow(user, await start(user));
    await heard.counts;
    await stack.sweep(); // it may have ended before the join counted
    expect(await heard.told).toBe('completed');
    await heard.stop();
  });

  test('subscribed after the end: with the next run of the cron', async () => {
    const user = await TestUser.signUp(stack, stack.addresses[key]);
    const id = await start(user);
    await user.completed(id);
    const heard = follow(user, id);
    await heard.counts;
    await stack.sweep();
    expect(await heard.told).toBe('completed');
    await heard.stop();
  });
});
