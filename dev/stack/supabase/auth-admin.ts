import type http from 'node:http';
import { json } from 'node:stream/consumers';
import type { ProjectKeys } from './jwt.ts';
import type { Lite } from './lite.ts';

const PATH = /^\/auth\/v1\/admin\/users(?:\/([0-9a-f-]{36}))?$/;

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** As Auth words what it refuses. */
const refusal = (code: number, error_code: string, msg: string): Answer => ({
  status: code,
  body: { code, error_code, msg },
});

/**
 * The part of Auth's admin API that lite lacks and operators' tools use: a confirmed user is made, looked at, or deleted. Other
 * calls of it are left to lite, which knows none of them.
 *
 * @param role of the caller; undefined: nobody's
 */
export async function administer(
  lite: Lite,
  keys: ProjectKeys,
  request: http.IncomingMessage,
  { pathname, origin }: URL,
  role: string | undefined,
): Promise<Answer | undefined> {
  const found = PATH.exec(pathname);
  const [, id] = found ?? [];
  const wants = `${request.method}${id === undefined ? '' : ' one'}`;
  if (!found || !['POST', 'GET one', 'DELETE one'].includes(wants)) return undefined;
  if (role === undefined) return refusal(401, 'no_authorization', 'This endpoint requires a Bearer token');
  if (role !== 'service_role') return refusal(403, 'not_admin', 'User not allowed');
  if (id !== undefined) {
    const deletes = request.method === 'DELETE';
    const columns = 'id, aud, role, email, created_at, updated_at';
    const [user] = await lite.pool.query<Record<string, unknown>>(
      deletes
        ? `delete from auth.users where id = $1::uuid returning ${columns}`
        : `select ${columns} from auth.users where id = $1::uuid`,
      [id],
    );
    if (!user) return refusal(404, 'user_not_found', 'User not found');
    return { status: 200, body: deletes ? {} : user };
  }
  const { email, password } = (await json(request).catch(() => ({}))) as Record<string, unknown>;
  if (typeof email !== 'string' || typeof password !== 'string') {
    return refusal(400, 'validation_failed', 'Cannot create a user without either an email or phone');
  }
  const [known] = await lite.pool.query('select id from auth.users where lower(email) = lower($1)', [email]);
  if (known) {
    return refusal(422, 'email_exists', 'A user with this email address has already been registered');
  }
  // Addresses need no confirmation here, so that a sign-up makes a confirmed user.
  const signedUp = await lite.fetch(
    new Request(`${origin}/auth/v1/signup`, {
      method: 'POST',
      headers: { apikey: keys.anonKey, 'content-type': 'application/json' },
      body: JSON.stringify({ email, password }),
    }),
  );
  const body = (await signedUp.json()) as Record<string, unknown>;
  return signedUp.ok
    ? { status: 200, body: body.user as Record<string, unknown> }
    : { status: signedUp.status, body };
}
