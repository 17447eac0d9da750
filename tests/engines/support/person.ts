import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect } from 'vitest';
import type { TestStack } from '../../e2e/support/stack.ts';
import type { ActionSource, Browser } from './browser.ts';
import { button, described, role, type Target } from './target.ts';
import type { Found } from './within.ts';

/** Long, since only a test that fails waits it out. */
const PATIENCE_MS = 30_000;

/** Keys that are no letters, as both protocols name them. */
export const KEYS = {
  Backspace: '\uE003',
  Tab: '\uE004',
  Control: '\uE009',
  Escape: '\uE00C',
  End: '\uE010',
  ArrowRight: '\uE014',
} as const;

type Window = typeof globalThis & { found: Found };

let bundled: Promise<string> | undefined;
/** What looks into the page. */
const within = () => {
  bundled ??= build({
    entryPoints: [fileURLToPath(new URL('within.ts', import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}' },
  }).then(({ outputFiles }) => outputFiles[0]?.text ?? '');
  return bundled;
};

/** Somebody with a browser of their own in front of the studio. */
export class Person {
  readonly email = `${randomUUID()}@example.com`;

  readonly browser: Browser;
  readonly stack: TestStack;

  private constructor(browser: Browser, stack: TestStack) {
    this.browser = browser;
    this.stack = stack;
  }

  static async arrive(browser: Browser, stack: TestStack): Promise<Person> {
    const person = new Person(browser, stack);
    await person.open();
    return person;
  }

  async open(): Promise<void> {
    await this.browser.open(this.stack.addresses.startGenerationUrl);
    await this.browser.load(await within());
  }

  async signUp(): Promise<void> {
    await this.click(button('Create an account'));
    await this.fill(role('textbox', 'Email'), this.email);
    // A password field has no role.
    await this.browser.ask(() => document.querySelector<HTMLElement>('input[type=password]')?.focus());
    await this.type('a-long-password');
    await this.click(button('Create account'));
    await this.sees(button('Sign out'));
  }

  async make(prompt: string): Promise<void> {
    await this.fill(role('textbox', 'Prompt'), prompt);
    await this.click(button(/^Make /));
    await this.sees(picture(prompt));
  }

  /** Waits until it is there, or `count` of it. */
  async sees(target: Target, count = 1): Promise<void> {
    if (await this.#become(target, count)) return;
    throw new Error(`${count} × ${described(target)} did not come`);
  }

  async seesNo(target: Target): Promise<void> {
    if (!(await this.#become(target, 0))) throw new Error(`${described(target)} did not go`);
  }

  #become(target: Target, count: number): Promise<boolean> {
    return this.browser.ask(
      (...asked) => (window as unknown as Window).found.become(...asked),
      target,
      count,
      PATIENCE_MS,
    );
  }

  /** With the mouse, where a person could. */
  async click(target: Target): Promise<void> {
    const at = await this.browser.ask(
      (...asked) => (window as unknown as Window).found.spot(...asked),
      target,
      PATIENCE_MS,
    );
    if (!at) throw new Error(`there is nothing to click on: ${described(target)}`);
    await this.browser.act([
      {
        type: 'pointer',
        id: 'mouse',
        parameters: { pointerType: 'mouse' },
        actions: [
          { type: 'pointerMove', ...at, duration: 0 },
          { type: 'pointerDown', button: 0 },
          { type: 'pointerUp', button: 0 },
        ],
      },
    ]);
  }

  type(...letters: string[]): Promise<void> {
    return this.browser.act([keyboard(letters.flatMap((each) => [...each]).flatMap(stroke))]);
  }

  press(key: keyof typeof KEYS): Promise<void> {
    return this.type(KEYS[key]);
  }

  /** In place of what a field holds. */
  async fill(field: Target, value: string): Promise<void> {
    await this.click(field);
    const all = [down(KEYS.Control), ...stroke('a'), up(KEYS.Control), ...stroke(KEYS.Backspace)];
    await this.browser.act([keyboard(all)]);
    await this.type(value);
    expect(await this.value(field), described(field)).toBe(value);
  }

  value(field: Target): Promise<string | undefined> {
    return this.browser.ask(
      (one) => ((window as unknown as Window).found.all(one)[0] as HTMLInputElement | undefined)?.value,
      field,
    );
  }

  /** Width and height of an image, once it has been loaded and can be drawn. */
  async sizeOf(image: Target): Promise<[number, number]> {
    const size = await this.browser.ask(
      (...asked) => (window as unknown as Window).found.size(...asked),
      image,
      PATIENCE_MS,
    );
    if (!size) throw new Error(`${described(image)} was not loaded`);
    return size;
  }

  /** Prompts of what is theirs in the database, the oldest first. */
  async prompts(): Promise<string[]> {
    const rows = await this.stack.sql<{ prompt: string }[]>`
      select prompt from public.image_generations
      where user_id = (select id from auth.users where email = ${this.email}) order by created_at, id`;
    return rows.map(({ prompt }) => prompt);
  }

  /** What the page complains of. */
  errors(): Promise<string[]> {
    return this.browser.ask(() => (window as unknown as Window).found.errors);
  }
}

export const card = (prompt: string): Target => role('article', prompt);
/** The finished picture on a card. */
export const picture = (prompt: string): Target => role('img', prompt, card(prompt));

const down = (value: string) => ({ type: 'keyDown', value });
const up = (value: string) => ({ type: 'keyUp', value });
const stroke = (key: string) => [down(key), up(key)];
const keyboard = (actions: ActionSource['actions']): ActionSource => ({
  type: 'key',
  id: 'keyboard',
  actions,
});
