import { expect } from 'vitest';
import { stories } from './support/story.ts';

/** What the page may do, and that the browser holds it to that. */

const story = stories();

story('the page comes with its policy, and the browser enforces it', async ({ visit, stack }) => {
  const answer = await fetch(stack.addresses.startGenerationUrl);
  const policy = answer.headers.get('content-security-policy') ?? '';
  expect(policy).toMatch(/default-src 'none'/);
  expect(policy).toMatch(/script-src 'self'(;|$)/);
  expect(policy).toMatch(/frame-ancestors 'none'/);
  expect(policy).not.toMatch(/unsafe-|\*/);
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');

  const ada = await visit();
  ada.forgive(/Content Security Policy/, /action has been blocked/, /stranger/, /\bcsp\b/);
  const broken = new Set<string>();
  await ada.page.exposeFunction('noteBroken', (directive: string) => broken.add(directive));
  await ada.page.evaluate(async (stranger) => {
    const { noteBroken } = window as unknown as { noteBroken: (directive: string) => void };
    addEventListener('securitypolicyviolation', ({ effectiveDirective }) => noteBroken(effectiveDirective));
    const attempts = [
      () => {
        const script = document.createElement('script');
        script.textContent = 'window.wasHere = true';
        document.head.append(script);
      },
      () => fetch(stranger),
      () => document.body.append(Object.assign(new Image(), { src: `${stranger}/pixel.png` })),
      () => document.body.append(Object.assign(document.createElement('iframe'), { src: stranger })),
    ];
    for (const attempt of attempts)
      await Promise.resolve()
        .then(attempt)
        .catch(() => {});
  }, stack.addresses.replicateUrl);
  const expected = ['require-trusted-types-for', 'connect-src', 'img-src', 'frame-src'];
  await stack.until(`the browser to refuse ${expected}`, async () =>
    expected.every((directive) => broken.has(directive)),
  );
  expect(await ada.page.evaluate(() => 'wasHere' in window), 'a script smuggled in has run').toBe(false);
});
