/** An answer that is an error, in PostgREST's shape. */
export interface ApiError {
  status: number;
  code: string;
  message: string;
  details: unknown;
  hint: unknown;
  headers?: Record<string, string>;
}

export function apiError(
  status: number,
  code: string,
  message: string,
  details: unknown = null,
  hint: unknown = null,
): ApiError {
  return { status, code, message, details, hint };
}

/** First match wins. https://docs.postgrest.org/en/stable/references/errors.html#http-status-codes */
const STATUS_BY_CODE: [RegExp, number][] = [
  [/^(23503|23505)$/, 409],
  [/^25006$/, 405],
  [/^(42883|42P01)$/, 404],
  [/^42P17$/, 500],
  [/^53400$/, 500],
  [/^57P0[1-3]$/, 503], // ending, or not yet started
  [/^P0001$/, 400],
  [/^(08|53)/, 503],
  [/^(0L|0P|28)/, 403],
  [/^(09|25|2D|38|39|3B|40|54|55|57|58|F0|HV|P0|XX)/, 500],
];

/** The HTTP status PostgREST gives to an SQLSTATE. */
export function statusOf(code: string, isAnonymous: boolean): number {
  if (code === '42501') return isAnonymous ? 401 : 403;
  const custom = /^PT(\d{3})$/.exec(code)?.[1];
  if (custom) return Number(custom);
  return STATUS_BY_CODE.find(([pattern]) => pattern.test(code))?.[1] ?? 400;
}

interface SqlError {
  code: string;
  message: string;
  detail?: string;
  hint?: string;
  severity?: string;
}

/** What PostgREST answers when a statement failed. */
export function fromSqlError(raw: unknown, isAnonymous: boolean): ApiError {
  const error = raw as Partial<SqlError>;
  if (!error?.severity || !error.code) {
    return apiError(503, 'PGRST001', 'Database connection error', String(error?.message ?? raw));
  }
  if (error.code === 'PGRST') return fromRaisedAnswer(error as SqlError);
  const status = statusOf(error.code, isAnonymous);
  return apiError(status, error.code, error.message ?? '', error.detail ?? null, error.hint ?? null);
}

/** `raise sqlstate 'PGRST' using message = '{"code",...}', detail = '{"status","headers"}'`: the answer itself. */
function fromRaisedAnswer(error: SqlError): ApiError {
  try {
    const { code, message, details = null, hint = null } = JSON.parse(error.message);
    const { status, headers = {} } = JSON.parse(error.detail ?? '');
    if (typeof code !== 'string' || typeof message !== 'string' || !Number.isInteger(status))
      throw new Error();
    return { ...apiError(status, code, message, details, hint), headers };
  } catch {
    return apiError(
      500,
      'PGRST121',
      'Could not parse JSON in the "RAISE SQLSTATE \'PGRST\'" error',
      'MESSAGE must be a JSON object with code and message, DETAIL one with status and headers',
    );
  }
}
