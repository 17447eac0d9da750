import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { findQueues } from '../../bench/queue/all.ts';
import { Client } from '../../bench/queue/client.ts';
import { type Claimed, type Mode, newJobs, type Queue, type Session } from '../../bench/queue/queue.ts';
import { client, databaseUrl } from '../../dev/stack/postgres.ts';
import { createDatabase } from '../../dev/stack/supabase/index.ts';
import type {} from '../stack/testing.ts';

/** Every queue of the benchmark does what it is timed for, whatever its settings. */

const superuserUrl = inject('postgresUrl');
const found = await findQueues(['old', 'new']);
const SIZES = [1, 10, 100];
const CLIENTS = 2;

describe.each(found.map((queue) => [queue.name, queue] as const))('%s', (name, queue) => {
  if ('missing' in queue) {
    test.skip(`is not here: ${queue.missing}`);
    return;
  }
  const database = `bench_${name.replaceAll('-', '_')}_${process.pid}`;
  const url = databaseUrl(superuserUrl, database);

  beforeAll(async () => {
    await createDatabase(superuserUrl, database);
    await queue.install(databaseUrl(superuserUrl, database, new URL(superuserUrl).username), url);
  });
  afterAll(async () => {
    const sql = client(superuserUrl);
    await sql`drop database if exists ${sql(database)} with (force)`;
    await sql.end();
  });

  // A runtime of its own works in one way.
  const set: Mode[] = queue.runtime ? [] : ['tuned'];
  const modes: Mode[] = ['plain', ...set, ...(queue.settings.fair ? (['fair'] as const) : [])];
  test.each(modes)('%s: each job is handed out once, and is gone when it is completed', async (mode) => {
    const clients = Array.from({ length: CLIENTS }, () => new Client(url));
    const sessions: Session[] = [];
    onTestFinished(async () => {
      for (const session of sessions) await session.close?.();
      for (const one of clients) await one.end();
    });
    for (const one of clients) sessions.push(await queue.open(one, mode));
    let jobs = 0;
    for (const size of SIZES) {
      await Promise.all(sessions.map((session, n) => session.enqueue(newJobs(size, n * size))));
      jobs += size * CLIENTS;
    }
    // As the cost of a claim is taken: nothing of it may stay.
    const [own, first] = [clients[0] as Client, sessions[0] as Session];
    await own.run('begin');
    expect((await first.claim(10)).length).toBeGreaterThan(0);
    await own.run('rollback');
    const claimed = await takeOut(queue, url, sessions, jobs);
    expect(new Set(claimed.map(({ id }) => String(id))).size).toBe(jobs);
    expect(count(claimed)).toEqual(count(SIZES.flatMap((size) => newJobs(size * CLIENTS))));
    expect(await first.claim(10)).toEqual([]);
  });

  const work = queue.runtime;
  if (!work) return;
  test('its own workers work on whatever comes until they are halted, and tell each job once', async () => {
    const client = new Client(url);
    const session = await queue.open(client, 'plain');
    onTestFinished(async () => {
      await session.close?.();
      await client.end();
    });
    const runtime = await work(url, CLIENTS, 10);
    onTestFinished(() => runtime.close());
    const heard: Claimed[] = [];
    let enough = () => {};
    const all = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const halt = await runtime.follow((jobs) => {
      heard.push(...jobs);
      if (heard.length >= 60) enough();
    });
    for (let n = 0; n < 60; n += 20) await session.enqueue(newJobs(20, n));
    await all;
    await halt();
    expect(new Set(heard.map(({ id }) => String(id))).size).toBe(60);
    expect(count(heard)).toEqual(count(newJobs(60)));
  });
});

/** What all sessions together get, by turns in all sizes, each completing its own. */
async function takeOut(queue: Queue, url: string, sessions: Session[], jobs: number): Promise<Claimed[]> {
  if (queue.runtime) {
    const runtime = await queue.runtime(url, CLIENTS, 10);
    return runtime.drain(jobs).finally(() => runtime.close());
  }
  const all: Claimed[] = [];
  let empty = 0;
  for (let n = 0; empty < SIZES.length; n += 1) {
    const session = sessions[n % CLIENTS] as Session;
    const claimed = await session.claim(SIZES[n % SIZES.length] as number);
    await (claimed.length > 0 ? session.complete(claimed) : undefined);
    empty = claimed.length > 0 ? 0 : empty + 1;
    all.push(...claimed);
  }
  return all;
}

/** Jobs of each user. */
function count(jobs: readonly { user: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { user } of jobs) counts[user] = (counts[user] ?? 0) + 1;
  return counts;
}
