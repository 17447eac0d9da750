/** Images from a Picture Queue: ask, follow, fetch. See docs/guides/client.md of the repository. */
export * from './client.ts';
export {
  ApiError,
  BodyTooLargeError,
  BudgetExhaustedError,
  ConflictError,
  ConnectionError,
  ContentFlaggedError,
  ForbiddenError,
  GenerationFailedError,
  IdempotencyMismatchError,
  InternalError,
  InvalidImageError,
  InvalidOptionError,
  InvalidRequestError,
  MethodNotAllowedError,
  ModelUnavailableError,
  NotFoundError,
  PictureQueueError,
  QuotaExceededError,
  RateLimitedError,
  TimeoutError,
  UnauthorizedError,
  UnavailableError,
  UnknownModelError,
  UnsupportedError,
  UnsupportedMediaTypeError,
  UpgradeRequiredError,
} from './errors.ts';
export type { LiveOptions } from './live/connectors.ts';
export type { Logger } from './logger.ts';
export type { Pages } from './pages.ts';
export type {
  FetchLike,
  RequestLike,
  ResponseLike,
  SignalLike,
  WebSocketConstructor,
  WebSocketLike,
} from './platform.ts';
export type { PollingOptions } from './polling.ts';
export type { Progress } from './progress.ts';
export type { BlobLike, FileUri, SourceFile } from './source.ts';
export type { SubscribeOptions, Subscription } from './subscription.ts';
export type * from './types.ts';
