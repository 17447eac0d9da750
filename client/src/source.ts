import type { Http } from './http.ts';
import { platform, type SignalLike } from './platform.ts';
import type { Source } from './types.ts';

/** A `Blob` or `File`. */
export interface BlobLike {
  readonly size: number;
  readonly type: string;
}

/** A picture on a React Native device, as image pickers give it (Expo says `mimeType`, others `type`). */
export interface FileUri {
  uri: string;
  /** Such as `image/jpeg`. */
  type?: string | null | undefined;
  mimeType?: string | null | undefined;
  name?: string | null | undefined;
}

/** A PNG, JPEG or WebP of at most 10 MiB. */
export type SourceFile = BlobLike | ArrayBuffer | Uint8Array | FileUri;

/** Milliseconds: 10 MiB over a slow line. */
const TIMEOUT_MS = 300_000;

export async function uploadSource(http: Http, file: SourceFile, signal?: SignalLike): Promise<Source> {
  const [body, contentType] = await read(file);
  return http<Source>({ method: 'POST', path: '/sources', body, contentType, timeoutMs: TIMEOUT_MS, signal });
}

async function read(file: SourceFile): Promise<[body: unknown, type: string]> {
  if ('uri' in file) {
    // React Native's fetch reads the device's files too.
    const response = await platform.fetch(file.uri, { method: 'GET', headers: {} });
    const blob = await (response as unknown as { blob(): Promise<BlobLike> }).blob();
    const types = [file.mimeType, file.type, blob.type];
    return [blob, types.find((type) => type?.includes('/')) ?? typeOfName(file.name ?? file.uri)];
  }
  if ('size' in file) return [file, file.type || typeOfName((file as { name?: string }).name ?? '')];
  const [first] = 'byteOffset' in file ? file : new Uint8Array(file as ArrayBuffer);
  return [file, first === 0x89 ? 'image/png' : first === 0xff ? 'image/jpeg' : 'image/webp'];
}

function typeOfName(name: string): string {
  const [, extension = ''] = /\.(png|webp)$/i.exec(name) ?? [];
  return `image/${extension.toLowerCase() || 'jpeg'}`;
}
