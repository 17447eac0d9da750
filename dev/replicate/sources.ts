/**
 * Pictures that an input names. Read for real where that stays on this machine: data URIs, uploads, outputs,
 * and servers on loopback. The simulator never reaches out, so any other host stands for a picture of 1024x768.
 */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { InputField, ModelFacts } from './facts.ts';
import type { SourceImage } from './paint.ts';
import { scenery } from './scenery.ts';
import { ModelFailure } from './size.ts';
import { isLoopback } from './validate.ts';

const fetchTimeoutMs = 10_000;

/** Looks up a URL of the simulator itself; undefined when it is not one. */
export type OwnFiles = (url: URL) => Promise<Buffer | undefined>;

/** The pictures that an input names. */
export interface Sources {
  /** In the order of the model's source field. */
  sources: SourceImage[];
  mask: SourceImage | undefined;
}

/** Reads every picture of the model's source field, and the mask: as the model does, all of them or none. */
export async function sourceImages(
  model: ModelFacts,
  input: Record<string, unknown>,
  own: OwnFiles,
): Promise<Sources> {
  const field = model.supports.image_to_image?.field;
  if (field === undefined) return { sources: [], mask: undefined };
  checkCount(model.inputs[field], input[field]);
  const named = [input[field]].flat().filter((one) => typeof one === 'string' && one !== '') as string[];
  const mask = typeof input.mask === 'string' && 'mask' in model.inputs ? input.mask : undefined;
  if (mask !== undefined && named.length === 0) {
    throw new ModelFailure('A mask was given without an image that it is a mask of.');
  }
  const sources: SourceImage[] = [];
  for (const one of named) sources.push(await pictureAt(one, own));
  return { sources, mask: mask === undefined ? undefined : await pictureAt(mask, own) };
}

async function pictureAt(value: string, own: OwnFiles): Promise<SourceImage> {
  const bytes = await read(value, own);
  const { width, height } = await sharp(bytes)
    .metadata()
    .catch(() => {
      throw new ModelFailure(`cannot identify image file: ${value.slice(0, 100)}`);
    });
  return { bytes, width, height, digest: createHash('md5').update(bytes).digest('hex') };
}

function checkCount(field: InputField | undefined, value: unknown): void {
  if (field?.maxItems !== undefined && Array.isArray(value) && value.length > field.maxItems) {
    throw new ModelFailure(`Too many input images: ${value.length} given, at most ${field.maxItems} allowed`);
  }
}

async function read(value: string, own: OwnFiles): Promise<Buffer> {
  const url = new URL(value);
  if (url.protocol === 'data:') return Buffer.from(await (await fetch(url)).arrayBuffer());
  const mine = await own(url);
  if (mine !== undefined) return mine;
  if (!isLoopback(url.hostname)) return standIn();
  const response = await fetch(url, { signal: AbortSignal.timeout(fetchTimeoutMs) }).catch(
    (error: unknown) => {
      throw new ModelFailure(`Failed to download ${value}: ${String(error)}`);
    },
  );
  if (!response.ok) {
    throw new ModelFailure(`Client error '${response.status} ${response.statusText}' for url '${value}'`);
  }
  return Buffer.from(await response.arrayBuffer());
}

let drawn: Promise<Buffer> | undefined;

function standIn(): Promise<Buffer> {
  drawn ??= sharp(Buffer.from(scenery(1024, 768, 7, undefined)))
    .jpeg()
    .toBuffer();
  return drawn;
}
