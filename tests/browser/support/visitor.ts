import { randomUUID } from 'node:crypto';
import type {
  Browser,
  BrowserContext,
  BrowserContextOptions,
  ConsoleMessage,
  Locator,
  Page,
  Request,
  WebSocket,
} from 'playwright-core';
import { expect } from 'vitest';
import type { TestStack } from '../../e2e/support/stack.ts';
import { reportMixedTexts } from './texts.ts';

export const DESK = { width: 1280, height: 860 };
export const PHONE = { width: 390, height: 844 };

export interface VisitorOptions extends BrowserContextOptions {
  /** With which they sign up; one of their own without it. */
  email?: string;
  /** Before the first page is opened: routes that stand in for a hostile network, say. */
  before?: (context: BrowserContext) => Promise<unknown>;
  /** Complains of mixed texts (default true). It takes the page's own time: not where that is measured. */
  reportsTexts?: boolean;
}

/** A live connection that a page has opened. */
export interface Connection {
  kind: 'WebSocket' | 'server-sent events';
  url: string;
  /** The frames of a WebSocket, as they came. */
  received: string[];
}

/** Somebody in front of the studio. Everything their pages ask for and complain of is noted. */
export class Visitor {
  readonly stack: TestStack;
  readonly context: BrowserContext;
  readonly email: string;
  readonly password = 'correct-horse-battery';
  /** `GET /generations`, … without the query, to either server of the stack, as they were sent. */
  readonly asked: string[] = [];
  readonly connections: Connection[] = [];
  /** Errors in a console, exceptions, refused and lost requests, requests to strangers. */
  readonly faults: string[] = [];
  readonly #origins: Set<string>;
  readonly #forgiven: RegExp[] = [];
  #page: Page | undefined;

