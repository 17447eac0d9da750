import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Caller } from './credentials.ts';
import { type FileStorage, TooLarge } from './file-storage.ts';
import type { Pool } from './pool.ts';
import {
  fromDatabase,
  invalidKey,
  invalidMimeType,
  noBucket,
  noContent,
  type StorageAnswer,
  tooLarge,
} from './storage-errors.ts';
import { runAs } from './transaction.ts';

export interface UploadTarget {
  bucket: string;
  /** The object's name in its bucket. */
  name: string;
}

interface Bucket {
  file_size_limit: string | null;
  allowed_mime_types: string[] | null;
}

const OBJECT =
  /^\/storage\/v1\/object\/(?!(?:public|sign|upload|list|info|authenticated|move|copy)\/)([^/]+)\/(.+)$/;
/** As everywhere on the free plan; a bucket can set less. */
const MAX_BYTES = 50 * 1024 * 1024;
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
 * POST and PUT /storage/v1/object/<bucket>/<name> as Supabase's Storage answers them (its uploader.ts, August 2026):
 * before the body comes, policies decide about a row with what is known by then, and that row is taken back. Then the
 * body streams into a file, and the row is written with Storage's own rights, in place of whatever is there by then.
 *
 * So uploads at the same time are all judged before any of them is there, and a body without a length is held to no
 * limit: neither the bucket's nor a policy that asks for `metadata->>'contentLength'`, which is null.
 */
export class Uploads {
  readonly #pool: Pool;
  readonly #own: Pool;
  readonly #files: FileStorage;

  /**
   * @param pool connections as `authenticator`
   * @param own with Storage's own rights
   */
  constructor(pool: Pool, own: Pool, files: FileStorage) {
    this.#pool = pool;
    this.#own = own;
    this.#files = files;
  }

  async upload(target: UploadTarget, request: IncomingMessage, caller: Caller): Promise<StorageAnswer> {
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
    const [bucket] = await this.#own.query<Bucket>(
      'select file_size_limit::text, allowed_mime_types from storage.buckets where id = $1',
      [id],
    );
    if (!bucket) return noBucket();
    const limit = isFolder(name) ? 0 : Math.min(MAX_BYTES, Number(bucket.file_size_limit ?? MAX_BYTES));
    const isForm = request.headers['content-type']?.startsWith('multipart/form-data') ?? false;
    const content = isForm ? await readForm(request) : readPlain(request);
    if (!content) return noContent();
    const { contentType } = content;
    if (!isFolder(name) && !isAllowed(contentType, bucket.allowed_mime_types ?? [])) {
      return invalidMimeType(contentType);
    }
    // Of a form it is more than the file's. Absent: the body comes in chunks.
    const length = request.headers['content-length'];
    const declared = length === undefined ? undefined : Number(length);
    if (!isForm && declared !== undefined && declared > limit) return tooLarge();
    if (!isValidKey(name)) return invalidKey(name);

    const replace = request.method === 'PUT' || request.headers['x-upsert'] === 'true';
    const { metadata: userMetadata } = content;
    const owner = caller.claims.sub ?? null;
    const row = { id, name, owner, userMetadata };
    const known = { mimetype: contentType, ...(declared === undefined ? {} : { contentLength: declared }) };
    await this.#mayWrite(
      replace ? REPLACE : CREATE,
      { ...row, metadata: known, version: '1' },
      request,
      caller,
    );

    const maxBytes = isForm ? limit : Number.POSITIVE_INFINITY;
    const file = await this.#files.stage(content.body, contentType, content.cacheControl, maxBytes);
    try {
      const { metadata } = file;
      const written = { ...row, metadata, version: randomUUID() };
      const objectId = await this.#write(written, () => file.publish(id, name));
      return { status: 200, body: { Id: objectId, Key: `${id}/${name}` } };
    } finally {
      await file.discard();
    }
  }

  /** Lets the policies decide about a row, and takes it back. */
  async #mayWrite(text: string, row: Row, request: IncomingMessage, caller: Caller): Promise<void> {
    const options = {
      caller,
      settings: {
        search_path: 'storage, public, extensions',
        'request.method': request.method ?? '',
        'request.path': request.url ?? '',
        'request.headers': JSON.stringify(request.headers),
        'storage.operation': `storage.object.upload${request.method === 'PUT' ? '_update' : ''}`,
      },
      rollback: true,
    };
    await runAs(this.#pool, { text, parameters: parametersOf(row) }, options);
  }

  /** One upload of an object waits for another; the file takes its place before the row is committed. */
  async #write(row: Row, publish: () => Promise<void>): Promise<string | undefined> {
    return await this.#own.transaction(async (connection) => {
      await connection.unsafe(ASSUME_STORAGE);
      await connection.unsafe('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `${row.id}/${row.name}`,
      ]);
      const [written] = await connection.unsafe<{ id: string }>(REPLACE, parametersOf(row));
      await publish();
      return written?.id;
    });
  }
}

const ASSUME_STORAGE = `select set_config('role', 'service_role', true),
  set_config('request.jwt.claims', '{"role": "service_role"}', true), set_config('lock_timeout', '5s', true)`;

interface Row {
  /** Of the bucket. */
  id: string;
  name: string;
  owner: string | null;
  metadata: object;
  userMetadata: string;
  version: string;
}

const parametersOf = ({ id, name, owner, metadata, userMetadata, version }: Row) => [
  id,
  name,
  owner && UUID.test(owner) ? owner : null,
  owner,
  JSON.stringify(metadata),
  userMetadata,
  version,
];

const COLUMNS = '(bucket_id, name, owner, owner_id, metadata, user_metadata, version)';
const VALUES = `($1::text, $2::text, $3::text::uuid, $4::text, $5::text::jsonb, $6::text::jsonb, $7::text)`;
/** Returns nothing: who may insert need not be able to read. */
const CREATE = `insert into storage.objects ${COLUMNS} values ${VALUES}`;
/** Needs policies for insert, select and update, as on Supabase. */
const REPLACE = `insert into storage.objects ${COLUMNS} values ${VALUES}
  on conflict (name, bucket_id) do update set
    owner = excluded.owner, owner_id = excluded.owner_id, metadata = excluded.metadata,
    user_metadata = excluded.user_metadata, version = excluded.version, updated_at = now()
  returning *`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Names that Storage takes. */
const isValidKey = (name: string) => /^[\w/!\-.*'() &$@=;:+,?]+$/.test(name);

/** What the dashboard puts into a folder that is to be there without a file. */
const isFolder = (name: string) => name.endsWith('.emptyFolderPlaceholder');

/** Letter by letter, as Storage compares them: `image/*` allows any image, a parameter is part of the type. */
function isAllowed(contentType: string, allowed: string[]): boolean {
  const [type] = contentType.split('/', 1);
  return allowed.length === 0 || allowed.some((one) => one === contentType || one === `${type}/*`);
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
    contentType: String(form.get('contentType') ?? file.type) || DEFAULT_TYPE,
    cacheControl: seconds ? `max-age=${seconds}` : 'no-cache',
    metadata: asJson(String(form.get('metadata') ?? form.get('userMetadata') ?? '')),
  };
}

function asJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return '{}';
  }
}
