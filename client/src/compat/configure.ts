import { PictureQueueError } from '../errors.ts';
import type { SupabaseLike } from './supabase.ts';

let configured: SupabaseLike | undefined;

/**
 * Names the client that all functions and hooks of this package use where none is given: once, where the app
 * makes its own. Another user who signs in on the same client needs no other call.
 */
export function configure(supabase: SupabaseLike): void {
  configured = supabase;
}

/**
 * The client that `configure` was given.
 *
 * @throws PictureQueueError where there is none
 */
export function configuredClient(): SupabaseLike {
  if (configured) return configured;
  throw new PictureQueueError(
    'There is no supabase-js client: call configure(supabase) once, or give the client as the first argument.',
  );
}

/** A function that takes the client first, or does without: the original has both spellings. */
export interface Either<A extends unknown[], R> {
  (supabase: SupabaseLike, ...args: A): R;
  /** Uses the client that `configure` was given. */
  (...args: A): R;
}

/** Gives a function that takes the client first its other spelling. */
export function either<A extends unknown[], R>(
  call: (supabase: SupabaseLike, ...args: A) => R,
): Either<A, R> {
  return (...given: unknown[]) => {
    const [first, ...rest] = given;
    return isClient(first) ? call(first, ...(rest as A)) : call(configuredClient(), ...(given as A));
  };
}

/** No other argument has a function of such a name: ids are texts, parameters are data. */
function isClient(value: unknown): value is SupabaseLike {
  const { from, rpc, functions } = (value ?? {}) as Partial<SupabaseLike>;
  return typeof (from ?? rpc ?? functions?.invoke) === 'function';
}
