import type { Generation, Problem } from './types.ts';

/** The root of all errors that this package makes. */
export class PictureQueueError extends Error {
  override name = 'PictureQueueError';
  /** Stable: branch on this, or on the class. */
  readonly code: string = 'error';
}

/** The server could not be reached, or its answer was cut off. */
export class ConnectionError extends PictureQueueError {
  override name = 'ConnectionError';
  override readonly code: string = 'connection_failed';
}

/** The server did not answer within `timeoutMs`. */
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
    const cancelled = first?.status === 'cancelled';
    super(first?.error?.message ?? (cancelled ? 'The generation was cancelled.' : 'The generation failed.'));
    this.code = first?.error?.code ?? (cancelled ? 'cancelled' : 'failed');
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
  readonly status: number;
  override readonly code: string;
  /** The field of the request that is at fault. */
  readonly field: string | undefined;
  /** The quota that is used up: `requests_per_minute`, `images_per_day`, `money_per_day`. */
  readonly limit: string | undefined;
  /** Seconds until trying again makes sense. */
  readonly retryAfter: number | undefined;
  /** `x-request-id`: names this call in the server's logs. */
  readonly requestId: string | undefined;

  constructor(message: string, refusal: Refusal) {
    super(message);
    this.status = refusal.status;
    this.code = refusal.code;
    this.field = refusal.field;
    this.limit = refusal.limit;
    this.retryAfter = refusal.retryAfter;
    this.requestId = refusal.requestId;
  }
}

/** 400: `field` is malformed or out of range. */
export class InvalidRequestError extends ApiError {
  override name = 'InvalidRequestError';
}
/** 401: no token, or one that is not valid (any more). */
export class UnauthorizedError extends ApiError {
  override name = 'UnauthorizedError';
}
/** 403: this user may not do that. */
export class ForbiddenError extends ApiError {
  override name = 'ForbiddenError';
}
/** 404: nothing with this id that this user may see. */
export class NotFoundError extends ApiError {
  override name = 'NotFoundError';
}
/** 404: `model_id` names no active model. */
export class UnknownModelError extends ApiError {
  override name = 'UnknownModelError';
}
/** 422: the provider refuses the model `model_id`; another one works. */
export class ModelUnavailableError extends ApiError {
  override name = 'ModelUnavailableError';
}
/** 405 */
export class MethodNotAllowedError extends ApiError {
  override name = 'MethodNotAllowedError';
}
/** 409: the thing is in a state that rules this out. */
export class ConflictError extends ApiError {
  override name = 'ConflictError';
}
/** 413: the request is larger than 64 KiB. */
export class BodyTooLargeError extends ApiError {
  override name = 'BodyTooLargeError';
}
/** 415: an upload that is no PNG, JPEG or WebP, or another one of them than it says. */
export class UnsupportedMediaTypeError extends ApiError {
  override name = 'UnsupportedMediaTypeError';
}
/** 422: an upload that is damaged or not all there. */
export class InvalidImageError extends ApiError {
  override name = 'InvalidImageError';
}
/** 422: the model cannot do what `field` asks. */
export class UnsupportedError extends ApiError {
  override name = 'UnsupportedError';
}
/** 422: the idempotency key was used for another request. */
export class IdempotencyMismatchError extends ApiError {
  override name = 'IdempotencyMismatchError';
}
/** 426: the path is for live updates; `subscribe()` asks for them as the server wants it. */
export class UpgradeRequiredError extends ApiError {
  override name = 'UpgradeRequiredError';
}
/** 429: the quota `limit` is used up for `retryAfter` seconds. */
export class QuotaExceededError extends ApiError {
  override name = 'QuotaExceededError';
}
/** 429: too many requests in a short time. */
export class RateLimitedError extends ApiError {
  override name = 'RateLimitedError';
}
/** 500 */
export class InternalError extends ApiError {
  override name = 'InternalError';
}
/** 503: the operator's budget is used up, for everybody, for `retryAfter` seconds. */
export class BudgetExhaustedError extends ApiError {
  override name = 'BudgetExhaustedError';
}
/** 503: the database or the provider did not answer. */
export class UnavailableError extends ApiError {
  override name = 'UnavailableError';
}

/** Read when an error is made, not when the module is loaded, so that unused classes can be left out. */
const classes = (): Record<string, typeof ApiError> => ({
  invalid_request: InvalidRequestError,
  unauthorized: UnauthorizedError,
  forbidden: ForbiddenError,
  not_found: NotFoundError,
  unknown_model: UnknownModelError,
  model_unavailable: ModelUnavailableError,
  method_not_allowed: MethodNotAllowedError,
  conflict: ConflictError,
  body_too_large: BodyTooLargeError,
  unsupported_media_type: UnsupportedMediaTypeError,
  invalid_image: InvalidImageError,
  unsupported: UnsupportedError,
  idempotency_mismatch: IdempotencyMismatchError,
  upgrade_required: UpgradeRequiredError,
  quota_exceeded: QuotaExceededError,
  rate_limited: RateLimitedError,
  internal_error: InternalError,
  budget_exhausted: BudgetExhaustedError,
  unavailable: UnavailableError,
});

/** What a status means where no problem says it: something in between has answered. */
const CODES: Record<number, string> = {
  400: 'invalid_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  413: 'body_too_large',
  422: 'unsupported',
  429: 'rate_limited',
  500: 'internal_error',
};

/** The error of an answer that is no success. */
export function toApiError(
  status: number,
  text: string,
  header: (name: string) => string | null | undefined,
): ApiError {
  const problem = parse(text);
  const code = problem.code ?? CODES[status] ?? (status < 500 ? 'invalid_request' : 'unavailable');
  return new (classes()[code] ?? ApiError)(
    problem.detail ?? problem.error ?? `The server answered ${status}.`,
    {
      status,
      code,
      field: problem.field,
      limit: problem.limit,
      retryAfter: secondsOf(header('retry-after')) ?? problem.retry_after,
      requestId: header('x-request-id') ?? undefined,
    },
  );
}

function parse(text: string): Partial<Problem> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). */
function secondsOf(value: string | null | undefined): number | undefined {
  if (!value) return undefined;
  const seconds = Number(value);
  if (seconds >= 0) return seconds;
  const date = Date.parse(value);
  return date > 0 ? Math.max(0, (date - Date.now()) / 1000) : undefined;
}
