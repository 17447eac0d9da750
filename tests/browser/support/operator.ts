import { randomUUID } from 'node:crypto';
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { TestStack } from '../../e2e/support/stack.ts';
import type { Scene } from './story.ts';
import type { Visitor, VisitorOptions } from './visitor.ts';

const PASSWORD = 'correct-horse-battery';

/** An account that is there before its person comes, with the role or without it. */
export async function account(
  stack: TestStack,
  role?: 'admin',
  email = `${randomUUID()}@example.com`,
): Promise<{ id: string; email: string }> {
  const answer = await fetch(`${stack.addresses.supabaseUrl}/auth/v1/signup`, {
    method: 'POST',
    headers: { apikey: stack.addresses.publishableKey, 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: PASSWORD }),
  });
  expect(answer.status, 'an account is made').toBe(200);
  const [row] = await stack.sql<{ id: string }[]>`select id from auth.users where email = ${email}`;
  if (!row) throw new Error(`${email} has no account`);
  if (role) await giveRole(stack, email);
  return { id: row.id, email };
}

/** As docs/operations/dashboard.md says. */
export async function giveRole(stack: TestStack, email: string): Promise<void> {
  await stack.sql`update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "admin"}'
    where email = ${email}`;
}

/** Somebody in front of the dashboard. */
export class Operator {
  readonly visitor: Visitor;
  readonly id: string;
  readonly email: string;

  private constructor(visitor: Visitor, { id, email }: { id: string; email: string }) {
    this.visitor = visitor;
    this.id = id;
    this.email = email;
  }

  /** Signed in, unless `role` is absent: then in front of the refusal. */
  static async arrive(
    { stack, visit }: Scene,
    { role = 'admin', ...options }: VisitorOptions & { role?: 'admin' | 'none' } = {},
  ): Promise<Operator> {
    const own = await account(stack, role === 'admin' ? role : undefined, options.email);
    const visitor = await visit({ ...options, email: own.email });
    const operator = new Operator(visitor, own);
    await operator.page.goto(operator.url);
    await visitor.signIn();
    if (role === 'admin') await operator.heading('Overview').waitFor();
    return operator;
  }

  get page(): Page {
    return this.visitor.page;
  }

  get url(): string {
    return `${this.visitor.stack.addresses.startGenerationUrl}/dashboard`;
  }

  heading(name: string): Locator {
    return this.page.getByRole('heading', { level: 1, name, exact: true });
  }

  /** Goes to an address of the dashboard's own, as a link in a message would. */
  async open(address: string, heading: string): Promise<void> {
    await this.page.goto(`${this.url}#/${address}`);
    await this.heading(heading).waitFor();
  }

  /** What the overview says that is not as it should be. */
  condition(title: string): Locator {
    const list = this.page.getByRole('list', { name: 'What needs attention' });
    return list.getByText(title, { exact: true });
  }

  /** The row of a table that has a text in it. */
  row(text: string | RegExp): Locator {
    return this.page.getByRole('row').filter({ hasText: text });
  }

  /** Writes a reason into the dialog that is open and confirms it. */
  async confirm(button: string, reason: string): Promise<void> {
    const dialog = this.page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill(reason);
    await dialog.getByRole('button', { name: button, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  /** How often a function of the database was asked for. */
  asked(name: string): number {
    return this.visitor.asked.filter((one) => one === `POST /rest/v1/rpc/${name}`).length;
  }

  /** The latest entry of the audit, as the database has it. */
  async audited(): Promise<{
    id: number;
    action: string;
    target: string | null;
    reason: string;
    actor: string;
  }> {
    const [entry] = await this.visitor.stack.sql<
      { id: number; action: string; target: string | null; reason: string; actor: string }[]
    >`select id::int, action, target, reason, actor from private.audit_log order by id desc limit 1`;
    if (!entry) throw new Error('nothing is in the audit');
    return entry;
  }
}
