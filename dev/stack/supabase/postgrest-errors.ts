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

/**
 * First match wins. After PostgREST's own table (`mapSQLtoHTTP` in its Error.hs, August 2026), which knows more than
 * https://docs.postgrest.org/en/stable/references/errors.html#http-status-codes tells.
 */
const STATUS_BY_CODE: [code: RegExp, status: number, message?: RegExp][] = [
  [/^(23503|23505)$/, 409],
  [/^25006$/, 405], // READ ONLY
  [/^21000$/, 400, /requires a WHERE clause$/], // pg-safeupdate: the client's error
  [/^21000$/, 500],
  [/^22023$/, 401, /^role.*does not exist$/s], // the role of a token
  [/^42883$/, 406, /^function xmlagg\(/],
  [/^(42883|42P01)$/, 404],
  [/^42P17$/, 500],
  [/^53400$/, 500],
  [/^57P01$/, 503], // ended by an administrator; the other 57… are 500
  [/^P0001$/, 400],
  [/^(08|53)/, 503],
  [/^(0L|0P|28)/, 403],
  [/^(09|25|2D|38|39|3B|40|54|55|57|58|F0|HV|P0|XX)/, 500],
];

/** The HTTP status PostgREST gives to an SQLSTATE; some depend on the message. */
export function statusOf(code: string, isAnonymous: boolean, message = ''): number {
  if (code === '42501') return isAnonymous ? 401 : 403;
  if (code.startsWith('PT')) return Number(/^PT(\d{3})$/.exec(code)?.[1] ?? 500);
  const found = STATUS_BY_CODE.find(
    ([pattern, , text]) => pattern.test(code) && (text?.test(message) ?? true),
  );
  return found?.[1] ?? 400;
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
  if (!error?.severity || !error.code) return connectionLost(String(error?.message ?? raw));
  if (error.code === 'PGRST') return fromRaisedAnswer(error as SqlError);
  const status = statusOf(error.code, isAnonymous, error.message);
  return apiError(status, error.code, error.message ?? '', error.detail ?? null, error.hint ?? null);
}

/** The connection broke under a request, or could not be made. */
export const connectionLost = (why: string): ApiError =>
  apiError(503, 'PGRST001', 'Database client error. Retrying the connection.', why);

/** `raise sqlstate 'PGRST' using message = '{"code",...}', detail = '{"status","headers"}'`: the answer itself. */
function fromRaisedAnswer(error: SqlError): ApiError {
  const unreadable = (details: string, hint: string) =>
    apiError(500, 'PGRST121', 'Could not parse JSON in the "RAISE SQLSTATE \'PGRST\'" error', details, hint);
  const said = parseObject(error.message);
  if (typeof said?.code !== 'string' || typeof said.message !== 'string') {
    return unreadable(
      `Invalid JSON value for MESSAGE: '${error.message}'`,
      "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.",
    );
  }
  const answer = parseObject(error.detail ?? '');
  if (!Number.isInteger(answer?.status) || typeof answer?.headers !== 'object') {
    return unreadable(
      error.detail === undefined
        ? 'DETAIL is missing in the RAISE statement'
        : `Invalid JSON value for DETAIL: '${error.detail}'`,
      "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.",
    );
  }
  const { code, message, details = null, hint = null } = said;
  const { status, headers } = answer as { status: number; headers: Record<string, string> };
  return { ...apiError(status, code, message, details, hint), headers };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
