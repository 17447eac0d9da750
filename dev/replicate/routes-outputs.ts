/** Downloads of output files: no authorization, as on replicate.delivery. */
import type { ServerResponse } from 'node:http';
import type { FileFault } from './faults.ts';
import { type Reply, type Request, type Route, route } from './http.ts';
import type { OutputFile } from './outputs.ts';
import { contentTypes, type Encoded } from './paint.ts';
import { notFound, serverError } from './problems.ts';
import type { Simulation } from './simulation.ts';

const defaultLargeBytes = 64 * 1024 * 1024;
/** Every piece begins elsewhere in it than the chunks of a reader do: one that is lost or moved shows. */
const padding = Buffer.from(Array.from({ length: 65_521 }, (_, at) => (at * at) >> 5));

export function outputRoutes(simulation: Simulation): Route[] {
  return [route('GET', '/files/:token/:name', (request) => download(request, simulation), 'file')];
}

async function download(request: Request, simulation: Simulation): Promise<Reply> {
  const file = simulation.outputs.find(request.params[0] ?? '');
  // `find` also removes data whose time is over.
  if (file === undefined || simulation.find(file.prediction.id)?.dataRemoved !== false) throw notFound();
  const { notes, fault } = file.prediction;
  notes.downloads += 1;
  const misbehave =
    fault.file_times === undefined || notes.downloads <= fault.file_times ? fault.file : undefined;
  if (misbehave === 'not_found') throw notFound();
  if (misbehave === 'server_error') throw serverError(503);
  const encoded = await simulation.painter.encode(file.picture);
  if (misbehave !== undefined) return wrongFile(misbehave, encoded, file);
  return { status: 200, stream: (response) => serve(request, response, encoded, file) };
}

function serve(request: Request, response: ServerResponse, { bytes, etag }: Encoded, file: OutputFile): void {
  const headers = fileHeaders(contentTypes[file.picture.format], etag);
  if (request.header('if-none-match') === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.header('range') ?? '');
  const first = Number(range?.[1] ?? 0);
  if (range === null || first >= bytes.length) {
    response.writeHead(200, { ...headers, 'content-length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
    return;
  }
  const last = range[2] === '' ? bytes.length - 1 : Math.min(Number(range[2]), bytes.length - 1);
  const part = bytes.subarray(first, last + 1);
  const contentRange = `bytes ${first}-${last}/${bytes.length}`;
  response.writeHead(206, { ...headers, 'content-range': contentRange, 'content-length': part.length });
  response.end(request.method === 'HEAD' ? undefined : part);
}

function wrongFile(fault: FileFault, { bytes, etag }: Encoded, { picture, prediction }: OutputFile): Reply {
  const type = contentTypes[picture.format];
  const whole = (contentType: string, body: Buffer) => (response: ServerResponse) => {
    response.writeHead(200, { ...fileHeaders(contentType, etag), 'content-length': body.length });
    response.end(body);
  };
  if (fault === 'wrong_type') return { status: 200, stream: whole('text/html; charset=utf-8', bytes) };
  if (fault === 'mislabelled') {
    return { status: 200, stream: whole(picture.format === 'png' ? 'image/jpeg' : 'image/png', bytes) };
  }
  if (fault === 'page') {
    return { status: 200, stream: whole('text/html', Buffer.from('<!DOCTYPE html><p>Back soon</p>')) };
  }
  if (fault === 'nothing') return { status: 200, stream: whole(type, Buffer.alloc(0)) };
  if (fault === 'not_image') {
    return {
      status: 200,
      stream: whole(type, Buffer.from('<html><body>This is not a picture.</body></html>')),
    };
  }
  if (fault === 'replaced') {
    return { status: 200, stream: whole(type, Buffer.from(prediction.fault.file_body ?? '')) };
  }
  const isCut = fault === 'truncated' || fault === 'truncated_chunked';
  const length = Math.max(
    prediction.fault.file_bytes ?? (isCut ? bytes.length : defaultLargeBytes),
    bytes.length,
  );
  const isDeclared = fault === 'truncated' || fault === 'too_large';
  const declared = isDeclared ? { 'content-length': length } : {};
  const sent = isCut ? length >> 1 : length;
  const stream = async (response: ServerResponse): Promise<void> => {
    response.writeHead(200, { ...fileHeaders(type, etag), ...declared });
    response.write(bytes.subarray(0, sent));
    await pad(response, sent - bytes.length);
    if (isCut) response.write('', () => response.socket?.destroy());
    else response.end();
  };
  return { status: 200, stream };
}

/** Writes what is no picture until the length is reached or the receiver has had enough. */
async function pad(response: ServerResponse, length: number): Promise<void> {
  for (let left = length; left > 0 && !response.destroyed; left -= padding.length) {
    if (response.write(left < padding.length ? padding.subarray(0, left) : padding)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        response.off('drain', go).off('close', go);
        resolve();
      };
      response.on('drain', go).on('close', go);
    });
  }
}

function fileHeaders(contentType: string, etag: string): Record<string, string> {
  return {
    'content-type': contentType,
    'cache-control': 'public,max-age=3600',
    'accept-ranges': 'bytes',
    etag,
  };
}
