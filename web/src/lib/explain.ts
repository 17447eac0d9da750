import {
  ApiError,
  BudgetExhaustedError,
  ConnectionError,
  ForbiddenError,
  QuotaExceededError,
  RateLimitedError,
  TimeoutError,
  UnauthorizedError,
  UnsupportedMediaTypeError,
} from 'picture-queue';

/** What went wrong, in words that say what to do. */
export interface Notice {
  title: string;
  text: string;
  /** When trying again makes sense. */
  retryAt?: Date;
  /** The field of the request that is at fault, as the API names it. */
  field?: string;
}

const QUOTAS: Record<string, string> = {
  images_per_day: 'You have made as many pictures as your plan allows in a day.',
  money_per_day: 'You have spent as much as your plan allows in a day.',
  requests_per_minute: 'You have started pictures as often as your plan allows in a minute.',
};

/** The refusals that speak of a request's fields: to a caller of the API, who has given them. */
const ABOUT_FIELDS = ['invalid_request', 'unsupported', 'unknown_model', 'not_found', 'conflict'];

const FIELDS: [RegExp, string][] = [
  [
    /^source/,
    'The picture to start from cannot be used with this model. Choose another picture, or another model.',
  ],
  [/^mask$/, 'The mask cannot be used. Paint or choose another one.'],
  [/^operation$/, 'This model cannot do that. Choose another model.'],
  [/^model_id$/, 'This model is not there any more. Choose another one.'],
  [/^prompts?$/, 'The prompt is empty, too long, or has a character that cannot be sent.'],
];

/** What a generation was made with is gone. */
const GONE: [RegExp, string][] = [
  [/^source/, 'The picture it was made from has been deleted. Use Reuse settings and choose another.'],
  [/^mask$/, 'The mask it was made with has been deleted. Use Reuse settings and make another.'],
];

/** What the API says, or the studio's own sentence where that is in the API's words. */
function wordsOf({ code, field, message }: ApiError): string {
  if (!ABOUT_FIELDS.includes(code)) return message;
  const known = code === 'conflict' ? GONE : FIELDS;
  const named = field ?? (/\bsource\b/.test(message) ? 'source' : '');
  const sentence = known.find(([name]) => name.test(named))?.[1];
  if (sentence) return sentence;
  // The name of a field, such as num_images, says nothing here.
  return /[a-z]_[a-z]/.test(message)
    ? 'These settings cannot be used together. Change them and try again.'
    : message;
}

export function explain(error: unknown, now = Date.now()): Notice {
  const retryAt =
    error instanceof ApiError && error.retryAfter !== undefined
      ? { retryAt: new Date(now + error.retryAfter * 1_000) }
      : {};
  if (error instanceof QuotaExceededError) {
    return { title: 'Limit reached', text: QUOTAS[error.limit ?? ''] ?? error.message, ...retryAt };
  }
  if (error instanceof BudgetExhaustedError) {
    return { title: 'No more pictures for now', text: error.message, ...retryAt };
  }
  if (error instanceof RateLimitedError) {
    return { title: 'Too many requests', text: 'Please wait a moment.', ...retryAt };
  }
  if (error instanceof UnauthorizedError) {
    return { title: 'Signed out', text: 'Your session has ended. Please sign in again.' };
  }
  if (error instanceof ForbiddenError) return { title: 'Not allowed', text: error.message, ...retryAt };
  if (error instanceof UnsupportedMediaTypeError) {
    return { title: 'This file cannot be used', text: 'Only PNG, JPEG and WebP pictures can be used.' };
  }
  if (error instanceof ApiError) {
    const title = error.status >= 500 ? 'The server has a problem' : 'That did not work';
    return { title, text: wordsOf(error), ...retryAt, ...(error.field ? { field: error.field } : {}) };
  }
  if (error instanceof TimeoutError) {
    return { title: 'No answer', text: 'The server took too long to answer. Please try again.' };
  }
  if (error instanceof ConnectionError) {
    return { title: 'No connection', text: 'The server could not be reached. Your pictures are safe.' };
  }
  return { title: 'That did not work', text: error instanceof Error ? error.message : String(error) };
}
