/** What a request costs, in milliseconds of workerd's processor time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { atOnce } from './client.ts';
import { signIn } from './identities.ts';
import { Load, MB, SEVERAL_MB, SMALL } from './load.ts';
import { START } from './samples.ts';
import { empty, type RunningSide, type Side, startCold, startSide } from './sides.ts';
import type { Upstream } from './upstream.ts';

/** What is measured on both sides in turn. */
const KINDS = ['start', 'read', 'small', 'large', 'webhook', 'webhooks', 'upload', 'uploads'] as const;
export type Kind = (typeof KINDS)[number];

/** Milliseconds by round. */
export type Costs = Record<Kind | 'cold', number[]>;

export interface Comparison {
  first: Costs;
  second: Costs;
  /** A start of workerd with a Worker that does nothing. */
  empty: number[];
  /** A request to such a Worker: how fast the machine is at the moment. */
  floor: number[];
}

interface Work {
  count: number;
  connections: number;
  imageBytes?: number;
  one(load: Load, index: number): Promise<unknown>;
}

const WORKS: Record<Kind, Work> = {
  start: { count: 1600, connections: 16, one: (load, index) => load.start(index) },
  read: { count: 1600, connections: 16, one: (load, index) => load.read(index) },
  small: { count: 320, connections: 16, imageBytes: SMALL, one: (load, index) => load.image(index) },
  large: { count: 80, connections: 16, imageBytes: MB, one: (load, index) => load.image(index) },
  webhook: { count: 40, connections: 4, one: (load) => load.webhook(MB) },
  webhooks: { count: 16, connections: 4, one: (load) => load.webhook(SEVERAL_MB * MB) },
  upload: { count: 40, connections: 4, one: (load, index) => load.upload(index, MB) },
  uploads: { count: 16, connections: 4, one: (load, index) => load.upload(index, SEVERAL_MB * MB) },
};

const COLD_STARTS = 3;
/** The Workers go on for a moment after the last answer. */
const SETTLE_MS = 60;

const noCosts = (): Costs =>
  Object.fromEntries([...KINDS, 'cold' as const].map((kind) => [kind, [] as number[]])) as Costs;

/** What a request to an empty Worker takes on two idle cores, in milliseconds. */
export const IDLE_FLOOR = 0.045;

/** The same now, which tells how fast the machine is. */
export async function measureFloor(upstream: Upstream, quick: boolean): Promise<number> {
  const side = await startSide(empty, upstream.origin);
  try {
    const load = new Load(side, upstream);
    const times = quick ? 0.1 : 1;
    await measure(load, 'start', times);
    return await measure(load, 'start', times);
  } finally {
    await side.stop();
  }
}

/** Milliseconds of processor time for each of `count` times. */
export async function costOf(
  side: RunningSide,
  upstream: Upstream,
  count: number,
  work: () => Promise<void>,
): Promise<number> {
  await sleep(SETTLE_MS);
  const before = side.cpu();
  await work().catch((error: Error) => {
    const lines = side.lastLines();
    throw new Error(`${side.name}: ${error.message}\nIts last lines:\n${lines}`, { cause: error });
  });
  await sleep(SETTLE_MS);
  const seconds = side.cpu() - before;
  upstream.check();
  return (seconds * 1000) / count;
}

/** Takes turns: first, second, second, first, and so on. */
export async function compare(
  [first, second]: [Side, Side],
  upstream: Upstream,
  { rounds, quick }: { rounds: number; quick: boolean },
  say: (line: string) => void,
): Promise<Comparison> {
  const times = quick ? 0.1 : 1;
  const found: Comparison = { first: noCosts(), second: noCosts(), empty: [], floor: [] };
  const running: RunningSide[] = [];
  try {
    for (const side of [first, second, empty]) running.push(await startSide(side, upstream.origin));
    const [a, b, nothing] = running.map((side) => new Load(side, upstream)) as [Load, Load, Load];
    const turns = [
      { load: a, side: first, costs: found.first },
      { load: b, side: second, costs: found.second },
    ];
    await measure(nothing, 'start', times);
    for (const { load } of turns) for (const kind of KINDS) await measure(load, kind, times);
    say('warmed up');
    for (let round = 0; round < rounds; round += 1) {
      const order = round % 2 === 0 ? turns : turns.toReversed();
      for (const kind of KINDS)
        for (const { load, costs } of order) costs[kind].push(await measure(load, kind, times));
      found.floor.push(await measure(nothing, 'start', times));
      const starts = quick ? 1 : COLD_STARTS;
      found.empty.push(await coldStart(empty, upstream, starts));
      for (const { side, costs } of order) costs.cold.push(await coldStart(side, upstream, starts));
      const [ours, others] = [found.first.start, found.second.start].map((all) => all.at(-1) ?? 0);
      say(`round ${round + 1} of ${rounds}: a start takes ${ours?.toFixed(2)} and ${others?.toFixed(2)} ms`);
    }
    return found;
  } finally {
    for (const side of running) await side.stop();
  }
}

async function measure(load: Load, kind: Kind, times: number): Promise<number> {
  const { count, connections, imageBytes, one } = WORKS[kind];
  const each = Math.max(Math.round(count * times), 4);
  if (imageBytes !== undefined) await load.upstream.set({ imageBytes });
  return costOf(load.side, load.upstream, each, () =>
    atOnce(connections, each, async (index) => void (await one(load, index))),
  );
}

/** Milliseconds from the start of a process to its first answer to a POST. */
async function coldStart(side: Side, upstream: Upstream, times: number): Promise<number> {
  let sum = 0;
  for (let n = 0; n < times; n += 1) {
    const runtime = await startCold(side, upstream.origin);
    try {
      const { token } = signIn();
      const answer = await fetch(`${runtime.urls.door}/start-generation`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: START,
      });
      sum += runtime.cpu() * 1000;
      if (answer.status !== 202)
        throw new Error(`a start was answered ${answer.status}: ${await answer.text()}`);
    } finally {
      await runtime.stop();
    }
  }
  return sum / times;
}
