import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, mkdirSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';

type Body = Uint8Array | Blob | NodeReadableStream<Uint8Array>;

interface Metadata {
  cacheControl: string;
  contentLength: number;
  size: number;
  mimetype: string;
  lastModified: Date;
  eTag: string;
  httpStatusCode: number;
}

/** A body that is written and not yet an object. */
interface StagedFile {
  metadata: Metadata;
  /** Makes it an object, in place of what that was. */
  publish(bucket: string, key: string): Promise<void>;
  /** Removes it, unless it was published. */
  discard(): Promise<void>;
}

/** The body has more bytes than were allowed. */
export class TooLarge extends Error {}

/**
 * Stored objects as files (the package's own file adapter is not exported): one for the bytes, one for
 * the metadata. Their names are hashes, so that no object's name can leave the folder or be too long.
 * A reader sees an object whole or not at all.
 */
export class FileStorage {
  readonly driver = null;
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = path.resolve(dir);
    mkdirSync(this.#dir, { recursive: true });
  }

  #file(bucket: string, key: string): string {
    const name = createHash('sha256').update(`${bucket}/${key}`).digest('hex');
    return path.join(this.#dir, name.slice(0, 2), name);
  }

  async uploadObject(
    bucket: string,
    key: string,
    _version: string | undefined,
    body: Body,
    contentType: string,
    cacheControl: string,
  ): Promise<Metadata> {
    const staged = await this.stage(toReadable(body), contentType, cacheControl);
    try {
      await staged.publish(bucket, key);
    } finally {
      await staged.discard();
    }
    return staged.metadata;
  }

  /** Writes the body beside the objects; it cannot be read before it is published. */
  async stage(
    body: AsyncIterable<Uint8Array>,
    contentType: string,
    cacheControl: string,
    maxBytes = Number.POSITIVE_INFINITY,
  ): Promise<StagedFile> {
    const unfinished = path.join(this.#dir, `unfinished-${randomUUID()}`);
    const hash = createHash('md5');
    let size = 0;
    let published = false;
    const discard = async () => {
      if (published) return;
      await Promise.all([unfinished, `${unfinished}.json`].map((file) => fs.rm(file, { force: true })));
    };
    try {
      const file = await fs.open(unfinished, 'w');
      try {
        for await (const chunk of body) {
          size += chunk.length;
          if (size > maxBytes) throw new TooLarge();
          hash.update(chunk);
          await file.writeFile(chunk);
        }
      } finally {
        await file.close();
      }
      const metadata: Metadata = {
        cacheControl,
        contentLength: size,
        size,
        mimetype: contentType,
        lastModified: new Date(),
        eTag: `"${hash.digest('hex')}"`,
        httpStatusCode: 200,
      };
      await fs.writeFile(`${unfinished}.json`, JSON.stringify(metadata));
      const publish = async (bucket: string, key: string) => {
        const file = this.#file(bucket, key);
        await fs.mkdir(path.dirname(file), { recursive: true });
        await fs.rename(`${unfinished}.json`, `${file}.json`);
        await fs.rename(unfinished, file);
        published = true;
      };
      return { metadata, publish, discard };
    } catch (error) {
      await discard();
      throw error;
    }
  }

  async headObject(bucket: string, key: string): Promise<Metadata> {
    const metadata = JSON.parse(await fs.readFile(`${this.#file(bucket, key)}.json`, 'utf8'));
    return { ...metadata, lastModified: new Date(metadata.lastModified) };
  }

  async getObject(bucket: string, key: string) {
    const file = await fs.open(this.#file(bucket, key));
    try {
      const metadata = await this.headObject(bucket, key);
      const { size } = await file.stat();
      return {
        metadata: { ...metadata, contentLength: size, size },
        httpStatusCode: 200,
        body: Readable.toWeb(file.createReadStream()),
      };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async deleteObject(bucket: string, key: string): Promise<void> {
    const file = this.#file(bucket, key);
    await fs.rm(file, { force: true });
    await fs.rm(`${file}.json`, { force: true });
  }

  async deleteObjects(bucket: string, keys: string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.deleteObject(bucket, key)));
  }

  async copyObject(
    bucket: string,
    key: string,
    _version: string | undefined,
    toBucket: string,
    toKey: string,
  ) {
    const { mimetype, cacheControl } = await this.headObject(bucket, key);
    const source = Readable.toWeb(
      createReadStream(this.#file(bucket, key)),
    ) as NodeReadableStream<Uint8Array>;
    const copy = await this.uploadObject(toBucket, toKey, undefined, source, mimetype, cacheControl);
    return { httpStatusCode: 200, eTag: copy.eTag, lastModified: copy.lastModified };
  }

  async privateAssetUrl(bucket: string, key: string): Promise<string> {
    return `file://${this.#file(bucket, key)}`;
  }
}

function toReadable(body: Body): Readable {
  if (body instanceof Uint8Array) return Readable.from([body]);
  return Readable.fromWeb(body instanceof Blob ? (body.stream() as NodeReadableStream<Uint8Array>) : body);
}
