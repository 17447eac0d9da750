/** Output files: which pictures a prediction makes, and the URLs under which they are served. */
import type { ModelFacts } from './facts.ts';
import type { Format, Painter, Picture, SourceImage } from './paint.ts';
import { contentTypes } from './paint.ts';
import type { Prediction } from './prediction.ts';
import { hashText, randomId } from './random.ts';
import { buckets } from './scenery.ts';
import { outputSize } from './size.ts';

export interface OutputFile {
  prediction: Prediction;
  picture: Picture;
}

/** The pictures that this prediction makes. Throws `ModelFailure` where the model would fail. */
export function picturesOf(prediction: Prediction, source: SourceImage | undefined): Picture[] {
  const { model, input, seed } = prediction;
  const [width, height] = outputSize(model, input, source && [source.width, source.height]);
  const format = formatOf(model, input);
  const prompt = typeof input.prompt === 'string' ? input.prompt : '';
  const mode = modeOf(model, source);
  return Array.from({ length: countOf(model, input) }, (_, index) => {
    const bucket = hashText(`${prompt}/${seed + index}`) % buckets;
    const picture: Picture = { width, height, format, bucket, mode };
    if (source !== undefined) picture.source = source;
    // The prompt as text makes every picture its own to encode: only where somebody has time to look.
    if (prediction.generationMs > 0 && prompt !== '') picture.caption = prompt;
    return picture;
  });
}

/** The served output files, by token. */
export class Outputs {
  readonly #files = new Map<string, OutputFile>();
  readonly #painter: Painter;

  constructor(painter: Painter) {
    this.#painter = painter;
  }

  /** URL of a new file: `out-0.webp` for models with lists, as Cog names them, `tmpXXXXXXXX.webp` for the others. */
  add(prediction: Prediction, picture: Picture, index: number, origin: string): string {
    const token = randomId(43);
    this.#files.set(token, { prediction, picture });
    prediction.files.push({ token, picture });
    const name = prediction.model.output.form === 'list' ? `out-${index}` : `tmp${randomId(8)}`;
    return `${origin}/files/${token}/${name}.${picture.format}`;
  }

  /** Serves the files of a prediction that was made before a restart. */
  restore(prediction: Prediction): void {
    for (const { token, picture } of prediction.files) this.#files.set(token, { prediction, picture });
  }

  find(token: string): OutputFile | undefined {
    return this.#files.get(token);
  }

  async dataUri(picture: Picture): Promise<string> {
    const { bytes } = await this.#painter.encode(picture);
    return `data:${contentTypes[picture.format]};base64,${bytes.toString('base64')}`;
  }

  clear(): void {
    this.#files.clear();
  }
}

function countOf(model: ModelFacts, input: Record<string, unknown>): number {
  if (input.sequential_image_generation === 'auto') return Number(input.max_images ?? 1);
  return Number(input.num_outputs ?? model.inputs.num_outputs?.default ?? 1);
}

function formatOf(model: ModelFacts, input: Record<string, unknown>): Format {
  const named = input.output_format ?? input.format ?? model.inputs.output_format?.default;
  const format = named ?? model.output.default_format ?? 'png';
  return typeof format === 'string' && format in contentTypes ? (format as Format) : 'png';
}

function modeOf(model: ModelFacts, source: SourceImage | undefined): Picture['mode'] {
  if (model.supports.task === 'background_removal') return 'cutout';
  if (source === undefined) return 'paint';
  return model.supports.task === 'upscale' ? 'upscale' : 'edit';
}
