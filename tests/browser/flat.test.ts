import type { CDPSession, Page } from 'playwright-core';
import { expect } from 'vitest';
import { fill } from '../../bench/studio/seed.ts';
import { stories } from './support/story.ts';
import { isAtEnd, walk } from './support/walk.ts';

/** Of many pictures the page holds as much as of few. Counts, not bytes: `npm run bench:studio` measures those. */

const story = stories();

const FEW = 200;
const MANY = 600;

/** What the page holds after a garbage collection. */
async function held(page: Page, devtools: CDPSession) {
  await page.evaluate(() => new Promise((go) => requestIdleCallback(go)));
  for (let n = 0; n < 3; n += 1) await devtools.send('HeapProfiler.collectGarbage');
  const { metrics } = await devtools.send('Performance.getMetrics');
  const metric = (name: string) => metrics.find((one) => one.name === name)?.value ?? Number.NaN;
  return {
    nodes: metric('Nodes'),
    listeners: metric('JSEventListeners'),
    generations: await generationsIn(devtools),
  };
}

/** How many objects of the page are generations as the server tells them. */
async function generationsIn(devtools: CDPSession): Promise<number> {
  const objectGroup = 'generations';
  const { result } = await devtools.send('Runtime.evaluate', { expression: 'Object.prototype', objectGroup });
  const { objects } = await devtools.send('Runtime.queryObjects', {
    prototypeObjectId: result.objectId ?? '',
    objectGroup,
  });
  const counted = await devtools.send('Runtime.callFunctionOn', {
    objectId: objects.objectId ?? '',
    functionDeclaration: `function () {
      return this.filter((one) => Object.hasOwn(one, 'queue_position') && Object.hasOwn(one, 'images')).length;
    }`,
    returnByValue: true,
  });
  await devtools.send('Runtime.releaseObjectGroup', { objectGroup });
  return Number(counted.result.value);
}

story('of 600 pictures the page holds what it holds of 200, and loses none', async ({ member, stack }) => {
  const ada = await member();
  const { page } = ada;
  await ada.make('A harbour');
  await ada.picture('A harbour').waitFor();
  await fill(stack, await ada.userId(), MANY);
  await page.reload();
  await ada.picture('A harbour').waitFor();
  const devtools = await ada.context.newCDPSession(page);
  await devtools.send('Performance.enable');

  const last = () =>
    page.evaluate(() => {
      const places = [...document.querySelectorAll('.feed > .grid > li[aria-posinset]')];
      return Number(places.at(-1)?.getAttribute('aria-posinset'));
    });
  await walk(page, 1_500, async () => (await last()) >= FEW);
  await page.evaluate(() => scrollTo(0, 0));
  await ada.picture('A harbour').waitFor();
  const few = await held(page, devtools);

  const end = page.getByText(`That is all: ${MANY} pictures.`);
  const all = ['A harbour', ...Array.from({ length: MANY - 1 }, (_, n) => `A harbour, number ${n + 1}`)];
  const bottom = async () => (await end.isVisible()) && isAtEnd(page);
  expect(await walk(page, 1_200, bottom), 'on the way down').toEqual(all);
  const top = () => page.evaluate(() => scrollY === 0);
  expect(await walk(page, -1_200, top), 'on the way back up').toEqual(all);
  await ada.picture('A harbour').waitFor();
  const many = await held(page, devtools);

  expect(few.generations, 'those of a few pages').toBeLessThan(FEW);
  expect(many.generations, 'generations of many').toBeLessThanOrEqual(few.generations + 24);
  expect(many.nodes, 'nodes of many').toBeLessThanOrEqual(few.nodes * 1.05);
  expect(many.listeners, 'listeners of many').toBeLessThanOrEqual(few.listeners * 1.05);
});
