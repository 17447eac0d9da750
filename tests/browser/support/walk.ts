import type { Locator, Page } from 'playwright-core';

/** So many steps are more than any list of a test takes. */
const MOST = 600;

/**
 * Scrolls through the list of pictures.
 *
 * @param by each time; CSS pixels
 * @param isOver whether it has come to the end
 * @returns the prompts of all that were drawn, by their places in the list; throws where two were in one place
 */
export async function walk(page: Page, by: number, isOver: () => Promise<boolean>): Promise<string[]> {
  const seen: string[] = [];
  for (let turn = 0; turn < MOST; turn += 1) {
    // Once what had been let go of is there again.
    await page.waitForFunction(() => !document.querySelector('.feed > .grid .skeleton'));
    const cards = await page.evaluate(() =>
      [...document.querySelectorAll('.feed > .grid > li[aria-posinset]')].map((place) => ({
        at: Number(place.getAttribute('aria-posinset')),
        prompt: place.querySelector('.card-prompt')?.textContent ?? '',
      })),
    );
    for (const { at, prompt } of cards) {
      const before = seen[at - 1] ?? prompt;
      seen[at - 1] = before;
      if (before !== prompt) throw new Error(`in place ${at} were “${before}” and “${prompt}”`);
    }
    if (await isOver()) return seen;
    await page.evaluate(async (top) => {
      scrollBy({ top, behavior: 'instant' });
      for (let n = 0; n < 2; n += 1) await new Promise((go) => requestAnimationFrame(go));
    }, by);
  }
  throw new Error(`not at the end after ${MOST} turns; seen: ${seen.filter(Boolean).length}`);
}

/** Scrolls down until a card is in sight: one that is far is not in the document. */
export async function goDownTo(page: Page, card: Locator): Promise<void> {
  await walk(page, 300, () => card.isVisible());
  await card.scrollIntoViewIfNeeded();
}

/** At the lower end of the page. */
export const isAtEnd = (page: Page): Promise<boolean> =>
  page.evaluate(() => scrollY + innerHeight >= document.documentElement.scrollHeight - 1);
