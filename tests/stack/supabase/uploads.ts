import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type postgres from 'postgres';
import type { Caller } from './credentials.ts';
import { type FileStorage, TooLarge } from './file-storage.ts';
import { fromSqlError } from './postgrest-errors.ts';
import { runAs } from './transaction.ts';

export interface UploadTarget {
  bucket: string;
  /** The object's name in its bucket. */
  name: string;
}

export interface UploadAnswer {
  status: number;
  body: Record<string, unknown>;
}

interface Bucket {
  file_size_limit: string | null;
  allowed_mime_types: string[] | null;
}

const OBJECT =
  /^\/storage\/v1\/object\/(?!(?:public|sign|upload|list|info|authenticated|move|copy)\/)([^/]+)\/(.+)$/;
/** As everywhere on the free plan; a bucket can set less. */
const MAX_BYTES = 50 * 1024 * 1024;
const MAX_FORM_OVERHEAD = 64 * 1024;
const DEFAULT_TYPE = 'application/octet-stream';

/**
 * The object that a request puts, when it is one for us. Names with characters that only an escape can carry
 * are left to lite: it takes the escape for the name, and must find it again.
 */
export function uploadTarget({ method }: IncomingMessage, url: URL): UploadTarget | undefined {
  if (method !== 'POST' && method !== 'PUT') return undefined;
  const [, bucket, name] = OBJECT.exec(url.pathname) ?? [];
  if (!bucket || !name || url.pathname.includes('%25')) return undefined;
  try {
    if (decodeURIComponent(url.pathname) !== decodeURI(url.pathname)) return undefined;
    return { bucket: decodeURI(bucket), name: decodeURI(name) };
  } catch {
    return undefined; // a broken escape
  }
}

/**
 * POST and PUT /storage/v1/object/<bucket>/<name> as Supabase's Storage answers them: the body streams into a
 * file, the object's row is written under the caller's role (so that policies decide), and before that is
 * committed the file takes its place. One upload of an object waits for another in the database.
 */
export class Uploads {
  readonly #sql: postgres.Sql;
  readonly #superuser: postgres.Sql;
  readonly #files: FileStorage;

  /**
   * @param sql connections as `authenticator`
   * @param superuser reads buckets, whatever the caller may see
   */
  constructor(sql: postgres.Sql, superuser: postgres.Sql, files: FileStorage) {
    this.#sql = sql;
    this.#superuser = superuser;
    this.#files = files;
  }

  async upload(target: UploadTarget, request: IncomingMessage, caller: Caller): Promise<UploadAnswer> {
    try {
      return await this.#upload(target, request, caller);
    } catch (error) {
      if (error instanceof TooLarge) return tooLarge();
      const answer = request.errored ? undefined : fromDatabase(error);
      if (answer) return answer;
      throw error; // the caller has gone, or the disk is full
    } finally {
      request.resume(); // what is left of a refused body, so that the caller gets to read the answer
    }
  }

