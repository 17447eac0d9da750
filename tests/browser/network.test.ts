import { expect } from 'vitest';
import { letGo, stories, UNHURRIED } from './support/story.ts';
import type { Visitor } from './support/visitor.ts';

/** What goes over the network: updates that come by themselves, by whichever way there is, and nothing to strangers. */

const story = stories();

/** A few for the page itself: its list, once more when something starts and when it has ended. */
const MOST_READS = 6;

const reads = (visitor: Visitor) =>
  visitor.asked.filter((call) => call.startsWith('GET /generations')).length;

story('what is started in one tab is seen live in the other, over a WebSocket', async ({ member, stack }) => {
  const prompt = 'Two windows to the same garden';
  const ada = await member();
  const other = await ada.tab();
  await other.getByRole('heading', { name: 'Your first picture is a sentence away' }).waitFor();
  await stack.until('both tabs to be connected', async () => {
    const ready = ada.connections.filter(({ received }) => received.some((text) => /"ready"/.test(text)));
    return ready.length === 2;
  });
  await stack.simulator.fault(prompt, UNHURRIED);
  const progress = await ada.noteProgress(other);
  const before = reads(ada);

  await ada.make(prompt);
  const card = ada.card(prompt, other);
  await card.getByRole('progressbar').waitFor();
  await ada.picture(prompt, other).waitFor();
  await ada.picture(prompt).waitFor();
  const seen = progress().filter((percent) => percent > 0 && percent < 100);
  expect(new Set(seen).size, `it moves there too: ${progress()}`).toBeGreaterThanOrEqual(2);

  expect(ada.connections.map(({ kind, url }) => `${kind} ${new URL(url).pathname}`)).toEqual([
    'WebSocket /events',
    'WebSocket /events',
  ]);
  for (const { url, received } of ada.connections) {
    expect(url, 'no token in an address').not.toMatch(/eyJ/);
    expect(received.filter((text) => text.includes('"processing"')).length).toBeGreaterThanOrEqual(2);
  }
  expect(reads(ada) - before, 'reads of both tabs').toBeLessThanOrEqual(2 * MOST_READS);
});

story('cancelled in one tab, it is cancelled in the other', async ({ member, stack }) => {
  const prompt = 'Thought better of it';
  const ada = await member();
  await stack.simulator.fault(prompt, { hold: 'run' });
  await ada.make(prompt);
  const other = await ada.tab();
  await ada.card(prompt, other).getByRole('button', { name: 'Cancel' }).click();
  await ada.card(prompt).getByText('Cancelled').waitFor();
});

story(
  'where WebSockets do not get through, updates come as server-sent events',
  async ({ member, stack }) => {
    const prompt = 'Around the proxy';
    const ada = await member({
      before: (context) => context.routeWebSocket('**/events*', (socket) => socket.close()),
    });
    await stack.until('server-sent events to be asked for', async () =>
      ada.connections.some(({ kind }) => kind === 'server-sent events'),
    );
    await stack.simulator.fault(prompt, UNHURRIED);
    const progress = await ada.noteProgress();
    const before = reads(ada);
    await ada.make(prompt);
    await ada.picture(prompt).waitFor();
    const seen = progress().filter((percent) => percent > 0 && percent < 100);
    expect(new Set(seen).size, `the progress moves: ${progress()}`).toBeGreaterThanOrEqual(2);
    expect(reads(ada) - before).toBeLessThanOrEqual(MOST_READS);
  },
);

story('where neither gets through, the page asks, and the picture comes all the same', async ({ member }) => {
  const prompt = 'By asking now and then';
  const ada = await member({
    before: async (context) => {
      await context.routeWebSocket('**/events*', (socket) => socket.close());
      await context.route('**/events*', (route) => route.abort('connectionreset'));
    },
  });
  ada.forgive(/ERR_CONNECTION_RESET/);
  await ada.make(prompt);
  await ada.picture(prompt).waitFor();
});

story('a connection that breaks is made anew, and nothing is missed', async ({ member, stack }) => {
  const prompt = 'Through the storm';
  const ada = await member();
  await stack.simulator.fault(prompt, { hold: 'run' });
  const card = await ada.make(prompt);
  await card.getByText('Painting').waitFor();
  ada.forgive(/WebSocket connection to .* failed/, /ERR_CONNECTION/, /ERR_EMPTY_RESPONSE/, /50\d/);
  await stack.killWorkers();
  await letGo(stack);
  await ada.picture(prompt).waitFor();
  await stack.until('another connection', async () => ada.connections.length >= 2);
});

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
