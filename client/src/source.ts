import type { Http } from './http.ts';
import { platform, type SignalLike } from './platform.ts';
import type { Source } from './types.ts';

/** A `Blob` or `File`. */
export interface BlobLike {
  readonly size: number;
  readonly type: string;
}

/** An image on a React Native device, as image pickers give it. What they say of its type does not matter. */
export interface FileUri {
  uri: string;
  type?: string | null | undefined;
  mimeType?: string | null | undefined;
  name?: string | null | undefined;
}

/** A PNG, JPEG or WebP of at most 10 MiB, whatever its name and its declared type say. */
export type SourceFile = BlobLike | ArrayBuffer | Uint8Array | FileUri;

export async function uploadSource(http: Http, file: SourceFile, signal?: SignalLike): Promise<Source> {
  let body: unknown = file;
  if ('uri' in file) {
    // React Native's fetch reads the device's files too.
    const response = await platform.fetch(file.uri, { method: 'GET', headers: {} });
    body = await (response as unknown as { blob(): Promise<BlobLike> }).blob();
  }
  // What it is, the server sees in its bytes: phones and browsers have many names for the same type.
  const contentType = 'application/octet-stream';
  // 10 MiB over a slow line.
  const timeoutMs = 300_000;
  return http<Source>({ method: 'POST', path: '/sources', body, contentType, timeoutMs, signal });
}

const isFile = (value: unknown): value is SourceFile => {
  const one = value as { uri?: unknown; size?: unknown; byteLength?: unknown } | null | undefined;
  return (one?.uri ?? one?.size ?? one?.byteLength) !== undefined;
};

/**
 * The body of a start: each file, also in a list, is uploaded, and its id put in its place.
 *
 * @throws what an upload throws; then nothing is started
 */
export async function uploadFiles(
  params: object,
  upload: (file: SourceFile) => Promise<Source>,
): Promise<object> {
  const sent = async (value: unknown): Promise<unknown> => {
    if (Array.isArray(value)) return Promise.all(value.map(sent));
    return isFile(value) ? (await upload(value)).source_id : value;
  };
  const body: Record<string, unknown> = { ...params };
  for (const name in body) body[name] = await sent(body[name]);
  return body;
}
