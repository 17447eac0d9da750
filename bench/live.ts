/**
 * `npm run bench:live`: from Replicate's webhook to the client's `completed` event, over a WebSocket and over
 * server-sent events, on a stack of its own with a generation time of 0. Exit code 1 when the bar is missed.
 *
 * `npm run bench:live -- 500` makes 500 images instead of 200.
 */
import { type Listening, LiveSocket, LiveStream } from '../tests/e2e/support/live.ts';
import { TestStack } from '../tests/e2e/support/stack.ts';
import { TestUser } from '../tests/e2e/support/user.ts';

const WARM_UP = 10;
/** Milliseconds at the median. */
const BAR = 100;

const HELP = `npm run bench:live [-- N]

From Replicate's webhook to the client's completed event, over a WebSocket and over server-sent events, on a stack of
its own. It makes N images (200), prints the times, and ends with 1 where the median is above ${BAR} ms.
`;
if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
  process.exit(0);
}

const count = Number(process.argv[2] ?? 200);
if (!Number.isInteger(count) || count < 1) throw new Error('the number of images must be a whole number');

const stack = await TestStack.start();
try {
  await stack.sql`update private.plans set requests_per_minute = 1000000, images_per_day = 1000000`;
  const user = await TestUser.signUp(stack);
  const listeners: Record<string, Listening> = {
    WebSocket: await LiveSocket.open(user),
    'server-sent events': await LiveStream.open(user),
  };
  const samples: Record<string, number[]> = { WebSocket: [], 'server-sent events': [] };
  for (let n = 0; n < WARM_UP + count; n += 1) {
    const { generation_id, job_id } = await user.start({ prompt: `told ${n}` });
    const heard = await Promise.all(
      Object.entries(listeners).map(
        async ([kind, listener]) => [kind, (await listener.reaches(generation_id, 'completed')).at] as const,
      ),
    );
    if (n < WARM_UP) continue;
    const sentAt = await webhookSentAt(job_id);
    for (const [kind, at] of heard) samples[kind]?.push(at - sentAt);
  }
  console.log(`${count} images one after another: ms from the webhook's sending to the event`);
  console.table(Object.fromEntries(Object.entries(samples).map(([kind, values]) => [kind, row(values)])));
  const missed = Object.entries(samples).filter(([, values]) => row(values).p50 > BAR);
  for (const [kind] of missed) console.error(`${kind}: the median is above ${BAR} ms`);
  process.exitCode = missed.length > 0 ? 1 : 0;
} finally {
  await stack.stop();
}

/** When the simulator began to send the end of the job's prediction, to the millisecond. */
async function webhookSentAt(jobId: string): Promise<number> {
  return stack.until('the delivery in the simulator’s records', async () => {
    const [entry] = await stack.simulator.predictions(jobId);
    const delivery = entry?.deliveries.find(({ event }) => event === 'completed');
    return delivery && Date.parse(delivery.at);
  });
}

function row(values: number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return Math.round(value * 10) / 10;
  };
  return { n: values.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
