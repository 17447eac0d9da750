/** Errors as Supabase's Storage answers them. https://supabase.com/docs/guides/storage/debugging/error-codes */

export interface StorageAnswer {
  status: number;
  body: unknown;
}

/**
 * The status of the answer is 400 for nearly everything; the one that is meant stands in the body.
 *
 * @param error the older name of the same, which clients still read
 */
export function refusal(meant: number, code: string, message: string, error = code): StorageAnswer {
  const status = meant === 500 || meant === 544 || meant === 416 || meant === 429 ? meant : 400;
  return { status, body: { statusCode: String(meant), error, message, code } };
}

export const noBucket = () => refusal(404, 'NoSuchBucket', 'Bucket not found', 'Bucket not found');
export const tooLarge = () =>
  refusal(413, 'EntityTooLarge', 'The object exceeded the maximum allowed size', 'Payload too large');
export const invalidKey = (name: string) => refusal(400, 'InvalidKey', `Invalid key: ${name}`);
export const invalidMimeType = (type: string) =>
  refusal(415, 'InvalidMimeType', `mime type ${type} is not supported`, 'invalid_mime_type');
export const noContent = () => refusal(400, 'InvalidRequest', 'No content provided');
export const invalidRange = () => refusal(416, 'InvalidRange', 'invalid range provided', 'invalid_range');
export const accessDenied = (why: string) => refusal(403, 'AccessDenied', why, 'Unauthorized');
/** What a request must have, by the schema of its route. */
export const notAsDescribed = (message: string) => refusal(400, 'InvalidRequest', message, 'Error');

interface SqlError {
  severity?: string;
  code?: string;
  message?: string;
}

/** What Storage makes of an error of the database; undefined: it is none. */
export function fromDatabase(raw: unknown): StorageAnswer | undefined {
  const { severity, code = '', message = '' } = raw as SqlError;
  if (/^(CONNECT|ECONN|EPIPE)/.test(code)) {
    return refusal(544, 'DatabaseTimeout', 'The connection to the database timed out');
  }
  if (!severity) return undefined;
  switch (code) {
    case '42501':
      return accessDenied(
        message.includes('row-level security') ? 'new row violates row-level security policy' : message,
      );
    case '23505':
      return refusal(409, 'KeyAlreadyExists', 'The resource already exists', 'Duplicate');
    case '23503':
      return refusal(404, 'InvalidRequest', 'The related resource does not exist');
    case '55P03':
      return refusal(423, 'ResourceLocked', 'The resource is locked');
    case '57014':
      return refusal(544, 'DatabaseTimeout', 'The connection to the database timed out');
    case '25006':
      return refusal(
        503,
        'DatabaseReadOnly',
        'The database is currently in read-only mode. Please try again later.',
      );
    case '53300':
      return refusal(429, 'SlowDown', 'Too many connections issued to the database', 'too_many_connections');
    default:
      return refusal(500, 'DatabaseError', `database error, code: ${code}`);
  }
}

const CODES: Record<string, string> = {
  'Bucket not found': 'NoSuchBucket',
  not_found: 'NoSuchKey',
  Duplicate: 'ResourceAlreadyExists',
  Unauthorized: 'AccessDenied',
  invalid_mime_type: 'InvalidMimeType',
  'Payload too large': 'EntityTooLarge',
  'Invalid key': 'InvalidKey',
};

/** An error in lite's words, with the `code` that Storage gives beside them. */
export function withCode(body: Record<string, unknown>): Record<string, unknown> {
  const { error } = body;
  if (typeof error !== 'string' || 'code' in body) return body;
  return { ...body, code: CODES[error] ?? (/^\w+$/.test(error) ? error : 'InternalError') };
}
