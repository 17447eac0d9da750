import type { Caller } from './credentials.ts';
import type { Pool } from './pool.ts';

export interface Statement {
  text: string;
  parameters: (string | null)[];
}

export interface TransactionOptions<Row> {
  caller: Caller;
  /** Settings of the transaction, set before the caller's role and claims. */
  settings: Record<string, string>;
  readOnly?: boolean;
  /** What was done is taken back: only whether it may be done was asked. */
  rollback?: boolean;
  /** Told of the result before it is committed; what it throws rolls back. */
  beforeCommit?: (rows: Row[]) => Promise<void> | void;
}

/**
 * One statement in one transaction under the caller's role, all sent in one round trip;
 * in two when something is to be done before the commit.
 */
export async function runAs<Row extends object>(
  pool: Pool,
  { text, parameters }: Statement,
  { caller, settings, readOnly, rollback, beforeCommit }: TransactionOptions<Row>,
): Promise<Row[]> {
  const claims = JSON.stringify({ ...caller.claims, role: caller.role });
  const all = { ...settings, role: caller.role, 'request.jwt.claims': claims };
  const begin = `begin isolation level read committed ${readOnly ? 'read only' : 'read write'}`;
  const setAll = Object.keys(all).map((name, index) => `set_config('${name}', $${index + 1}, true)`);
  const connection = await pool.reserve();
  const send = (statement: string, values: (string | null)[] = []) =>
    connection.unsafe<Row[]>(statement, values, { prepare: true });
  try {
    // Sent together and answered together. A failed statement turns the commit into a rollback.
    const sent = [send(begin), send(`select ${setAll.join()}`, Object.values(all)), send(text, parameters)];
    if (!beforeCommit) sent.push(send(rollback ? 'rollback' : 'commit'));
    const [begun, configured, ran, ended] = await Promise.allSettled(sent);
    // The first error: those after it are its consequences.
    const failed = [begun, configured, ran, ended].find((part) => part?.status === 'rejected');
    if (beforeCommit) {
      try {
        if (failed) throw failed.reason;
        await beforeCommit((ran as PromiseFulfilledResult<Row[]>).value);
      } catch (error) {
        await send('rollback').catch(() => {}); // the connection is gone, and the transaction with it
        throw error;
      }
      await send('commit');
    }
    if (failed) throw failed.reason;
    return (ran as PromiseFulfilledResult<Row[]>).value;
  } finally {
    connection.release();
  }
}
