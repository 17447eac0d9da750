import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { DESK, PHONE } from './visitor.ts';

const SCREENS = { desk: DESK, phone: PHONE, 'narrowest phone': { width: 320, height: 640 } };
const SCHEMES = ['light', 'dark'] as const;

/**
 * What axe-core finds against the page as it stands, best practices included, in light and dark, on a desk and
 * on a phone; and that nothing sticks out to the side, on the narrowest phone neither (WCAG 2.2, 1.4.10).
 */
export async function expectAccessible(page: Page, state: string): Promise<void> {
  const before = page.viewportSize() ?? DESK;
  const found: string[] = [];
  // Over the debugger, which the page's policy does not bind.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  for (const [screen, size] of Object.entries(SCREENS)) {
    await page.setViewportSize(size);
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (excess > 0) found.push(`${screen}: ${excess} pixels stick out to the right`);
    for (const colorScheme of size === SCREENS.desk || size === SCREENS.phone ? SCHEMES : []) {
      await page.emulateMedia({ colorScheme });
      for (const violation of await violations(page)) found.push(`${screen}, ${colorScheme}: ${violation}`);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
  expect(found, `the page while ${state}`).toEqual([]);
}

function violations(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    // Colours that are still on their way to another scheme are neither the one nor the other.
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const moving = document
      .getAnimations()
      .filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(moving.map(({ finished }) => finished));
    const { axe: injected } = window as unknown as { axe: typeof axe };
    const { violations: all, passes } = await injected.run({ resultTypes: ['violations'] });
    if (passes.length < 10) return [`axe-core has looked at next to nothing: ${passes.length} rules`];
    return all.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id} (${help}): ${html.slice(0, 150)}: ${failureSummary}`),
    );
  });
}
