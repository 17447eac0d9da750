import { type Browser, chromium } from 'playwright-core';
import { requireBrowser } from '../../scripts/browser.mjs';

/** A browser for one test file; close it when all is done. */
export async function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: await requireBrowser() });
}