  private constructor(stack: TestStack, context: BrowserContext, email = `${randomUUID()}@example.com`) {
    const { startGenerationUrl, supabaseUrl } = stack.addresses;
    this.stack = stack;
    this.context = context;
    this.email = email;
    this.#origins = new Set([startGenerationUrl, supabaseUrl].map((url) => new URL(url).origin));
    context.on('console', (message) => this.#heard(message));
    context.on('weberror', (error) => this.faults.push(`exception: ${error.error()}`));
    context.on('request', (request) => this.#asks(request));
    context.on('requestfailed', (request) => this.#lost(request));
    context.on('response', (answer) => {
      if (answer.status() >= 400) this.faults.push(`${answer.status()} of ${answer.url()}`);
    });
    context.on('page', (page) => page.on('websocket', (socket) => this.#connects(socket)));
  }

  static async arrive(browser: Browser, stack: TestStack, options: VisitorOptions = {}): Promise<Visitor> {
    const { before, email, reportsTexts = true, ...own } = options;
    const context = await browser.newContext({
      viewport: DESK,
      reducedMotion: 'reduce',
      locale: 'en-GB',
      ...own,
    });
    if (reportsTexts) await context.addInitScript(reportMixedTexts);
    const visitor = new Visitor(stack, context, email);
    await before?.(context);
    visitor.#page = await visitor.tab();
    return visitor;
  }

  get page(): Page {
    if (!this.#page) throw new Error('this visitor has no page yet');
    return this.#page;
  }

  get pages(): Page[] {
    return this.context.pages();
  }

  /** Opens the studio in another tab. */
  async tab(): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(this.stack.addresses.startGenerationUrl);
    return page;
  }

  /** By the form, as a person does. */
  async signUp(page = this.page): Promise<void> {
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByLabel('Email').fill(this.email);
    await page.getByLabel('Password', { exact: true }).fill(this.password);
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
  }

  async signIn(page = this.page): Promise<void> {
    await page.getByLabel('Email').fill(this.email);
    await page.getByLabel('Password', { exact: true }).fill(this.password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
  }

  /** Writes a prompt and has it made; over once its card is there. */
  async make(prompt: string, page = this.page): Promise<Locator> {
    await page.getByRole('textbox', { name: 'Prompt', exact: true }).fill(prompt);
    await page.getByRole('button', { name: /^Make / }).click();
    const card = this.card(prompt, page).first();
    await card.waitFor();
    return card;
  }

  /** Another model, by its name in the dialog. */
  async choose(model: string, page = this.page): Promise<void> {
    await page.getByRole('button', { name: /^Model / }).click();
    const dialog = page.getByRole('dialog', { name: 'Choose a model' });
    await dialog.getByRole('searchbox', { name: 'Search models' }).fill(model);
    await dialog.getByRole('button', { name: model, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  /** From now on notes how far each progress bar of the page says it is, in percent. */
  async noteProgress(page = this.page): Promise<() => number[]> {
    const noted: number[] = [];
    await page.exposeFunction('noteProgress', (percent: number) => noted.push(percent));
    await page.evaluate(() => {
      const { noteProgress } = window as unknown as { noteProgress: (percent: number) => void };
      let last = '';
      new MutationObserver(() => {
        const now = document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow') ?? '';
        if (now !== '' && now !== last) noteProgress(Number(now));
        last = now;
      }).observe(document.body, { subtree: true, childList: true, attributes: true });
    });
    return () => noted;
  }

  /** The card of a picture, from waiting in line to the end. */
  card(prompt: string, page = this.page): Locator {
    return page.getByRole('article', { name: prompt, exact: true });
  }

  /** The finished picture on a card. */
  picture(prompt: string, page = this.page): Locator {
    return this.card(prompt, page).getByRole('img', { name: prompt });
  }

  /** Id of this visitor's row in auth.users. */
  async userId(): Promise<string> {
    const [row] = await this.stack.sql<
      { id: string }[]
    >`select id from auth.users where email = ${this.email}`;
    if (!row) throw new Error(`nobody has signed up as ${this.email}`);
    return row.id;
  }

  /** Ids of their generations, the oldest first. */
  async generations(): Promise<{ id: string; prompt: string; status: string }[]> {
    return this.stack.sql<{ id: string; prompt: string; status: string }[]>`
      select id, prompt, status from public.image_generations
      where user_id = ${await this.userId()} order by created_at, id`;
  }

  /** A fault that belongs to the story. */
  forgive(...patterns: RegExp[]): void {
    this.#forgiven.push(...patterns);
  }

  expectNoFaults(): void {
    const real = this.faults.filter((fault) => !this.#forgiven.some((pattern) => pattern.test(fault)));
    expect(real, 'what the pages complain of, were refused or asked of strangers').toEqual([]);
  }

  leave(): Promise<void> {
    return this.context.close();
  }

  #heard(message: ConsoleMessage): void {
    if (message.type() === 'error' || message.type() === 'warning') {
      this.faults.push(`console: ${message.text()} (${message.location().url})`);
    }
  }

  #asks(request: Request): void {
    const { protocol, origin, pathname } = new URL(request.url());
    if (protocol === 'blob:' || protocol === 'data:') return;
    if (!this.#origins.has(origin)) this.faults.push(`a request to a stranger: ${request.url()}`);
    this.asked.push(`${request.method()} ${pathname}`);
    if (request.headers().accept === 'text/event-stream') {
      this.connections.push({ kind: 'server-sent events', url: request.url(), received: [] });
    }
  }

  #lost(request: Request): void {
    const why = request.failure()?.errorText ?? 'unknown';
    // The page itself, or leaving it, has ended that one.
    if (why !== 'net::ERR_ABORTED') this.faults.push(`lost: ${request.method()} ${request.url()}: ${why}`);
  }

  #connects(socket: WebSocket): void {
    const connection: Connection = { kind: 'WebSocket', url: socket.url(), received: [] };
    this.connections.push(connection);
    const origin = new URL(socket.url().replace(/^ws/, 'http')).origin;
    if (!this.#origins.has(origin)) this.faults.push(`a socket to a stranger: ${socket.url()}`);
    socket.on('framereceived', ({ payload }) => connection.received.push(String(payload)));
  }
}
