import { TestStack } from '../../tests/e2e/support/stack.ts';
import { TestUser } from '../../tests/e2e/support/user.ts';
import type { Cost } from '../cost.ts';
import { hasProc } from '../processes.ts';
import { type ImageCost, imageCost } from './cost.ts';
import { DatabaseStatistics, type DatabaseWork, workBetween } from './database.ts';
import { type Crowd, crowd, liftQuotas, oneByOne, type Sample, signUpAll } from './load.ts';
import type { Options } from './options.ts';
import { elapsed, type ProcessorTime, processorTime } from './processor.ts';
import { RequestCounts } from './requests.ts';

const WARM_UP = 10;
/** The largest batch there is. */
const BATCH = 10;
/** Images whose cost is taken, alone and in batches. */
const COSTED = 100;

/** What one round on a stack of its own has found. */
export interface Round {
  samples: Sample[];
  crowd: Crowd;
  /** Of an image's file, on the average. */
  imageBytes: number;
  /** Each started and waited for by itself. */
  alone: ImageCost;
  /** Ten by one request. */
  inBatch: ImageCost;
  /** Of the whole crowd. */
  crowdCost: Cost;
  /** Predictions beyond one for each image. */
  paidTwice: number;
  /** Of the crowd; undefined where the system does not tell. */
  processor: ProcessorTime | undefined;
  /** Of the crowd, without functions. */
  database: DatabaseWork;
  /** Of a second crowd, with functions timed, which costs a little. */
  functions: DatabaseWork['functions'];
  supabase: Record<string, number>;
  replicate: Record<string, number>;
}

export async function measureRound(options: Options, env: Record<string, string>): Promise<Round> {
  const counts = await RequestCounts.open();
  const stack = await TestStack.start({
    // One user starts hundreds of images a minute.
    args: ['--rate-limit', '1000000'],
    env: { ...env, ...counts.env },
    migrationsDir: options.migrations,
  });
  const statistics = await DatabaseStatistics.open(stack.addresses.databaseUrl, [stack.sql]);
  const clear = async () => {
    await statistics.close();
    await stack.stop();
    await counts.close();
  };
  const interrupt = () => void clear().finally(() => process.exit(130));
  process.once('SIGINT', interrupt);
  try {
    return await measure(stack, statistics, counts, options);
  } finally {
    process.off('SIGINT', interrupt);
    await clear();
  }
}

async function measure(
  stack: TestStack,
  statistics: DatabaseStatistics,
  counts: RequestCounts,
  { images, users, imageBytes }: Options,
): Promise<Round> {
  await liftQuotas(stack);
  if (imageBytes) await stack.simulator.faults([{ fault: { file: 'too_large', file_bytes: imageBytes } }]);
  const user = await TestUser.signUp(stack);
  await oneByOne(stack, user, WARM_UP);
  const samples = await oneByOne(stack, user, Math.ceil(images / 3));
  const [supabase, replicate] = [await stack.pid('stack'), await stack.pid('simulator')];
  const take = () => counts.take(supabase);
  const alone = await imageCost(stack, statistics, take, user, COSTED, 1);
  const inBatch = await imageCost(stack, statistics, take, user, COSTED / BATCH, BATCH);
  const all = await signUpAll(stack, users);
  const groups = {
    Postgres: { pid: await stack.pid('postgres'), withChildren: true },
    workerd: { pid: await stack.pid('workerd') },
    stack: { pid: supabase },
    simulator: { pid: replicate },
    load: { pid: process.pid },
  };
  const processor = () => (hasProc ? processorTime(groups) : undefined);

  const before = await statistics.read();
  await Promise.all([counts.take(supabase), counts.take(replicate)]);
  const mark = await statistics.mark();
  const from = processor();
  const first = await crowd(stack, all, images, 'crowd');
  const to = processor();
  const crowdCost = await statistics.costSince(mark);
  const requests = { supabase: await counts.take(supabase), replicate: await counts.take(replicate) };
  const between = await statistics.read();
  await statistics.trackFunctions();
  await crowd(stack, all, images, 'timed');
  const after = await statistics.read();
  const fileBytes = await statistics.imageBytes();
  return {
    samples,
    crowd: first,
    imageBytes: fileBytes,
    alone,
    inBatch,
    crowdCost,
    paidTwice: (await stack.simulator.stats()).jobs_with_several_predictions,
    processor: from && to && elapsed(from, to),
    database: workBetween(before, between),
    functions: workBetween(between, after).functions,
    ...requests,
  };
}
