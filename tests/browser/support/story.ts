import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, test } from 'vitest';
import { type StackOptions, TestStack } from '../../e2e/support/stack.ts';
import { launch } from '../launch.ts';
import { Visitor, type VisitorOptions } from './visitor.ts';

/** What a story happens with. */
export interface Scene {
  stack: TestStack;
  /** Somebody with a browser of their own, in front of the studio, not signed in. */
  visit(options?: VisitorOptions): Promise<Visitor>;
  /** The same, signed up. */
  member(options?: VisitorOptions): Promise<Visitor>;
}

type Story = (name: string, tell: (scene: Scene) => Promise<void>) => void;

/** How long the simulator takes for a picture. */
const GENERATION_MS = 300;

/** A fault that is none: the picture takes so long that its progress is seen to move. */
export const UNHURRIED = { generation_ms: 1_800 };

/**
 * One stack and one browser for a test file. A story is a test about people in front of the studio. It fails
 * as well when one of their pages reports an error, loses a request or talks to a stranger; then its message
 * tells where to find pictures of the pages, and the last lines of the stack.
 */
export function stories(options: StackOptions = {}): Story {
  let stack: TestStack;
  let browser: Browser;

  beforeAll(async () => {
    const env = { SIMULATOR_GENERATION_MS: String(GENERATION_MS), ...options.env };
    [stack, browser] = await Promise.all([TestStack.start({ ...options, env }), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.stop();
  });

  return (name, tell) =>
    test(name, async () => {
      const visitors: Visitor[] = [];
      const visit = async (own?: VisitorOptions) => {
        const visitor = await Visitor.arrive(browser, stack, own);
        visitors.push(visitor);
        return visitor;
      };
      const member = async (own?: VisitorOptions) => {
        const visitor = await visit(own);
        await visitor.signUp();
        return visitor;
      };
      try {
        await tell({ stack, visit, member });
        for (const visitor of visitors) visitor.expectNoFaults();
      } catch (error) {
        throw await withEvidence(error, visitors, stack);
      } finally {
        for (const visitor of visitors) await visitor.leave();
      }
    });
}

/** Lets the prediction go on that a fault with `hold: 'run'` has stopped at its end, once it has come so far. */
export function letGo(stack: TestStack): Promise<true> {
  return stack.until('a prediction that is held', async () => {
    const { released } = await stack.simulator.release();
    return released > 0;
  });
}

async function withEvidence(error: unknown, visitors: Visitor[], stack: TestStack): Promise<unknown> {
  if (!(error instanceof Error)) return error;
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'studio-failed-'));
  const pages = visitors.flatMap((visitor) => visitor.pages.map((page) => ({ visitor, page })));
  const shown = await Promise.all(
    pages.map(async ({ visitor, page }, index) => {
      const file = path.join(dir, `${index + 1}.png`);
      const taken = await page.screenshot({ path: file, timeout: 5_000 }).then(
        () => file,
        (reason) => `no picture: ${String(reason).split('\n')[0]}`,
      );
      return `${page.url()}: ${taken}; its faults: ${visitor.faults.join('; ') || 'none'}`;
    }),
  );
  error.message += `\n\nPages when it failed:\n${shown.join('\n')}\nThe stack's last lines:\n${stack.lastLines()}`;
  return error;
}