  async #upload({ bucket: id, name }: UploadTarget, request: IncomingMessage, caller: Caller) {
    if (!isValidKey(name)) return refusal(400, 'InvalidKey', `Invalid key: ${name}`);
    const [bucket] = await this.#superuser<Bucket[]>`
      select file_size_limit::text, allowed_mime_types from storage.buckets where id = ${id}`;
    if (!bucket) return noBucket();

    const { headers } = request;
    const limit = Math.min(MAX_BYTES, Number(bucket.file_size_limit ?? MAX_BYTES));
    const isForm = headers['content-type']?.startsWith('multipart/form-data');
    const given = Number(headers['content-length'] ?? 0);
    if (given > limit + (isForm ? MAX_FORM_OVERHEAD : 0)) return tooLarge();
    const content = isForm ? await readForm(request) : readPlain(request);
    if (!content) return refusal(400, 'InvalidRequest', 'No file provided');
    const { body, contentType, cacheControl, metadata } = content;
    if (!isAllowed(contentType, bucket.allowed_mime_types ?? [])) {
      return refusal(415, 'invalid_mime_type', `mime type ${contentType} is not supported`);
    }
    const file = await this.#files.stage(body, contentType, cacheControl, limit);
    try {
      const replace = request.method === 'PUT' || headers['x-upsert'] === 'true';
      const owner = caller.claims.sub ?? null;
      const newId = randomUUID();
      const rows = await runAs<{ id: string }>(
        this.#sql,
        {
          text: replace ? REPLACE : CREATE,
          parameters: [
            newId,
            id,
            name,
            owner && UUID.test(owner) ? owner : null,
            owner,
            JSON.stringify(file.metadata),
            metadata,
            randomUUID(), // the version
          ],
        },
        {
          caller,
          settings: {
            search_path: 'storage, public, extensions',
            'request.method': request.method ?? '',
            'request.path': request.url ?? '',
            'request.headers': JSON.stringify(headers),
            'storage.operation': `storage.object.upload${request.method === 'PUT' ? '_update' : ''}`,
          },
          beforeCommit: () => file.publish(id, name),
        },
      );
      return { status: 200, body: { Id: rows[0]?.id ?? newId, Key: `${id}/${name}` } };
    } finally {
      await file.discard();
    }
  }
}

const COLUMNS = '(id, bucket_id, name, owner, owner_id, metadata, user_metadata, version)';
const VALUES = `($1::text::uuid, $2::text, $3::text, $4::text::uuid, $5::text, $6::text::jsonb, $7::text::jsonb, $8::text)`;
/** Returns nothing: who may insert need not be able to read. */
const CREATE = `insert into storage.objects ${COLUMNS} values ${VALUES}`;
/** Needs policies for insert, select and update, as on Supabase. */
const REPLACE = `insert into storage.objects ${COLUMNS} values ${VALUES}
  on conflict (bucket_id, name) do update set
    owner = excluded.owner, owner_id = excluded.owner_id, metadata = excluded.metadata,
    user_metadata = excluded.user_metadata, version = excluded.version, updated_at = now()
  returning id`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Names that Storage takes. */
const isValidKey = (name: string) => /^[\w/!\-.*'() &$@=;:+,?]+$/.test(name);

/** `image/*` allows any image. */
function isAllowed(contentType: string, allowed: string[]): boolean {
  const [given = ''] = contentType.toLowerCase().split(';', 1);
  const [type] = given.trim().split('/', 1);
  return allowed.length === 0 || allowed.some((one) => [given.trim(), `${type}/*`, '*/*'].includes(one));
}

interface Content {
  body: AsyncIterable<Uint8Array>;
  contentType: string;
  cacheControl: string;
  /** The user's own, as JSON. */
  metadata: string;
}

function readPlain(request: IncomingMessage): Content {
  const {
    'content-type': contentType,
    'cache-control': cacheControl,
    'x-metadata': metadata,
  } = request.headers;
  return {
    body: request.iterator({ destroyOnReturn: false }),
    contentType: contentType ?? DEFAULT_TYPE,
    cacheControl: cacheControl ?? 'no-cache',
    metadata: asJson(Buffer.from(String(metadata ?? ''), 'base64').toString('utf8')),
  };
}

/** What supabase-js makes of a Blob: the file has no name in the form. Read into memory. */
async function readForm(request: IncomingMessage): Promise<Content | undefined> {
  const body = Readable.toWeb(request) as ReadableStream<Uint8Array>;
  const type = { 'content-type': request.headers['content-type'] ?? '' };
  const form = await new Response(body, { headers: type }).formData().catch(() => undefined);
  const file = form && [...form.values()].find((value) => typeof value !== 'string');
  if (!file) return undefined;
  const seconds = form.get('cacheControl');
  return {
    body: Readable.from([Buffer.from(await file.arrayBuffer())]),
    contentType: file.type || DEFAULT_TYPE,
    cacheControl: seconds ? `max-age=${seconds}` : 'no-cache',
    metadata: asJson(String(form.get('metadata') ?? '')),
  };
}

function asJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return '{}';
  }
}

/** Storage answers 400 to what it refuses; the status that is meant is in the body. */
const refusal = (meant: number, error: string, message: string): UploadAnswer => ({
  status: meant === 500 || meant === 503 ? meant : 400,
  body: { statusCode: String(meant), error, message },
});
const noBucket = () => refusal(404, 'Bucket not found', 'Bucket not found');
const tooLarge = () => refusal(413, 'Payload too large', 'The object exceeded the maximum allowed size');

function fromDatabase(raw: unknown): UploadAnswer | undefined {
  const error = raw as { severity?: string; code?: string };
  if (!error?.severity && !/^(CONNECT|ECONN|EPIPE)/.test(error?.code ?? '')) return undefined;
  const { code, status, message } = fromSqlError(raw, false);
  if (code === '42501') return refusal(403, 'Unauthorized', 'new row violates row-level security policy');
  if (code === '23505') return refusal(409, 'Duplicate', 'The resource already exists');
  if (code === '23503') return noBucket(); // removed a moment ago
  return refusal(status === 503 ? 503 : 500, 'DatabaseError', message);
}
