import type { TestStack } from '../../tests/e2e/support/stack.ts';
import type { TestUser } from '../../tests/e2e/support/user.ts';
import type { DatabaseStatistics } from './database.ts';

/** Until each connection that a batch takes has its plans, which cost as much as several images. */
const WARM_UPS = 5;

/** What one image costs where each is waited for, on its own or in its batch. */
export interface ImageCost {
  /** Seconds that the backends were on a processor; undefined where the system does not tell. */
  cpu: number | undefined;
  /** Bytes of WAL. */
  wal: number;
  /** Requests to Supabase, by route. */
  requests: Record<string, number>;
}

/**
 * Starts `size` images by one request, waits until they are stored and nothing is left to do, and so on.
 *
 * @param takeRequests what Supabase has been asked since the last call
 */
export async function imageCost(
  stack: TestStack,
  statistics: DatabaseStatistics,
  takeRequests: () => Promise<Record<string, number>>,
  user: TestUser,
  times: number,
  size: number,
): Promise<ImageCost> {
  for (let n = 0; n < WARM_UPS; n += 1) await startAndWait(stack, statistics, user, size);
  await takeRequests();
  const from = await statistics.mark();
  for (let n = 0; n < times; n += 1) await startAndWait(stack, statistics, user, size);
  const { cpu, wal } = await statistics.costSince(from);
  const images = times * size;
  const requests = Object.entries(await takeRequests());
  return {
    cpu: cpu === undefined ? undefined : cpu / images,
    wal: wal / images,
    requests: Object.fromEntries(requests.map(([name, count]) => [name, count / images])),
  };
}

async function startAndWait(
  stack: TestStack,
  statistics: DatabaseStatistics,
  user: TestUser,
  size: number,
): Promise<void> {
  const { generation_id, generations } = await user.start({
    prompt: `${size} at a time`,
    ...(size > 1 ? { num_images: size } : {}),
  });
  const ids = generations?.map((one) => one.generation_id) ?? [generation_id];
  await stack.until(`${ids.length} images to be stored`, () => statistics.areDone(ids));
}
