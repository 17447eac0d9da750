/** Error bodies as recorded from the real API; key order included. */

export interface InvalidField {
  type: string;
  field: string;
  description: string;
}

/** An answer other than success. A string body is sent as it is. */
export class Problem extends Error {
  readonly status: number;
  readonly body: Record<string, unknown> | string;
  readonly headers: Record<string, string>;

  constructor(status: number, body: Record<string, unknown> | string, headers: Record<string, string> = {}) {
    super(typeof body === 'string' ? body : JSON.stringify(body));
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

export function unauthenticated(passed: boolean): Problem {
  const what = passed ? 'a valid authentication token' : 'an authentication token';
  return new Problem(401, { title: 'Unauthenticated', detail: `You did not pass ${what}`, status: 401 });
}

export function insufficientCredit(): Problem {
  const body = {
    title: 'Insufficient credit',
    detail:
      'You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing to ' +
      'purchase credit. Once you purchase credit, please wait a few minutes before trying again.',
    status: 402,
  };
  return new Problem(402, `${JSON.stringify(body)}\n`);
}

export function notFound(): Problem {
  return new Problem(404, { detail: 'The requested resource could not be found.', status: 404 });
}

export function methodNotAllowed(method: string, allow: string[]): Problem {
  return new Problem(
    405,
    { detail: `Method "${method}" not allowed.`, status: 405 },
    { allow: allow.join(', ') },
  );
}

export function fileTooLarge(): Problem {
  return new Problem(413, { detail: 'Files must be less than 100MB in size' });
}

export function invalidVersion(): Problem {
  return new Problem(422, {
    title: 'Invalid version or not permitted',
    detail: "The specified version does not exist (or perhaps you don't have permission to use it?)",
    status: 422,
  });
}

/** One line for each fault; at the top level the field is empty and the line has no prefix. */
export function invalidInput(faults: InvalidField[]): Problem {
  const lines = faults.map((fault) => {
    const prefix = fault.field === '' ? '' : `${fault.field}: `;
    return `- ${prefix}${fault.description}\n`;
  });
  return new Problem(422, {
    detail: lines.join(''),
    status: 422,
    title: 'Input validation failed',
    invalid_fields: faults,
  });
}

/** @param retryAfter seconds */
export function throttled(retryAfter: number, lowCredit: boolean): Problem {
  const cause = lowCredit
    ? ' Your rate limit for creating predictions is reduced to 6 requests per minute with a burst of 1 requests ' +
      'while you have less than $5.0 in credit.'
    : '';
  const detail = `Request was throttled.${cause} Your rate limit resets in ~${retryAfter}s.`;
  return new Problem(429, { detail, status: 429, retry_after: retryAfter });
}

export function serverError(status: number): Problem {
  if (status === 500) return new Problem(500, { detail: 'Internal server error' });
  return new Problem(status, `<html><head><title>${status}</title></head><body>${status}</body></html>\n`);
}

/** The recorded body for a status that a fault rule asks for. */
export function problemFor(status: number, retryAfter: number | undefined): Problem {
  if (status === 401) return unauthenticated(true);
  if (status === 402) return insufficientCredit();
  if (status === 404) return notFound();
  if (status === 429) return throttled(retryAfter ?? 1, retryAfter !== undefined);
  if (status >= 500) return serverError(status);
  return new Problem(status, { detail: `Refused with ${status}.`, status });
}
