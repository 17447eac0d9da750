/** `npm run bench:studio`: how quick the studio is with many images, and what it holds of them; see --help. */
import os from 'node:os';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { launch } from '../../tests/browser/launch.ts';
import { Visitor } from '../../tests/browser/support/visitor.ts';
import { TestStack } from '../../tests/e2e/support/stack.ts';
import { writeSection } from '../section.ts';
import { actsOf } from './acts.ts';
import { clockOf, type Memory, memory, note, untilPaint, work } from './interactions.ts';
import { type Measured, section } from './report.ts';
import { fill } from './seed.ts';

const HELP = `npm run bench:studio [-- OPTIONS]

How long the studio takes from an interaction to the next paint, with many images on a page and a slow processor,
and how much memory it holds. Its own stack, its own Chromium. Takes some five minutes.

  --cards N    images on the page while interactions are measured (500)
  --most N     images on the page for the last of three measures of memory (3000)
  --slower N   how many times slower than this machine's the processor is made (4)
  --times N    how often each interaction is measured (9)
  --no-write   print only; docs/operations/benchmarks.md stays as it is
  --help
`;

const FIRST = ['A harbour', 'A heath', 'A mill', 'A ford', 'A quay', 'A loft', 'A barn', 'A hut'];

const { values } = parseArgs({
  allowNegative: true,
  options: {
    cards: { type: 'string', default: '500' },
    most: { type: 'string', default: '3000' },
    slower: { type: 'string', default: '4' },
    times: { type: 'string', default: '9' },
    write: { type: 'boolean', default: true },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const [cards, most, slower, times] = [values.cards, values.most, values.slower, values.times].map((text) => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`${text} is no whole number above 0`);
  return number;
}) as [number, number, number, number];

const load = os.loadavg()[0] ?? 0;
const stack = await TestStack.start({ env: { SIMULATOR_GENERATION_MS: '100' } });
const browser = await launch();
try {
  const measured = await measure();
  const text = section({ ...measured, cards, slower, times, load, date: new Date() });
  console.log(`\n${text}`);
  const usual = cards === 500 && most === 3_000 && slower === 4;
  if (values.write && usual) await writeSection('studio', text);
  console.log(values.write && usual ? 'Written: docs/operations/benchmarks.md' : 'Not written.');
} finally {
  await browser.close();
  await stack.stop();
}

async function measure(): Promise<Measured> {
  await stack.sql`update private.plans set requests_per_minute = 1000000, images_per_day = 1000000`;
  const ada = await Visitor.arrive(browser, stack, {
    before: (context) => context.addInitScript(note),
    reportsTexts: false,
  });
  const { page } = ada;
  await ada.signUp();
  for (const prompt of FIRST) {
    await ada.make(prompt);
    await ada.card(prompt).getByRole('img').waitFor();
  }
  await fill(stack, await ada.userId(), most + FIRST.length);
  await page.reload();
  const devtools = await ada.context.newCDPSession(page);
  await devtools.send('Performance.enable');

  await show(ada, cards);
  const clock = await clockOf(browser, page);
  const acts: Measured['acts'] = {};
  for (const act of await actsOf(ada, FIRST.at(-1) ?? '')) {
    const own = await work(page, clock, act, times);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: slower });
    const paint = await untilPaint(page, act, times);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: 1 });
    acts[act.name] = { work: own, paint };
    console.log(act.name, own.map(Math.round).join(' '), '|', paint.map(Math.round).join(' '));
  }
  await page.reload();
  const held: Memory[] = [];
  for (const part of [1, 2, 3]) {
    const shown = await show(ada, Math.round((most * part) / 3));
    held.push({ cards: shown, ...(await memory(page, devtools)) });
  }
  return { acts, memory: held };
}

/** The place in the list of the last card that is drawn. */
function last(page: Page): Promise<number> {
  return page.evaluate(() => {
    const places = [...document.querySelectorAll('.feed > .grid > [aria-posinset]')];
    return Number(places.at(-1)?.getAttribute('aria-posinset') ?? 0);
  });
}

/**
 * Scrolls on until so many cards have been there, and back to the top.
 *
 * @returns how many have
 */
async function show({ page }: Visitor, amount: number): Promise<number> {
  const older = page.getByRole('button', { name: /^Show older/ });
  await page.locator('[aria-posinset]').first().waitFor();
  let shown = await last(page);
  while (shown < amount) {
    const before = shown;
    await stack.until('more cards', async () => {
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      // Where it does not come by itself.
      await older.click({ timeout: 500 }).catch(() => {});
      shown = await last(page);
      return shown > before;
    });
  }
  await page.evaluate(() => scrollTo(0, 0));
  await page.locator('[aria-posinset="1"]').waitFor();
  return shown;
}
