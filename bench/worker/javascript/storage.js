/** Files into Storage: a finished image from the provider's host, and an upload of a user. */
import { contentLength, internal, invalid, Problem, unavailable } from './frame.js';
import { inspect, Walk } from './image.js';
import { authorization, stored } from './supabase.js';

const HEAD_BYTES = 64 * 1024;
const MAX_IMAGE_BYTES = 50 * 1000 * 1000;
const MAX_SOURCE_BYTES = 10 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

/** The image could not be stored. */
export class StoreFault {
  constructor(kind, cause) {
    this.kind = kind;
    this.cause = cause;
  }
}

function checkImage(answer, head) {
  if ([403, 404, 410].includes(answer.status)) throw new StoreFault('gone', `status ${answer.status}`);
  if (answer.status !== 200) throw new StoreFault('transient', `status ${answer.status}`);
  const declared = (answer.headers.get('content-type') ?? '').toLowerCase().split(';')[0].trim();
  const isNamed = declared.startsWith('image/');
  const isUndeclared = ['', 'application/octet-stream', 'binary/octet-stream'].includes(declared);
  const image = isNamed || isUndeclared ? inspect(head) : undefined;
  if (!image) throw new StoreFault('permanent', `declared as ${declared}, and the bytes are not that`);
  return image;
}

/** A stream that breaks off when more comes through than is allowed. */
function counted(count) {
  return new TransformStream({
    transform(chunk, controller) {
      count.bytes += chunk.byteLength;
      if (count.bytes > MAX_IMAGE_BYTES) throw new StoreFault('permanent', 'too large');
      controller.enqueue(chunk);
    },
  });
}

/** Streams the file at `url` into Storage once its head has been looked at. @returns what is recorded of it */
export async function storeImage(supabase, url, folder, name) {
  const source = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(60_000) });
  const length = contentLength(source.headers);
  if (length > MAX_IMAGE_BYTES) throw new StoreFault('permanent', 'too large');
  const reader = source.body.getReader({ mode: 'byob' });
  const least = Math.min(length || HEAD_BYTES, HEAD_BYTES);
  const { value: head = new Uint8Array() } = await reader.readAtLeast(least, new Uint8Array(least));
  let image;
  try {
    image = checkImage(source, head);
  } catch (refusal) {
    reader.cancel().catch(() => {});
    throw refusal;
  }
  const path = `${folder}/${name}.${image.format}`;
  const upload = (body) =>
    fetch(`${supabase.url}/storage/v1/object/generated-images/${path}`, {
      method: 'POST',
      headers: {
        ...authorization(supabase),
        'content-type': image.contentType,
        'cache-control': 'max-age=31536000',
        'x-upsert': 'true',
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(60_000),
    });
  const count = { bytes: length };
  if (length === head.byteLength) {
    await stored(await upload(head));
  } else {
    reader.releaseLock();
    count.bytes ??= 0;
    const pipe = length === undefined ? counted(count) : new FixedLengthStream(length);
    const [answer] = await Promise.all([upload(pipe.readable), pipeFrom(head, source.body, pipe.writable)]);
    await stored(answer);
  }
  const publicUrl = `${supabase.url}/storage/v1/object/public/generated-images/${path}`;
  return { path, publicUrl, bytes: count.bytes, size: image.size, format: image.format };
}

async function pipeFrom(head, body, writable) {
  const writer = writable.getWriter();
  await writer.write(head);
  writer.releaseLock();
  await body.pipeTo(writable);
}

/** The next chunk of an upload; empty at the end. */
async function nextChunk(reader, buffer, size) {
  const read = reader.readAtLeast(size, new Uint8Array(buffer)).catch(() => {
    throw invalid('body', 'The body could not be read.');
  });
  return (await read).value ?? new Uint8Array();
}

/** Passes an upload on with the user's own token; what is not all of an image is broken off before its last byte. */
export async function storeSource(request, supabase, { userId, token }) {
  const length = contentLength(request.headers);
  if (!request.body || length === 0) throw invalid('body', 'The body must be the image file.');
  if (length === undefined) throw internal(); // not among what is measured
  const reader = request.body.getReader({ mode: 'byob' });
  const size = Math.min(length, CHUNK_BYTES);
  let chunk = await nextChunk(reader, new ArrayBuffer(size), size);
  const image = inspect(chunk.subarray(0, HEAD_BYTES));
  if (!image || image.format === 'gif') {
    const detail =
      'The file is no PNG, JPEG or WebP. Send one of these as it is, as the body of the request.';
    throw new Problem('unsupported_media_type', detail);
  }
  if (length > MAX_SOURCE_BYTES)
    throw new Problem('body_too_large', 'A source image must be at most 10 MiB.');
  const sourceId = crypto.randomUUID();
  const breaker = new AbortController();
  const { readable, writable } = new FixedLengthStream(length);
  const upload = fetch(
    `${supabase.url}/storage/v1/object/source-images/${userId}/${sourceId}.${image.format}`,
    {
      method: 'POST',
      headers: {
        ...authorization(supabase, token),
        'content-type': image.contentType,
        'cache-control': 'no-store',
      },
      body: readable,
      redirect: 'manual',
      signal: AbortSignal.any([AbortSignal.timeout(300_000), breaker.signal]),
    },
  );
  upload.catch(() => {}); // awaited below, unless the body breaks off before
  const walk = new Walk(image.format);
  const writer = writable.getWriter();
  let bytes = 0;
  let dimensions;
  while (chunk.byteLength > 0) {
    bytes += chunk.byteLength;
    walk.chunk(chunk);
    if (bytes >= length) {
      dimensions = walk.size ?? image.size;
      if (!walk.isWhole || !dimensions) {
        breaker.abort();
        const detail = 'The image file is damaged, or not all of it was sent.';
        throw new Problem('invalid_image', detail);
      }
    }
    await writer.write(chunk);
    chunk = await nextChunk(reader, chunk.buffer, size);
  }
  await writer.close();
  await stored(await upload).catch((error) => {
    console.error(String(error));
    throw error.status === 403
      ? new Problem('forbidden', 'The image was not stored: there are too many uploads in this account.')
      : unavailable();
  });
  const [width, height] = dimensions;
  const expiresAt = new Date(Date.now() + 24 * 60 * 60 * 1000).toISOString();
  return { source_id: sourceId, format: image.format, bytes, width, height, expires_at: expiresAt };
}
