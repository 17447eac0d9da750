import type { Generation, Problem } from './types.ts';

/** The root of all errors that this package makes. */
export class PictureQueueError extends Error {
  override name = 'PictureQueueError';
  /** Stable: branch on this, or on the class. */
  readonly code: string = 'error';
}

/** An option of a client is missing or unusable; `message` says what it must be. */
export class InvalidOptionError extends PictureQueueError {
  override name = 'InvalidOptionError';
  override readonly code = 'invalid_option';
  /** Its name. */
  readonly option: string;

  constructor(option: string, problem: string) {
    super(`The option ${option} ${problem}.`);
    this.option = option;
  }
}

/** The server could not be reached, or its answer was cut off. */
export class ConnectionError extends PictureQueueError {
  override name = 'ConnectionError';
  override readonly code: string = 'connection_failed';
  /** What was asked, without its query. Undefined where the app's own supabase-js client asked. */
  readonly url: string | undefined;

  constructor(message: string, { url, ...options }: { url?: string; cause?: unknown } = {}) {
    super(url ? `${message} (${url})` : message, options);
    this.url = url;
  }
}

/** The server did not answer within `timeoutMs`, or the generation did not end within `maxWaitMs`. */
export class TimeoutError extends ConnectionError {
  override name = 'TimeoutError';
  override readonly code = 'timeout';
}

/** No image came of it: it failed or was cancelled, and with a batch all of it. */
export class GenerationFailedError extends PictureQueueError {
  override name = 'GenerationFailedError';
  /** Why the first one failed, `cancelled` if it was cancelled. */
  override readonly code: string;
  readonly generations: Generation[];

  constructor(generations: Generation[]) {
    const first = generations.find(({ status }) => status === 'failed') ?? generations[0];
    const end = first?.status === 'cancelled' ? 'cancelled' : 'failed';
    super(first?.error?.message ?? `The generation ${end === 'failed' ? '' : 'was '}${end}.`);
    this.code = first?.error?.code ?? end;
    this.generations = generations;
  }
}

/** What a refusal says beside its sentence. */
export interface Refusal {
  status: number;
  code: string;
  field?: string | undefined;
  limit?: string | undefined;
  retryAfter?: number | undefined;
  requestId?: string | undefined;
}

/** The server refused; `message` is a sentence for people. */
export class ApiError extends PictureQueueError {
  override name = 'ApiError';
  /** The HTTP status. */
  declare readonly status: number;
  declare readonly code: string;
  /** The field of the request that is at fault. */
  declare readonly field: string | undefined;
  /** The quota that is used up: `requests_per_minute`, `images_per_day`, `money_per_day`. */
  declare readonly limit: string | undefined;
  /** Seconds until trying again makes sense. */
  declare readonly retryAfter: number | undefined;
  /** `x-request-id`: names this call in the server's logs. */
  declare readonly requestId: string | undefined;

  constructor(message: string, refusal: Refusal) {
    super(message);
    Object.assign(this, refusal);
    // Each class below is that of its code.
    if (new.target !== ApiError) this.name = nameOf(refusal.code);
  }
}

/** 400: `field` is malformed or out of range. */
export class InvalidRequestError extends ApiError {}
/** 401: no token, or one that is not valid (any more). */
export class UnauthorizedError extends ApiError {}
/** 403: this user may not do that. */
export class ForbiddenError extends ApiError {}
/** 404: nothing with this id that this user may see. */
export class NotFoundError extends ApiError {}
/** 404: `model_id` names no active model. */
export class UnknownModelError extends ApiError {}
/** 422: the provider refuses the model `model_id`; another one works. */
export class ModelUnavailableError extends ApiError {}
/** 405 */
export class MethodNotAllowedError extends ApiError {}
/** 409: the thing is in a state that rules this out. */
export class ConflictError extends ApiError {}
/** 413: the request is larger than 64 KiB. */
export class BodyTooLargeError extends ApiError {}
/** 415: an upload that is no PNG, JPEG or WebP, or another one of them than it says. */
export class UnsupportedMediaTypeError extends ApiError {}
/** 422: an upload that is damaged or not all there. */
export class InvalidImageError extends ApiError {}
/** 422: the model cannot do what `field` asks. */
export class UnsupportedError extends ApiError {}
/** 422: the operators of the installation do not let this prompt be made: `message` may say why. */
export class ContentFlaggedError extends ApiError {}
/** 422: the idempotency key was used for another request. */
export class IdempotencyMismatchError extends ApiError {}
/** 426: the path is for live updates; `subscribe()` asks for them as the server wants it. */
export class UpgradeRequiredError extends ApiError {}
/** 429: the quota `limit` is used up for `retryAfter` seconds. */
export class QuotaExceededError extends ApiError {}
/** 429: too many requests in a short time. */
export class RateLimitedError extends ApiError {}
/** 500 */
export class InternalError extends ApiError {}
/** 503: the operator's budget is used up, for everybody, for `retryAfter` seconds. */
export class BudgetExhaustedError extends ApiError {}
/** 503: the database or the provider did not answer. */
export class UnavailableError extends ApiError {}

/** Read when an error is made, not when the module is loaded, so that unused classes can be left out. */
const classes = (): Record<string, typeof ApiError> => ({
  InvalidRequestError,
  UnauthorizedError,
  ForbiddenError,
  NotFoundError,
  UnknownModelError,
  ModelUnavailableError,
  MethodNotAllowedError,
  ConflictError,
  BodyTooLargeError,
  UnsupportedMediaTypeError,
  InvalidImageError,
  UnsupportedError,
  ContentFlaggedError,
  IdempotencyMismatchError,
  UpgradeRequiredError,
  QuotaExceededError,
  RateLimitedError,
  InternalError,
  BudgetExhaustedError,
  UnavailableError,
});

/** `not_found` is a NotFoundError, `internal_error` an InternalError. */
const nameOf = (code: string) =>
  `${code.replace(/_error$/, '').replace(/^.|_./g, (start) => start.slice(-1).toUpperCase())}Error`;

/** What a status means where no problem says it: something in between has answered. */
const CODES: Record<number, string> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  413: 'body_too_large',
  429: 'rate_limited',
  500: 'internal_error',
};

/**
 * The error of an answer that is no success.
 *
 * @param who answered; it is told where the answer says nothing
 */
export function toApiError(
  status: number,
  who: string,
  text: string,
  header: (name: string) => string | null | undefined,
): ApiError {
  const problem = objectOf<Problem>(text);
  const code = problem.code ?? CODES[status] ?? (status < 500 ? 'invalid_request' : 'unavailable');
  return new (classes()[nameOf(code)] ?? ApiError)(
    problem.detail ?? problem.error ?? `${who} answered ${status}.`,
    {
      status,
      code,
      field: problem.field,
      limit: problem.limit,
      retryAfter: secondsOf(header('retry-after')) ?? problem.retry_after,
      requestId: header('x-request-id') || undefined,
    },
  );
}

/** What a text in JSON holds; of another one nothing. */
export function objectOf<T>(text: string): Partial<T> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** `Retry-After`: seconds, or a date to come (RFC 9110, section 10.2.3). */
function secondsOf(value: string | null | undefined): number | undefined {
  if (!value) return undefined;
  const seconds = Number(value);
  return seconds >= 0 ? seconds : Math.max(0, (Date.parse(value) - Date.now()) / 1_000) || undefined;
}
