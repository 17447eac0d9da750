import type postgres from 'postgres';
import type { Caller } from './credentials.ts';

export interface Statement {
  text: string;
  parameters: (string | null)[];
}

export interface TransactionOptions {
  caller: Caller;
  /** Settings of the transaction beside the caller's role and claims. */
  settings: Record<string, string>;
  rollback?: boolean;
  /** Done when the statement has succeeded and not yet been committed; what it throws rolls back. */
  beforeCommit?: () => Promise<void>;
}

/**
 * One statement in one transaction under the caller's role, all sent in one round trip;
 * in two when something is to be done before the commit.
 */
export async function runAs<Row extends object>(
  sql: postgres.Sql,
  { text, parameters }: Statement,
  { caller, settings, rollback, beforeCommit }: TransactionOptions,
): Promise<Row[]> {
  const all = { ...settings, role: caller.role, 'request.jwt.claims': JSON.stringify(caller.claims) };
  const setAll = Object.keys(all).map((name, index) => `set_config('${name}', $${index + 1}, true)`);
  const connection = await sql.reserve();
  const send = (statement: string, values: (string | null)[] = []) =>
    connection.unsafe<Row[]>(statement, values, { prepare: true });
  try {
    // Sent together and answered together. A failed statement turns the commit into a rollback.
    const sent = [send('begin'), send(`select ${setAll.join()}`, Object.values(all)), send(text, parameters)];
    const end = () => send(rollback ? 'rollback' : 'commit');
    if (!beforeCommit) sent.push(end());
    const [begun, configured, ran, ended] = await Promise.allSettled(sent);
    // The statement's own error first: the others are its consequences. The commit can fail alone.
    const failed = [ran, begun, configured, ended].find((part) => part?.status === 'rejected');
    if (beforeCommit) {
      try {
        if (failed) throw failed.reason;
        await beforeCommit();
      } catch (error) {
        await send('rollback').catch(() => {}); // the connection is gone, and the transaction with it
        throw error;
      }
      await end();
    }
    if (failed) throw failed.reason;
    return (ran as PromiseFulfilledResult<Row[]>).value;
  } finally {
    connection.release();
  }
}
