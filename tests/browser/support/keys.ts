import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';

/** More stops than any page of the studio has. */
const MOST_STOPS = 120;

const hasFocus = (target: Locator) =>
  target.evaluateAll((all) => all.some((element) => element === document.activeElement));

/** Presses Tab (or `Shift+Tab`) until something has the focus, which must be seen wherever it stops. */
export async function tabTo(page: Page, target: Locator, key = 'Tab'): Promise<void> {
  for (let stop = 0; stop < MOST_STOPS; stop += 1) {
    await page.keyboard.press(key);
    expect(await unseenFocus(page), 'where the focus is must be seen').toBeUndefined();
    if (await hasFocus(target)) return;
  }
  throw new Error(`${MOST_STOPS} times ${key} do not lead to ${target}`);
}

export async function expectFocus(target: Locator, why: string): Promise<void> {
  await target.first().waitFor({ state: 'attached' });
  await expect.poll(() => hasFocus(target), { message: `the focus: ${why}`, timeout: 5_000 }).toBe(true);
}

/** What has the focus without an outline on it or on what it stands in, or outside of the screen. */
function unseenFocus(page: Page): Promise<string | undefined> {
  return page.evaluate(() => {
    const focused = document.activeElement;
    if (!focused || focused === document.body) return undefined;
    const around = [focused, focused.parentElement, focused.parentElement?.parentElement];
    const isOutlined = around.some((element) => {
      const style = element && getComputedStyle(element);
      return style && style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0;
    });
    const { left, top, right, bottom, width } = focused.getBoundingClientRect();
    const isOnScreen = right > 0 && bottom > 0 && left < innerWidth && top < innerHeight && width > 0;
    return isOutlined && isOnScreen ? undefined : focused.outerHTML.slice(0, 200);
  });
}
