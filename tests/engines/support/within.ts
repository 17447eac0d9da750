// Runs in the page: finds things as people and screen readers do. Bundled, and put into each page that is opened.
import { queryAllByRole, queryAllByText } from '@testing-library/dom';
import type { Target } from './target.ts';

/** What a page gets as `window.found`. */
export interface Found {
  /** All that is meant and can be seen, in the page's order. */
  all(target: Target): HTMLElement[];
  /** Waits until there are so many, in milliseconds at most; with 0 until there is none. */
  become(target: Target, count: number, ms: number): Promise<boolean>;
  /** Where to click on the first one, once it is there, stands still, and nothing lies on top of it. */
  spot(target: Target, ms: number): Promise<{ x: number; y: number } | null>;
  /** Width and height of an image, once it has been loaded. */
  size(image: Target, ms: number): Promise<[number, number] | null>;
  /** Errors that the page has reported since it was opened. */
  errors: string[];
}

function all(target: Target): HTMLElement[] {
  const roots = target.inside ? all(target.inside) : [document.body];
  if ('text' in target) {
    const said = roots.flatMap((root) => queryAllByText(root, target.text));
    return said.filter((element) => element.checkVisibility());
  }
  const name = target.pattern === undefined ? target.name : new RegExp(target.pattern);
  return roots.flatMap((root) => queryAllByRole(root, target.role, name === undefined ? {} : { name }));
}

const INTERVAL_MS = 25;

/** Waits here and not outside: a question from there costs the engine more than the look at the page. */
async function until<T>(ms: number, look: () => T | Promise<T>): Promise<T | null> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    const seen = await look();
    if (seen) return seen;
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
  return null;
}

const become = async (target: Target, count: number, ms: number) =>
  (await until(ms, () => (count === 0 ? all(target).length === 0 : all(target).length >= count))) ?? false;

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

const spot = (target: Target, ms: number) =>
  until(ms, async () => {
    const element = all(target)[0];
    if (!element || element.matches(':disabled')) return null;
    element.scrollIntoView({ block: 'center', behavior: 'instant' });
    const before = element.getBoundingClientRect();
    await frame();
    await frame();
    const { left, top, width, height } = element.getBoundingClientRect();
    if (left !== before.left || top !== before.top || width === 0 || height === 0) return null;
    const x = Math.round(left + width / 2);
    const y = Math.round(top + height / 2);
    const there = document.elementFromPoint(x, y);
    return there && (element.contains(there) || there.contains(element)) ? { x, y } : null;
  });

const size = (image: Target, ms: number) =>
  until(ms, async (): Promise<[number, number] | null> => {
    const element = all(image)[0] as HTMLImageElement | undefined;
    if (!element?.complete || element.naturalWidth === 0) return null;
    await element.decode();
    return [element.naturalWidth, element.naturalHeight];
  });

const errors: string[] = [];
addEventListener('error', ({ message }) => errors.push(message));
addEventListener('unhandledrejection', ({ reason }) => errors.push(`rejected: ${reason}`));
addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  errors.push(`the page's policy forbids ${blockedURI} by ${violatedDirective}`),
);
for (const level of ['error', 'warn'] as const) {
  const say = console[level];
  console[level] = (...words: unknown[]) => {
    errors.push(`console: ${words.map(String).join(' ')}`);
    say(...words);
  };
}

Object.assign(window, { found: { all, become, spot, size, errors } satisfies Found });
