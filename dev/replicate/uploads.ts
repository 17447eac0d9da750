/** `/v1/files`: pictures that a client uploads to use as an input. */
import { createHash } from 'node:crypto';
import { type Request, type Route, route } from './http.ts';
import { fileTooLarge, notFound, Problem } from './problems.ts';
import { randomId } from './random.ts';
import type { Simulation } from './simulation.ts';

const maxBytes = 100 * 1024 * 1024;
const lifetimeMs = 24 * 3_600_000;

export interface Upload {
  id: string;
  name: string;
  type: string;
  bytes: Buffer;
  metadata: unknown;
  createdAt: number;
}

export class Uploads {
  readonly #files = new Map<string, Upload>();

  add(upload: Upload): void {
    this.#files.set(upload.id, upload);
  }

  find(id: string): Upload | undefined {
    return this.#files.get(id);
  }

  remove(id: string): boolean {
    return this.#files.delete(id);
  }

  list(): Upload[] {
    return [...this.#files.values()].reverse();
  }

  clear(): void {
    this.#files.clear();
  }
}

export function uploadRoutes(simulation: Simulation): Route[] {
  const one = (request: Request): Upload => {
    const upload = simulation.uploads.find(request.params[0] ?? '');
    if (upload === undefined) throw notFound();
    return upload;
  };
  return [
    route(
      'POST',
      '/v1/files',
      async (request) => {
        const upload = await receive(request);
        simulation.uploads.add(upload);
        return { status: 201, body: describe(upload, simulation.origin) };
      },
      'upload',
    ),
    route('GET', '/v1/files', () => {
      const results = simulation.uploads.list().map((upload) => describe(upload, simulation.origin));
      return { status: 200, body: { previous: null, next: null, results } };
    }),
    route('GET', '/v1/files/:id', (request) => ({
      status: 200,
      body: describe(one(request), simulation.origin),
    })),
    route('DELETE', '/v1/files/:id', (request) => {
      if (!simulation.uploads.remove(one(request).id)) throw notFound();
      return { status: 204 };
    }),
    route('GET', '/v1/files/:id/download', (request) => {
      const { type, bytes } = one(request);
      return {
        status: 200,
        stream: (response) => {
          response.writeHead(200, { 'content-type': type, 'content-length': bytes.length });
          response.end(bytes);
        },
      };
    }),
  ];
}

async function receive(request: Request): Promise<Upload> {
  const bytes = await request.bytes();
  const headers = { 'content-type': request.header('content-type') ?? '' };
  const form = await new Response(new Uint8Array(bytes), { headers }).formData().catch(() => new FormData());
  const content = form.get('content');
  if (!(content instanceof File)) {
    throw new Problem(400, { detail: 'Missing content', status: 400 });
  }
  if (content.size > maxBytes) throw fileTooLarge();
  return {
    id: randomId(44),
    name: text(form.get('filename')) ?? content.name,
    type: text(form.get('type')) ?? (content.type || 'application/octet-stream'),
    bytes: Buffer.from(await content.arrayBuffer()),
    metadata: await metadataOf(form.get('metadata')),
    createdAt: Date.now(),
  };
}

function text(value: FormDataEntryValue | null): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

async function metadataOf(value: FormDataEntryValue | null): Promise<unknown> {
  if (value === null) return {};
  const json = typeof value === 'string' ? value : await value.text();
  try {
    return JSON.parse(json);
  } catch {
    throw new Problem(400, { detail: 'Invalid metadata', status: 400 });
  }
}

function describe(upload: Upload, origin: string): Record<string, unknown> {
  const digest = (algorithm: string): string => createHash(algorithm).update(upload.bytes).digest('hex');
  const md5 = digest('md5');
  return {
    id: upload.id,
    name: upload.name,
    content_type: upload.type,
    size: upload.bytes.length,
    etag: md5,
    checksums: { sha256: digest('sha256'), md5 },
    metadata: upload.metadata,
    created_at: new Date(upload.createdAt).toISOString(),
    expires_at: new Date(upload.createdAt + lifetimeMs).toISOString(),
    urls: { get: `${origin}/v1/files/${upload.id}` },
  };
}
