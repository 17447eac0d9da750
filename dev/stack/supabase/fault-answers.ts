/** Answers that hosted Supabase gives while something in it is not well, by their code. */
import { apiError, statusOf } from './postgrest-errors.ts';

export interface Answer {
  status: number;
  body: unknown;
}

/** PostgREST's own error. */
function pgrst(status: number, code: string, message: string, details: string | null = null): Answer {
  const { status: _, ...body } = apiError(status, code, message, details);
  return { status, body };
}

/** An error of Postgres, with the status that PostgREST gives it. */
function sql(code: string, message: string): Answer {
  return pgrst(statusOf(code, false, message), code, message);
}

/** An error of Storage: the status of most is 400, and the meant one is in the body. */
function storage(status: number, meant: number, code: string, message: string, error = code): Answer {
  return { status, body: { statusCode: String(meant), code, error, message } };
}

export const answers: Record<string, Answer> = {
  PGRST000: pgrst(503, 'PGRST000', 'Database connection error.', 'connection to server failed'),
  PGRST001: pgrst(
    503,
    'PGRST001',
    'Database client error. Retrying the connection.',
    'no connection to the server',
  ),
  PGRST002: pgrst(503, 'PGRST002', 'Could not query the database for the schema cache. Retrying.'),
  PGRST003: pgrst(504, 'PGRST003', 'Timed out acquiring connection from connection pool.'),
  /** The schema cache is behind a migration. */
  PGRST202: pgrst(
    404,
    'PGRST202',
    'Could not find the function public.some_function in the schema cache',
    'Searched for the function public.some_function without parameters or with a single unnamed json/jsonb parameter, but no matches were found in the schema cache.',
  ),
  /** PostgREST has not got the project's new signing key yet. */
  PGRST301: pgrst(
    401,
    'PGRST301',
    'No suitable key or wrong key type',
    'None of the keys was able to decode the JWT',
  ),
  /** Clocks inside Supabase differ. */
  PGRST303: pgrst(401, 'PGRST303', 'JWT issued at future'),
  '08006': sql('08006', 'connection failure'),
  '0A000': sql('0A000', 'cannot set transaction read-write mode during recovery'),
  /** The disk is full and the project read-only, or this is a standby. */
  '25006': sql('25006', 'cannot execute INSERT in a read-only transaction'),
  '40001': sql('40001', 'could not serialize access due to concurrent update'),
  '40P01': sql('40P01', 'deadlock detected'),
  '53300': sql('53300', 'remaining connection slots are reserved for roles with the SUPERUSER attribute'),
  '53100': sql('53100', 'could not extend file: No space left on device'),
  '55P03': sql('55P03', 'canceling statement due to lock timeout'),
  '57014': sql('57014', 'canceling statement due to statement timeout'),
  '57P01': sql('57P01', 'terminating connection due to administrator command'),
  '57P02': sql('57P02', 'terminating connection because of crash of another server process'),
  '57P03': sql('57P03', 'the database system is starting up'),
  XX000: sql('XX000', 'cache lookup failed for function 0'),
  DatabaseTimeout: storage(544, 544, 'DatabaseTimeout', 'The connection to the database timed out'),
  DatabaseReadOnly: storage(
    400,
    503,
    'DatabaseReadOnly',
    'The database is currently in read-only mode. Please try again later.',
  ),
  LockTimeout: storage(400, 503, 'LockTimeout', 'acquiring lock timeout', 'acquiring_lock_timeout'),
  InternalError: storage(500, 500, 'InternalError', 'Internal server error'),
  SlowDown: storage(
    429,
    429,
    'SlowDown',
    'Too many connections issued to the database',
    'too_many_connections',
  ),
  /** Of the gateway in front of all. */
  'bad-gateway': { status: 502, body: '<html><head><title>502 Bad Gateway</title></head></html>' },
  'no-upstream': { status: 503, body: { message: 'name resolution failed' } },
  'origin-timeout': { status: 522, body: 'error code: 522' },
};
