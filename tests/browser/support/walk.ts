import type { Locator, Page } from 'playwright-core';

/** So many notches of the wheel are more than any list of a test takes. */
const MOST = 600;

/**
 * Scrolls through the list of pictures, as with a wheel.
 *
 * @param by each time; CSS pixels
 * @param isOver whether it has come to the end
 * @returns the prompts that were seen, by their places in the list; throws where two were in one place
 */
export async function walk(page: Page, by: number, isOver: () => Promise<boolean>): Promise<string[]> {
  const seen: string[] = [];
  await page.mouse.move(900, 500);
  for (let turn = 0; turn < MOST; turn += 1) {
    const cards = await page.evaluate(() =>
      [...document.querySelectorAll('.feed > .grid > li[aria-posinset]')].flatMap((place) => {
        const { top, bottom } = place.getBoundingClientRect();
        const at = Number(place.getAttribute('aria-posinset'));
        const prompt = place.querySelector('.card-prompt')?.textContent ?? '';
        return bottom > 0 && top < innerHeight ? [{ at, prompt }] : [];
      }),
    );
    for (const { at, prompt } of cards) {
      const before = seen[at - 1] ?? prompt;
      seen[at - 1] = before;
      if (before !== prompt) throw new Error(`in place ${at} were “${before}” and “${prompt}”`);
    }
    if (await isOver()) return seen;
    await page.mouse.wheel(0, by);
    await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
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
