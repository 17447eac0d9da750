import { ConnectionError, PictureQueueError, toApiError } from '../errors.ts';

/**
 * What is used of a supabase-js client, version 2, of whatever database types. Not its own type: two
 * copies of supabase-js in one app would refuse each other's clients.
 */
export interface SupabaseLike {
  // biome-ignore-start lint/suspicious/noExplicitAny: the builders' types depend on the app's own database types.
  functions: { invoke(name: string, options: { body: any }): PromiseLike<Result> };
  rpc(name: any, parameters: any): PromiseLike<Result>;
  from(table: any): any;
  channel(name: string): any;
  removeChannel(channel: any): any;
  // biome-ignore-end lint/suspicious/noExplicitAny: see above
}

export interface Result {
  data: unknown;
  error: unknown;
}

interface FunctionsFailure {
  message?: string;
  /** The answer, where there was one. */
  context?: { status?: number; text?(): Promise<string>; headers?: { get(name: string): string | null } };
}

/** Calls a function; a refusal becomes the error of its code, as with `createClient`. */
export async function invoke<T>(supabase: SupabaseLike, name: string, body: unknown): Promise<T> {
  const { data, error } = await supabase.functions.invoke(name, { body });
  if (!error) return data as T;
  const { message, context } = error as FunctionsFailure;
  if (context?.status && context.text) {
    const text = await context.text();
    throw toApiError(context.status, name, text, (header) => context.headers?.get(header));
  }
  throw new ConnectionError(message ?? `${name} could not be reached.`, { cause: error });
}

/** The HTTP statuses that the database's own functions give their refusals: PT404 is 404. */
const REFUSAL = /^PT(\d{3})$/;

interface DatabaseFailure {
  message?: string;
  code?: string;
  /** The problem's code, where the database refused. */
  details?: string | null;
  /** What the refusal names beside: `retry_after=17 limit=images_per_day`, or `field=prompt`. */
  hint?: string | null;
}

/** The data of a query; what the database refused becomes the error of its code. */
export async function query<T>(asked: PromiseLike<Result>): Promise<T> {
  const { data, error } = await asked;
  if (!error) return data as T;
  const { message = 'The database refused.', code = '', details, hint } = error as DatabaseFailure;
  const status = REFUSAL.exec(code)?.[1];
  if (status) {
    const named = Object.fromEntries((hint ?? '').split(' ').map((word) => word.split('=')));
    const problem = JSON.stringify({ ...named, code: details ?? undefined, detail: message });
    throw toApiError(Number(status), 'The database', problem, (header) =>
      header === 'retry-after' ? named.retry_after : undefined,
    );
  }
  throw new PictureQueueError(message, { cause: error });
}
