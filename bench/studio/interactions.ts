import type { Browser, CDPSession, Page } from 'playwright-core';
import { processorSeconds } from '../processes.ts';
import type { Act } from './acts.ts';

/** Below that the browser tells nothing of an interaction. Milliseconds. */
const LEAST = 16;
/** A frame that took less is not told of. Milliseconds. */
const SHORTEST_FRAME = 50;

/** Milliseconds. */
interface Noted {
  interactions: Map<number, number>;
  frames: number[];
}

/** Runs in the page before its own scripts: notes how long each interaction took until the next paint. */
export function note(): void {
  const noted: Noted = { interactions: new Map(), frames: [] };
  Object.assign(window, { noted });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { interactionId: number })[]) {
      const { interactionId: id, duration } = entry;
      // A press and a click are one interaction: its longest event counts.
      if (id) noted.interactions.set(id, Math.max(noted.interactions.get(id) ?? 0, duration));
    }
  }).observe({ type: 'event', durationThreshold: 16, buffered: true } as PerformanceObserverInit);
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) noted.frames.push(duration);
  }).observe({ type: 'long-animation-frame', buffered: true });
}

/** Waits until the page has nothing to do and has told of all that it did. */
async function rest(page: Page): Promise<void> {
  await page.evaluate(async () => {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      await new Promise((resolve) => requestIdleCallback(resolve, { timeout: 5_000 }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 30)));
    }
  });
}

/** The page's notes, which begin anew. */
function notes(page: Page): Promise<{ interactions: number[]; frames: number[] }> {
  return page.evaluate(() => {
    const { noted } = window as unknown as { noted: Noted };
    const all = { interactions: [...noted.interactions.values()], frames: [...noted.frames] };
    noted.interactions.clear();
    noted.frames.length = 0;
    return all;
  });
}

/** @returns milliseconds from each act to the next paint; 16, or of a frame 50, where it was shorter */
export async function untilPaint(page: Page, act: Act, times: number): Promise<number[]> {
  const all: number[] = [];
  for (let n = 0; n < times; n += 1) {
    await act.ready?.();
    await rest(page);
    await notes(page);
    await act.act(n);
    await rest(page);
    const { interactions, frames } = await notes(page);
    all.push(act.unasked ? Math.max(SHORTEST_FRAME, ...frames) : Math.max(LEAST, ...interactions));
    await act.over?.();
  }
  return all;
}

/** Milliseconds that the page's thread has been on a processor, what it did for others included. */
export type Clock = () => number;

/** The clock of the thread that runs a page: of all renderers' the one that goes on while the page computes. */
export async function clockOf(browser: Browser, page: Page): Promise<Clock> {
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
  await devtools.detach();
  const ids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  const read = (id: number) => (processorSeconds(id) ?? 0) * 1_000;
  const before = ids.map(read);
  await page.evaluate(() => {
    const end = performance.now() + 300;
    while (performance.now() < end);
  });
  const gone = ids.map((id, index) => read(id) - (before[index] ?? 0));
  const id = ids[gone.indexOf(Math.max(...gone))];
  if (id === undefined) throw new Error('no process of the browser shows the page');
  return () => read(id);
}

/**
 * @returns milliseconds of the processor that the page's thread takes for each act, with all that follows from it: what
 * else runs on the machine does not change that
 */
export async function work(page: Page, clock: Clock, act: Act, times: number): Promise<number[]> {
  const all: number[] = [];
  const taken = async (does: () => Promise<unknown>) => {
    const before = clock();
    await does();
    await rest(page);
    return clock() - before;
  };
  for (let n = 0; n < times; n += 1) {
    await act.ready?.();
    await rest(page);
    const idle = await taken(async () => {});
    all.push(Math.max(0, (await taken(() => act.act(n))) - idle));
    await act.over?.();
  }
  return all;
}

async function metric(devtools: CDPSession, name: string): Promise<number> {
  const { metrics } = await devtools.send('Performance.getMetrics');
  return metrics.find((one) => one.name === name)?.value ?? 0;
}

export interface Memory {
  /** In the list. */
  cards: number;
  /** Of the JavaScript heap after a collection. */
  heapBytes: number;
  nodes: number;
  listeners: number;
}

/** What the page holds once nothing superfluous is left. */
export async function memory(page: Page, devtools: CDPSession): Promise<Omit<Memory, 'cards'>> {
  await rest(page);
  // What the first collection lets go of is gone after the next one.
  for (let n = 0; n < 3; n += 1) await devtools.send('HeapProfiler.collectGarbage');
  return {
    heapBytes: await metric(devtools, 'JSHeapUsedSize'),
    nodes: await metric(devtools, 'Nodes'),
    listeners: await metric(devtools, 'JSEventListeners'),
  };
}
